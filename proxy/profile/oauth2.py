"""OAuth2: how an access token is requested, and what the answer says (RFC 6749, RFC 7523). Pure."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal
from urllib.parse import quote_plus, urlsplit

import uritemplate

from proxy.errors import Reason, UpstreamError
from proxy.model import Credentials
from proxy.profile import jwts
from proxy.profile.account_values import SECRETS, collect_values, digest_values, fill, list_placeholders
from proxy.profile.base import KeyPath, Name, Pointers
from proxy.profile.calls import Call, Reply, Token, TokenGrant, TokenRequest
from proxy.profile.documents import NOT_JSON, parse_json
from proxy.profile.jwts import SignedJwt
from proxy.profile.pointers import compile_pointers
from proxy.profile.token_places import ShownToken

Grant = Literal["client_credentials", "jwt_bearer", "custom"]
ClientPart = Literal["basic", "body", "none"]


class Assertion(SignedJwt):
    """A JWT that the proxy signs with the account's `assertion`, which is then a key (RFC 7523 section 3).

    Without an audience, that is the token URL.
    """


class OAuth2(ShownToken):
    """A token that is fetched with the account's credentials."""

    scheme: Literal["oauth2"]
    token_url: Name
    """A URL, or a path after the origin of the base URL; it may hold the profile's variables."""
    grant: Grant = "client_credentials"
    """`custom` sends nothing but `parameters`."""
    client: ClientPart = "basic"
    """Where the account's user name and password are sent, as the id and the secret of the client."""
    body: Literal["form", "json"] = "form"
    scope: str = ""
    audience: str = ""
    parameters: Mapping[str, str] = {}
    """More parameters of the token request, which replace others of the same name."""
    assertion: Assertion | None = None
    """Without it, `jwt_bearer` sends the account's `assertion` as it is."""
    token: Pointers = ("/access_token",)
    """Where the answer has the token."""
    lifetime: Pointers = ("/expires_in",)
    """Where the answer has the seconds until it ends; without them, the token is kept for five minutes."""


_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_REFUSALS = frozenset({"invalid_client", "invalid_grant", "unauthorized_client"})
_OTHER_ERRORS = frozenset({"invalid_request", "unsupported_grant_type", "invalid_scope", "invalid_target"})
"""Error codes of RFC 6749 section 5.2, and of RFC 8707: no other text of a token server is shown."""
_USUAL_LIFETIME, _LONGEST_LIFETIME = 300.0, 86_400.0  # seconds
_TOKEN = re.compile("[!-~]{1,8192}")
_TEXT_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def list_templates(auth: OAuth2) -> Iterator[tuple[KeyPath, str]]:
    """Yield the texts that may hold placeholders, each with its key path from `auth`; the URL aside."""
    yield from ((("parameters", name), text) for name, text in auth.parameters.items())
    yield from ((("scope",), auth.scope), (("audience",), auth.audience))
    if auth.assertion:
        yield from ((("assertion", *here), text) for here, text in jwts.list_templates(auth.assertion))


def list_secrets(auth: OAuth2) -> set[str]:
    """Return which of `SECRETS` an account needs."""
    used = {name for _, text in list_templates(auth) for name in list_placeholders(text)} & {*SECRETS}
    client = {"username", "password"} if auth.client != "none" else set()
    return used | client | ({"assertion"} if auth.grant == "jwt_bearer" else set())


def complete_token_url(auth: OAuth2, base_url: str, variables: Mapping[str, Any]) -> str:
    """Return the whole token URL."""
    url = uritemplate.expand(auth.token_url, dict(variables))
    base = urlsplit(base_url)
    return f"{base.scheme}://{base.netloc}{url}" if url.startswith("/") else url


def compile_oauth2(
    auth: OAuth2, base_url: str, variables: Mapping[str, Any]
) -> Callable[[Call, Credentials, str], Call]:
    """Return a function that makes a call show a token of an account, with its credentials and its name."""
    url, read = complete_token_url(auth, base_url, variables), _compile_answer(auth)
    used = {name for _, text in list_templates(auth) for name in list_placeholders(text)} & variables.keys()
    settings = json.dumps([auth.model_dump(), url, {name: variables[name] for name in sorted(used)}])

    def authorize(call: Call, credentials: Credentials, account: str) -> Call:
        values = collect_values(credentials, account, variables)

        def begin() -> TokenRequest:
            return TokenRequest(_build_request(auth, url, values, call), read)

        key = digest_values(settings, credentials, account)
        return call._replace(authorization=TokenGrant(key, begin, auth.show))

    return authorize


def _build_request(auth: OAuth2, url: str, values: Mapping[str, str], call: Call) -> Call:
    """Return the request of the token for `call`, of the same caller and by the same way.

    The `values` of the account fill placeholders. ValueError where an assertion cannot be signed.
    """
    parameters: dict[str, str] = {}
    if auth.grant == "client_credentials":
        parameters["grant_type"] = "client_credentials"
    elif auth.grant == "jwt_bearer":
        signed = jwts.sign(auth.assertion, values, url) if auth.assertion else values["assertion"]
        parameters |= {"grant_type": _JWT_BEARER, "assertion": signed}
    headers: Mapping[str, str] = {}
    if auth.client == "body":
        parameters |= {"client_id": values["username"], "client_secret": values["password"]}
    elif auth.client == "basic":
        headers = {"Authorization": f"Basic {_encode_client(values['username'], values['password'])}"}
    texts = {"scope": auth.scope, "audience": auth.audience}
    parameters |= {name: fill(text, values) for name, text in texts.items() if text}
    parameters |= {name: fill(text, values) for name, text in auth.parameters.items()}
    # An assertion is for one use only (RFC 7523 section 3, on `jti`)
    retries = 0 if auth.assertion else 1
    return call._replace(
        method="POST",
        address=url,
        headers=headers,
        query={},
        body=parameters,
        body_type=auth.body,
        retries=retries,
        is_safe=False,
        is_probe=False,
        is_overtaken=None,
        is_refusal=None,
        authorization=None,
    )


def _encode_client(name: str, secret: str) -> str:
    """Return the credentials of a client for Basic: each is encoded as in a form (RFC 6749 section 2.3.1)."""
    return base64.b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode("ascii")


def find_unusable_key(auth: OAuth2, secret: str) -> str | None:
    """Return what is wrong with an account's `assertion`, None if nothing is."""
    if auth.grant != "jwt_bearer":
        return None
    if auth.assertion is None:
        return None if _TOKEN.fullmatch(secret) else "an assertion is one JWT, without spaces and line breaks"
    return jwts.find_unusable_key(auth.assertion, secret)


def _compile_answer(auth: OAuth2) -> Callable[[Reply], Token]:
    find_token, find_lifetime = compile_pointers(auth.token), compile_pointers(auth.lifetime)
    is_bearer = auth.template.startswith("Bearer ")

    def read(reply: Reply) -> Token:
        document = parse_json(reply.body)
        details: dict[str, str | int] = {"status": reply.status}
        error = document.get("error") if isinstance(document, dict) else None
        if isinstance(error, str) and error in _REFUSALS | _OTHER_ERRORS:
            details["error"] = error
        if not 200 <= reply.status < 300:
            raise _failure("token_url", _find_reason(reply.status, error), details)
        if not isinstance(document, dict):
            reason = Reason.NOT_JSON if document is NOT_JSON else Reason.ITEM_TYPE
            raise _failure("token_url", reason, details)
        token, kind = find_token(document), document.get("token_type")
        if token is None:
            raise _failure("token", Reason.ITEM_KEY, {**details, "pointer": " or ".join(auth.token)})
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            expected = "a token of at most 8192 visible characters"
            wrong = {"pointer": " or ".join(auth.token), "expected": expected}
            raise _failure("token", Reason.ITEM_TYPE, {**details, **wrong})
        if is_bearer and kind is not None and not str(kind).lower().startswith("bearer"):
            wrong = {"pointer": "/token_type", "expected": "Bearer"}  # RFC 6749 section 7.1
            raise _failure("value", Reason.ITEM_TYPE, {**details, **wrong})
        return Token(token, _read_lifetime(find_lifetime(document)))

    return read


def _failure(key: str, reason: Reason, details: Mapping[str, str | int]) -> UpstreamError:
    """Return the error for an answer of the token server, about a key of the scheme."""
    error = UpstreamError(reason)
    error.add_details(**details)
    return error.at_key("auth", key)


def _find_reason(status: int, error: object) -> Reason:
    if status in (429, 503):
        return Reason.DECLINED
    is_refusal = status in (401, 403) or (status == 400 and error in _REFUSALS)
    return Reason.CREDENTIALS if is_refusal else Reason.STATUS


def _read_lifetime(value: object) -> float:
    """Return seconds; some servers write them as text, and where they make no sense the usual ones count."""
    if isinstance(value, str) and _TEXT_NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(min(value, _LONGEST_LIFETIME))
    return _USUAL_LIFETIME
