"""How a call shows its credentials: the settings, the schemes and their rows in `AUTH_SCHEMES`. Pure.

To add a scheme, add its name to `SchemeName`, write its function and add a row to the table.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from proxy.model import Credentials
from proxy.profile.base import Frozen
from proxy.profile.calls import Call

SchemeName = Literal["caller", "basic", "bearer", "header", "query", "none"]
Part = Literal["header", "query"]


class Auth(Frozen):
    """How calls show credentials. `caller`: the caller's own, by Basic, or those of its account."""

    scheme: SchemeName = "caller"
    name: str = ""
    """Name of the header or the query parameter."""
    username: str = ""
    """Name of another header or query parameter, which holds the user name."""
    value: str = "{password}"
    """Content of the header or the query parameter; `{username}` and `{password}` stand for the account's."""


def _show_basic(_: Auth, credentials: Credentials) -> Mapping[str, str]:
    return {"Authorization": f"Basic {encode_basic(credentials)}"}


def encode_basic(credentials: Credentials) -> str:
    """Return what follows `Basic` in an Authorization header (RFC 7617)."""
    return base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode("ascii")


def _show_bearer(_: Auth, credentials: Credentials) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {credentials.password}"}


def _show_named(auth: Auth, credentials: Credentials) -> Mapping[str, str]:
    """Fill in `auth.value`; braces inside the credentials mean nothing."""
    values = {"{username}": credentials.username, "{password}": credentials.password}
    filled = re.sub(r"\{(?:username|password)\}", lambda found: values[found[0]], auth.value)
    username = {auth.username: credentials.username} if auth.username else {}
    return {**username, auth.name: filled}


class AuthScheme(NamedTuple):
    """What the program has to know of a scheme."""

    show: Callable[[Auth, Credentials], Mapping[str, str]]
    """Returns the headers or parameters that hold the credentials."""
    part: Part | None
    """Which part of a call holds the credentials."""
    header: str = ""
    """The header that the scheme sets; a scheme without one takes its name from the profile."""
    raw: tuple[str, ...] = ()
    """The credentials that are in that header as they are."""
    needs_accounts: bool = True
    """Whether the credentials can only come from `accounts` in proxy.yaml."""
    has_username: bool = False
    """Whether an account's user name is one of the credentials."""
    may_be_empty: bool = False
    """Whether a password without characters can be meant: it stands behind a user name."""

    @property
    def is_named(self) -> bool:
        """Whether the profile names the header or the query parameter."""
        return self.part is not None and not self.header


AUTH_SCHEMES: Mapping[SchemeName, AuthScheme] = {
    "caller": AuthScheme(_show_basic, "header", "Authorization", needs_accounts=False, may_be_empty=True),
    "basic": AuthScheme(_show_basic, "header", "Authorization", has_username=True, may_be_empty=True),
    "bearer": AuthScheme(_show_bearer, "header", "Authorization", raw=("password",)),
    "header": AuthScheme(_show_named, "header"),
    "query": AuthScheme(_show_named, "query"),
    "none": AuthScheme(lambda _, __: {}, None, needs_accounts=False),
}


def authorize(auth: Auth, call: Call, credentials: Credentials, entry: str = "") -> Call:
    """Return `call` with the credentials where the upstream expects them, and the hashes of both.

    The credentials are the caller's own, or those of the account with the Sid `entry` in proxy.yaml.
    """
    scheme = AUTH_SCHEMES[auth.scheme]
    shown = scheme.show(auth, credentials)
    headers = {**call.headers, **shown} if scheme.part == "header" else call.headers
    query = {**call.query, **shown} if scheme.part == "query" else call.query
    hashed = hash((credentials.username, credentials.password))
    return call._replace(headers=headers, query=query, credentials=hashed, caller=hash((hashed, entry)))


def set_names(auth: Auth, part: Part) -> Sequence[str]:
    """Return the headers or the query parameters that hold credentials."""
    scheme = AUTH_SCHEMES[auth.scheme]
    names = (auth.name, auth.username) if scheme.is_named else (scheme.header,)
    return names if scheme.part == part else ()


def raw_in_headers(auth: Auth) -> Sequence[str]:
    """Return which of `username` and `password` a header holds as they are."""
    scheme = AUTH_SCHEMES[auth.scheme]
    if not (scheme.is_named and scheme.part == "header"):
        return scheme.raw
    username = ["username"] if auth.username else []
    return username + re.findall(r"\{(username|password)\}", auth.value)
