"""How a call shows an upstream who asks: a table of schemes. Pure."""

import base64
import re
from collections.abc import Callable, Mapping

from proxy.model import Credentials
from proxy.upstream.calls import Call
from proxy.upstream.language import Auth


def authorize(auth: Auth, call: Call, credentials: Credentials) -> Call:
    """Return `call` with the credentials where the upstream looks for them, and what tells them apart."""
    authorized = _SCHEMES[auth.scheme](auth, call, credentials)
    return authorized._replace(credentials=hash((credentials.username, credentials.password)))


def basic_token(credentials: Credentials) -> str:
    """Return what stands behind `Basic` in an Authorization header (RFC 7617)."""
    return base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode("ascii")


def _basic(_: Auth, call: Call, credentials: Credentials) -> Call:
    return call.with_header("Authorization", f"Basic {basic_token(credentials)}")


def _bearer(_: Auth, call: Call, credentials: Credentials) -> Call:
    return call.with_header("Authorization", f"Bearer {credentials.password}")


def _header(auth: Auth, call: Call, credentials: Credentials) -> Call:
    return call._replace(headers={**call.headers, **_named(auth, credentials)})


def _query(auth: Auth, call: Call, credentials: Credentials) -> Call:
    return call._replace(query={**call.query, **_named(auth, credentials)})


def _named(auth: Auth, credentials: Credentials) -> Mapping[str, str]:
    """Return the credentials under the names that the profile gives them."""
    username = {auth.username: credentials.username} if auth.username else {}
    return {**username, auth.name: _filled(auth, credentials)}


def _filled(auth: Auth, credentials: Credentials) -> str:
    """Put an account's credentials into what the profile says; what stands in them is not looked at again."""
    values = {"{username}": credentials.username, "{password}": credentials.password}
    return re.sub(r"\{(?:username|password)\}", lambda found: values[found[0]], auth.value)


def _none(_: Auth, call: Call, __: Credentials) -> Call:
    return call


_SCHEMES: Mapping[str, Callable[[Auth, Call, Credentials], Call]] = {
    "caller": _basic,
    "basic": _basic,
    "bearer": _bearer,
    "header": _header,
    "query": _query,
    "none": _none,
}
