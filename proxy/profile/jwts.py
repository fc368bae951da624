"""JWTs that the proxy signs (RFC 7519): assertions for a token server, and JWTs that are tokens themselves.

The key of an account is its `assertion`: a private key as PEM, or the secret of an HMAC.
"""

import json
import secrets
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, JsonValue, StrictInt

from proxy.model import Credentials
from proxy.profile.account_values import SECRETS, collect_values, digest_values, fill, list_placeholders
from proxy.profile.base import Frozen, KeyPath
from proxy.profile.calls import Call, Token, TokenGrant
from proxy.profile.token_places import ShownToken

Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "HS256",
    "HS384",
    "HS512",
]


class SignedJwt(Frozen):
    """What a JWT says, and how it is signed."""

    algorithm: Algorithm = "RS256"
    key_id: str = ""
    issuer: str = "{username}"
    subject: str = "{username}"
    audience: str = ""
    lifetime: StrictInt = Field(300, ge=1, le=3600)
    """Seconds."""
    claims: Mapping[str, JsonValue] = {}
    """More claims, which replace others of the same name; null leaves one out."""


class Jwt(SignedJwt, ShownToken):
    """A JWT that is shown as an access token is."""

    scheme: Literal["jwt"]
    subject: str = ""
    lifetime: StrictInt = Field(300, ge=10, le=86_400)
    """Seconds from `iat` to `exp`."""
    backdate: StrictInt = Field(0, ge=0, le=300)
    """Seconds by which `iat` lies in the past, for upstreams whose clocks are late."""


def list_templates(signed: SignedJwt) -> Iterator[tuple[KeyPath, str]]:
    """Yield the texts that may hold placeholders, each with its key path from `signed`."""
    for key in ("key_id", "issuer", "subject", "audience"):
        yield (key,), getattr(signed, key)
    yield from _list_texts(signed.claims, ("claims",))


def _list_texts(value: Any, key_path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    match value:
        case str():
            yield key_path, value
        case Mapping() | list():
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, each in pairs:
                yield from _list_texts(each, (*key_path, key))


def list_secrets(auth: Jwt) -> set[str]:
    """Return which of `SECRETS` an account needs."""
    used = {name for _, text in list_templates(auth) for name in list_placeholders(text)}
    return {"assertion", *(used & {*SECRETS})}


def has_library() -> bool:
    """Whether JWTs can be signed."""
    try:
        import jwt  # noqa: F401, PLC0415 - an extra
    except ImportError:
        return False
    return True


def sign(signed: SignedJwt, values: Mapping[str, Any], audience: str = "", backdate: int = 0) -> str:
    """Return a JWT with an id of its own, for `audience` where the settings name none.

    The `values` of the account fill placeholders, and `assertion` among them is the key. ValueError where it
    cannot sign. The claims are those of RFC 7519 section 4.1.
    """
    import jwt  # noqa: PLC0415 - an extra

    issued = int(time.time()) - backdate
    named = {"iss": signed.issuer, "sub": signed.subject, "aud": signed.audience or audience}
    texts = {name: fill(text, values) for name, text in named.items()}
    times = {"iat": issued, "exp": issued + signed.lifetime, "jti": secrets.token_hex(16)}
    more = {name: _fill_claim(value, values) for name, value in signed.claims.items()}
    claims = {**{name: text for name, text in texts.items() if text}, **times, **more}
    claims = {name: value for name, value in claims.items() if value is not None}
    key_id = {"kid": fill(signed.key_id, values)} if signed.key_id else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the length of a key, which the vendor has chosen
            return jwt.encode(claims, values["assertion"], signed.algorithm, headers=key_id)
    except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError) as error:
        raise ValueError(f"the key does not sign {signed.algorithm}") from error


def _fill_claim(value: Any, values: Mapping[str, Any]) -> Any:
    match value:
        case str():
            return fill(value, values)
        case Mapping():
            return {key: _fill_claim(each, values) for key, each in value.items()}
        case list():
            return [_fill_claim(each, values) for each in value]
    return value


def find_unusable_key(signed: SignedJwt, secret: str) -> str | None:
    """Return what is wrong with an account's `assertion` as a key, None if nothing is."""
    if not has_library():
        return None  # which is the mistake
    try:
        sign(SignedJwt(algorithm=signed.algorithm, issuer="", subject=""), {"assertion": secret})
    except ValueError as error:
        return f"{error}: a private key as PEM without a passphrase is needed, or a secret for HS256"
    return None


def compile_jwt(auth: Jwt, _: str, variables: Mapping[str, Any]) -> Callable[[Call, Credentials, str], Call]:
    """Return a function that makes a call show a JWT of an account, which is made anew before it ends."""
    used = {name for _, text in list_templates(auth) for name in list_placeholders(text)} & variables.keys()
    settings = json.dumps([auth.model_dump(), {name: variables[name] for name in sorted(used)}])

    def authorize(call: Call, credentials: Credentials, account: str) -> Call:
        def make() -> Token:
            values = collect_values(credentials, account, variables)
            return Token(sign(auth, values, backdate=auth.backdate), auth.lifetime - auth.backdate)

        key = digest_values(settings, credentials, account)
        return call._replace(authorization=TokenGrant(key, make, auth.show))

    return authorize
