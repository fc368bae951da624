"""Rules about how a profile shows credentials."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import uritemplate

from proxy.net.addresses import check_url
from proxy.profile import jwts, oauth2, signing
from proxy.profile.account_values import PLACEHOLDERS, list_placeholders
from proxy.profile.auth import AUTH_SCHEMES, Auth, AuthScheme, list_urls
from proxy.profile.base import KeyPath, Rule, Violation, suggest
from proxy.profile.jwts import Jwt
from proxy.profile.language import ProfileSettings
from proxy.profile.oauth2 import OAuth2
from proxy.profile.paging import PAGING_KINDS
from proxy.profile.signing import AwsSignature, Signed
from proxy.profile.token_places import Part, ShownToken

OWN_HEADERS = re.compile(
    "accept-encoding|connection|content-length|expect|host|keep-alive|proxy-authorization|proxy-connection"
    "|te|trailer|transfer-encoding|upgrade"
)
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2
LINE = re.compile("[ -~]*")
_PAGING_HEADERS = {kind.header.lower() for kind in PAGING_KINDS.values()} - {""}
_PLACES: Mapping[Part | None, str] = {"header": "header", "query": "query", "body": "parameter"}
_CREDENTIALS = frozenset({"username", "password"})


def _check_auth(profile: ProfileSettings) -> Iterator[Violation]:
    auth, scheme = profile.auth, AUTH_SCHEMES[profile.auth.scheme]
    if isinstance(auth, Auth) and scheme.is_named:
        yield from _check_named(auth, scheme)
    elif isinstance(auth, Auth):
        for key in ("name", "username", "value"):
            if getattr(auth, key) != getattr(Auth(), key):
                yield ("auth", key), f"scheme {auth.scheme} has no {key}"


def _check_named(auth: Auth, scheme: AuthScheme) -> Iterator[Violation]:
    if not auth.name:
        what = ", which is empty" if "name" in auth.model_fields_set else ""
        yield ("auth",), f"scheme {auth.scheme} needs the key 'name'{what}"
    if auth.username and auth.username.lower() == auth.name.lower():
        yield ("auth", "username"), f"the {_PLACES[scheme.part]} {auth.name} holds the password already"
    if "{password}" not in auth.value:
        yield ("auth", "value"), "the value has to hold {password}, which comes from accounts in proxy.yaml"
    for name in set(re.findall(r"\{(\w+)\}", auth.value)) - _CREDENTIALS:
        yield ("auth", "value"), f"nothing fills the placeholder {{{name}}}{suggest(name, _CREDENTIALS)}"
    if scheme.part == "header":
        if not LINE.fullmatch(auth.value):
            yield ("auth", "value"), "a header's value is one line of ASCII"
        yield from _check_header_names({("auth", "name"): auth.name, ("auth", "username"): auth.username})


def _check_header_names(names: Mapping[KeyPath, str]) -> Iterator[Violation]:
    for here, name in names.items():
        if name and not TOKEN.fullmatch(name):
            yield here, "a header's name has no spaces"
        if OWN_HEADERS.fullmatch(name.lower()) or name.lower() in {"content-type", *_PAGING_HEADERS}:
            yield here, f"the header {name} cannot hold credentials"


def _check_oauth2(profile: ProfileSettings) -> Iterator[Violation]:
    auth = profile.auth
    if not isinstance(auth, OAuth2):
        return
    yield from _check_token_url(auth, profile)
    yield from _require("jwt", is_there=auth.assertion is None or jwts.has_library())
    yield from _check_account_values(oauth2.list_templates(auth), profile)
    yield from _check_shown_token(auth)
    if auth.assertion and auth.grant != "jwt_bearer":
        yield ("auth", "assertion"), f"grant {auth.grant} sends no assertion: write grant: jwt_bearer"
    if auth.grant == "custom" and not auth.parameters:
        yield ("auth", "grant"), "grant custom sends nothing but parameters: there are none"
    if auth.client == "none" and not oauth2.list_secrets(auth):
        yield ("auth", "client"), "no credentials are sent: put {password} into a parameter"


def _check_account_values(
    templates: Iterator[tuple[KeyPath, str]], profile: ProfileSettings
) -> Iterator[Violation]:
    known = PLACEHOLDERS | profile.variables.keys()
    for here, text in templates:
        for name in set(list_placeholders(text)) - known:
            yield ("auth", *here), f"nothing fills the placeholder {{{name}}}{suggest(name, known)}"


def _check_shown_token(auth: ShownToken) -> Iterator[Violation]:
    if list_placeholders(auth.template) != ["token"] or not LINE.fullmatch(auth.template):
        yield ("auth", "value"), "the value is one line of ASCII, with {token} and no other placeholder"
    if auth.place == "header":
        yield from _check_header_names({("auth", "name"): auth.name})
    elif "name" not in auth.model_fields_set:
        yield ("auth", "place"), f"place {auth.place} needs the key 'name'"


def _check_jwt(profile: ProfileSettings) -> Iterator[Violation]:
    auth = profile.auth
    if not isinstance(auth, Jwt):
        return
    yield from _require("jwt", is_there=jwts.has_library())
    yield from _check_account_values(jwts.list_templates(auth), profile)
    yield from _check_shown_token(auth)
    for here, text in jwts.list_templates(auth):
        if "assertion" in list_placeholders(text):
            yield ("auth", *here), "the key would be in the token, which anyone can read"
    if auth.backdate >= auth.lifetime:
        yield ("auth", "backdate"), f"each token would have ended before it is sent: lifetime {auth.lifetime}"


def _check_token_url(auth: OAuth2, profile: ProfileSettings) -> Iterator[Violation]:
    here = ("auth", "token_url")
    names = set(list_placeholders(auth.token_url.replace("{+", "{")))
    for name in names - profile.variables.keys():
        message = f"nothing fills the placeholder {{{name}}}: give it a default under variables"
        yield here, message + suggest(name, profile.variables)
    variables: dict[str, Any] = {name: value or "x" for name, value in profile.variables.items()}
    if names and names <= profile.variables.keys() and not all(map(profile.variables.get, names)):
        return  # proxy.yaml fills it
    for url in list_urls(auth, uritemplate.expand(profile.base_url, variables), variables):
        try:
            check_url(url.partition("?")[0])
        except ValueError:
            yield here, "write a URL like https://login.example.com/token, or a path like /oauth/token"


def _check_signed(profile: ProfileSettings) -> Iterator[Violation]:
    auth = profile.auth
    if not isinstance(auth, Signed):
        return
    known = signing.VALUES | profile.variables.keys()
    for here, template in signing.list_templates(auth):
        for name, steps in signing.list_expressions(template):
            if name not in known:
                yield ("auth", *here), f"nothing fills the placeholder {{{name}}}{suggest(name, known)}"
            for step in set(steps) - signing.STEPS:
                yield ("auth", *here), f"there is no step {step!r}{suggest(step, signing.STEPS)}"
        if {"{", "}"} & set(signing.strip_expressions(template)):
            yield ("auth", *here), "a placeholder is a name in braces, as {path}, and steps, as {body|sha256}"
        if here[0] == "headers" and not LINE.fullmatch(template):
            yield ("auth", *here), "a header's value is one line of ASCII"
    if signing.holds_signature(auth.string_to_sign):
        yield ("auth", "string_to_sign"), "the signature cannot be part of what is signed"
    places = [template for here, template in signing.list_templates(auth) if len(here) > 1]
    if not any(map(signing.holds_signature, places)):
        yield ("auth",), "the signature is never sent: put {signature} into headers, query or body"
    yield from _check_header_names({("auth", "headers", name): name for name in auth.headers})


def _check_aws(profile: ProfileSettings) -> Iterator[Violation]:
    auth = profile.auth
    if not isinstance(auth, AwsSignature):
        return
    yield from _require("aws", is_there=signing.has_library())
    for key in ("service", "region"):
        for name, _ in signing.list_expressions(getattr(auth, key)):
            if name not in profile.variables:
                message = f"nothing fills the placeholder {{{name}}}"
                yield ("auth", key), message + suggest(name, profile.variables)


def _require(extra: str, *, is_there: bool) -> Iterator[Violation]:
    """Find a library that is missing: a small installation leaves it out."""
    if not is_there:
        yield ("auth",), f"the extra {extra} is not installed: pip install 'callerid-proxy[{extra}]'"


AUTH_RULES: Sequence[Rule] = (_check_auth, _check_oauth2, _check_jwt, _check_signed, _check_aws)
