"""How a call shows an upstream who asks: a table of schemes. Pure."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace

from proxy.model import Credentials
from proxy.upstream.calls import Call
from proxy.upstream.language import Auth


def authorize(auth: Auth, call: Call, credentials: Credentials) -> Call:
    """Return `call` with the credentials where the upstream looks for them."""
    return _SCHEMES[auth.scheme](auth, call, credentials)


def basic_token(credentials: Credentials) -> str:
    """Return what stands behind `Basic` in an Authorization header (RFC 7617)."""
    return base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode("ascii")


def _basic(_: Auth, call: Call, credentials: Credentials) -> Call:
    return call.with_header("Authorization", f"Basic {basic_token(credentials)}")


def _bearer(_: Auth, call: Call, credentials: Credentials) -> Call:
    return call.with_header("Authorization", f"Bearer {credentials.password}")


def _header(auth: Auth, call: Call, credentials: Credentials) -> Call:
    return call.with_header(auth.name, credentials.password)


def _query(auth: Auth, call: Call, credentials: Credentials) -> Call:
    return replace(call, query={**call.query, auth.name: credentials.password})


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
