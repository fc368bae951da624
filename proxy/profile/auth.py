"""How a call shows its credentials: the settings, the schemes and their rows in `AUTH_SCHEMES`. Pure.

To add a scheme, write its settings and its function, here or in a module of its own, and add a row.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from proxy.model import Credentials
from proxy.profile import jwts, oauth2, signing
from proxy.profile.account_values import list_placeholders as list_account_values
from proxy.profile.base import Frozen
from proxy.profile.calls import Call
from proxy.profile.jwts import Jwt
from proxy.profile.oauth2 import OAuth2
from proxy.profile.signing import AwsSignature, Signed
from proxy.profile.token_places import ADD, Part, ShownToken

SchemeName = Literal["caller", "basic", "bearer", "header", "query", "body", "none"]


class Auth(Frozen):
    """How calls show credentials. `caller`: the caller's own, by Basic, or those of its account."""

    scheme: SchemeName = "caller"
    name: str = ""
    """Name of the header or the parameter."""
    username: str = ""
    """Name of another header or parameter, which holds the user name."""
    value: str = "{password}"
    """Content of the header or the parameter; `{username}` and `{password}` stand for the account's."""


def _add_scheme(value: Any) -> Any:
    """Let the scheme be left out."""
    return {"scheme": Auth().scheme, **value} if isinstance(value, Mapping) else value


AuthSettings = Annotated[
    Auth | OAuth2 | Jwt | Signed | AwsSignature,
    Field(discriminator="scheme"),
    BeforeValidator(_add_scheme),
]


# The simple schemes


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


Show = Callable[[Call, Credentials, str], Call]
"""Returns a call with the credentials of an account, whose name upstream is the last argument."""
Compile = Callable[[Any, str, Mapping[str, Any]], Show]
"""Takes the settings of a scheme, the base URL and the variables of a profile."""


def _simple(show: Callable[[Auth, Credentials], Mapping[str, str]], part: Part) -> Compile:
    def compile_scheme(auth: Auth, _: str, __: Mapping[str, Any]) -> Show:
        add = ADD[part]
        return lambda call, credentials, _: add(call, show(auth, credentials))

    return compile_scheme


# Schemes


class AuthScheme(NamedTuple):
    """What the program has to know of a scheme."""

    compile: Compile
    part: Part | None
    """Which part of a call holds the credentials."""
    header: str = ""
    """The header that the scheme sets; a scheme without one takes its names from the profile."""
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
        """Whether the profile names the header or the parameter."""
        return self.part is not None and not self.header


AUTH_SCHEMES: Mapping[str, AuthScheme] = {
    "caller": AuthScheme(
        _simple(_show_basic, "header"), "header", "Authorization", needs_accounts=False, may_be_empty=True
    ),
    "basic": AuthScheme(
        _simple(_show_basic, "header"), "header", "Authorization", has_username=True, may_be_empty=True
    ),
    "bearer": AuthScheme(_simple(_show_bearer, "header"), "header", "Authorization", raw=("password",)),
    "header": AuthScheme(_simple(_show_named, "header"), "header"),
    "query": AuthScheme(_simple(_show_named, "query"), "query"),
    "body": AuthScheme(_simple(_show_named, "body"), "body"),
    "none": AuthScheme(lambda *_: lambda call, __, ___: call, None, needs_accounts=False),
    "oauth2": AuthScheme(oauth2.compile_oauth2, "header", has_username=True),
    "jwt": AuthScheme(jwts.compile_jwt, "header", has_username=True),
    "signed": AuthScheme(signing.compile_signed, "header"),
    "aws": AuthScheme(signing.compile_aws, "header", "Authorization", has_username=True),
}

Authorize = Callable[..., Call]


def compile_auth(
    auth: AuthSettings, base_url: str = "", variables: Mapping[str, Any] = MappingProxyType({})
) -> Authorize:
    """Return `authorize(call, credentials, entry="", account="")`.

    It returns the call with the credentials where the upstream expects them, and the hashes of both. They are
    the caller's own, or those of the account with the Sid `entry` in proxy.yaml, which is `account` upstream.
    """
    show = AUTH_SCHEMES[auth.scheme].compile(auth, base_url, variables)

    def authorize(call: Call, credentials: Credentials, entry: str = "", account: str = "") -> Call:
        hashed = hash(credentials)
        call = call._replace(credentials=hashed, caller=hash((hashed, entry)))
        return show(call, credentials, account)

    return authorize


# What rules have to know


def set_names(auth: AuthSettings, part: Part) -> Sequence[str]:
    """Return the headers or the parameters that hold credentials."""
    scheme = AUTH_SCHEMES[auth.scheme]
    match auth:
        case Signed():
            tables = {"header": auth.headers, "query": auth.query, "body": auth.body}
            return tuple(tables[part])
        case ShownToken():
            return (auth.name,) if auth.place == part else ()
        case Auth() if scheme.is_named:
            names: Sequence[str] = (auth.name, auth.username)
        case _:
            names = (scheme.header,)
    return names if scheme.part == part else ()


def raw_in_headers(auth: AuthSettings) -> Sequence[str]:
    """Return which of `username` and `password` a header holds as they are."""
    scheme = AUTH_SCHEMES[auth.scheme]
    match auth:
        case Signed():
            return re.findall(r"\{(username)\}", "".join(auth.headers.values()))
        case Auth() if scheme.is_named and scheme.part == "header":
            username = ["username"] if auth.username else []
            return username + re.findall(r"\{(username|password)\}", auth.value)
        case _:
            return scheme.raw


def shows_username(auth: AuthSettings) -> bool:
    """Whether an account's user name is one of the credentials."""
    match auth:
        case Auth():
            is_shown = bool(auth.username) or "{username}" in auth.value
            return AUTH_SCHEMES[auth.scheme].has_username or is_shown
        case OAuth2():
            return "username" in oauth2.list_secrets(auth)
        case Jwt():
            return "username" in jwts.list_secrets(auth)
        case Signed():
            return any("{username" in template for _, template in signing.list_templates(auth))
        case AwsSignature():
            return True


def list_secrets(auth: AuthSettings) -> set[str]:
    """Return which secret keys of an account the scheme needs, of `password` and `assertion`."""
    if isinstance(auth, OAuth2 | Jwt):
        secrets = jwts.list_secrets(auth) if isinstance(auth, Jwt) else oauth2.list_secrets(auth)
        return secrets - {"username"}
    return {"password"} if AUTH_SCHEMES[auth.scheme].part else set()


def list_placeholders(auth: AuthSettings) -> set[str]:
    """Return the names of variables and values in the texts of the scheme."""
    match auth:
        case OAuth2():
            texts = [auth.token_url.replace("{+", "{"), *(text for _, text in oauth2.list_templates(auth))]
            return {name for text in texts for name in list_account_values(text)}
        case Jwt():
            return {name for _, text in jwts.list_templates(auth) for name in list_account_values(text)}
        case Signed():
            templates = [template for _, template in signing.list_templates(auth)]
        case AwsSignature():
            templates = [auth.service, auth.region]
        case _:
            return set()
    return {name for template in templates for name, _ in signing.list_expressions(template)}


def list_urls(auth: AuthSettings, base_url: str, variables: Mapping[str, Any]) -> Sequence[str]:
    """Return the other URLs that get credentials."""
    return (oauth2.complete_token_url(auth, base_url, variables),) if isinstance(auth, OAuth2) else ()


def find_unusable_secrets(auth: AuthSettings, credentials: Credentials) -> Iterator[tuple[str, str]]:
    """Yield the key of each secret of an account that cannot be used, and why."""
    if isinstance(auth, OAuth2) and (reason := oauth2.find_unusable_key(auth, credentials.extra)):
        yield "assertion", reason
    if isinstance(auth, Jwt) and (reason := jwts.find_unusable_key(auth, credentials.extra)):
        yield "assertion", reason
    if isinstance(auth, Signed) and (reason := signing.find_unusable_secret(auth, credentials.password)):
        yield "password", reason
