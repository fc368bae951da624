"""Signatures of requests: HMAC schemes as a profile words them, and AWS Signature Version 4. Pure.

A profile says which text is signed and which headers and parameters carry what. The texts are templates over
a closed list of values of the request, each of which may pass through a closed list of steps.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import formatdate
from functools import partial
from typing import Any, Literal, get_args
from urllib.parse import quote, urlencode, urlsplit

from yarl import URL

from proxy.model import Credentials
from proxy.profile.base import Frozen, Name
from proxy.profile.calls import Call

Digest = Literal["md5", "sha1", "sha256", "sha384", "sha512"]
KeyEncoding = Literal["text", "base64", "hex"]
SignatureEncoding = Literal["base64", "base64url", "hex", "base64_of_hex"]


class Signed(Frozen):
    """An HMAC (RFC 2104) over parts of the request, keyed with the account's password."""

    scheme: Literal["signed"]
    algorithm: Digest = "sha256"
    key_encoding: KeyEncoding = "text"
    """How the password is the key."""
    signature_encoding: SignatureEncoding = "base64"
    """`base64_of_hex` is the Base64 of the hexadecimal digits."""
    string_to_sign: Name
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: Mapping[str, str] = {}
    """Parameters in the form or the JSON of a request; in its query where it has neither."""


class AwsSignature(Frozen):
    """AWS Signature Version 4: the user name is the access key id, the password the secret access key."""

    scheme: Literal["aws"]
    service: Name
    region: Name


@dataclass(frozen=True, slots=True)
class _Signing:
    """A request that is being signed."""

    call: Call
    credentials: Credentials
    account: str
    now: float
    nonce: str
    signature: str = ""

    @property
    def target(self) -> str:
        """Path and query as they are sent."""
        url = urlsplit(self.call.url)
        return f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"

    @property
    def body(self) -> str:
        encoded = self.call.encoded_body()
        return encoded[1].decode("utf-8", "surrogateescape") if encoded else ""

    @property
    def content_type(self) -> str:
        encoded = self.call.encoded_body()
        return encoded[0] if encoded else ""

    @property
    def parameters(self) -> str:
        """Those of the query and of the form, sorted by name and encoded as a form."""
        call = self.call
        form = call.body if call.body_type == "form" else {}
        return urlencode(sorted({**call.query, **form}.items()))

    def date(self, form: str) -> str:
        return datetime.fromtimestamp(int(self.now), UTC).strftime(form)


_VALUES: Mapping[str, Callable[[_Signing], str]] = {
    "method": lambda at: at.call.method,
    "url": lambda at: at.call.url,
    "host": lambda at: URL(at.call.url).host_port_subcomponent or "",
    "path": lambda at: at.target.partition("?")[0],
    "query": lambda at: at.target.partition("?")[2],
    "target": lambda at: at.target,
    "parameters": lambda at: at.parameters,
    "body": lambda at: at.body,
    "content_type": lambda at: at.content_type,
    "username": lambda at: at.credentials.username,
    "account": lambda at: at.account,
    "http_date": lambda at: formatdate(int(at.now), usegmt=True),
    "iso_date": lambda at: at.date("%Y-%m-%dT%H:%M:%SZ"),
    "seconds": lambda at: str(int(at.now)),
    "milliseconds": lambda at: str(int(at.now * 1000)),
    "nonce": lambda at: at.nonce,
    "signature": lambda at: at.signature,
}


def _hash_hex(digest: Digest, text: str) -> str:
    return hashlib.new(digest, _encode(text), usedforsecurity=False).hexdigest()


def _hash_base64(digest: Digest, text: str) -> str:
    return _write_base64(hashlib.new(digest, _encode(text), usedforsecurity=False).digest())


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _write_base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


_DIGESTS: Sequence[Digest] = get_args(Digest)
_STEPS: Mapping[str, Callable[[str], str]] = {
    **{digest: partial(_hash_hex, digest) for digest in _DIGESTS},
    **{f"{digest}_base64": partial(_hash_base64, digest) for digest in _DIGESTS},
    "base64": lambda text: _write_base64(_encode(text)),
    "lower": str.lower,
    "upper": str.upper,
    "encoded": lambda text: quote(text, safe=""),
}
_KEYS: Mapping[KeyEncoding, Callable[[str], bytes]] = {
    "text": str.encode,
    "base64": lambda text: base64.b64decode(text, validate=True),
    "hex": bytes.fromhex,
}
_SIGNATURES: Mapping[SignatureEncoding, Callable[[bytes], str]] = {
    "base64": _write_base64,
    "base64url": lambda octets: base64.urlsafe_b64encode(octets).decode("ascii").rstrip("="),
    "hex": bytes.hex,
    "base64_of_hex": lambda octets: _write_base64(octets.hex().encode()),
}
VALUES = frozenset(_VALUES)
STEPS = frozenset(_STEPS)
_EXPRESSION = re.compile(r"\{(\w+)((?:\|\w+)*)\}")


def list_expressions(template: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the value and the steps of each expression: `{body|sha256|base64}`."""
    for found in _EXPRESSION.finditer(template):
        yield found[1], found[2].split("|")[1:]


def strip_expressions(template: str) -> str:
    return _EXPRESSION.sub("", template)


def list_templates(auth: Signed) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each template, with its key path from `auth`."""
    yield ("string_to_sign",), auth.string_to_sign
    for key in ("headers", "query", "body"):
        for name, template in getattr(auth, key).items():
            yield (key, name), template


def find_unusable_secret(auth: Signed, password: str) -> str | None:
    """Return what is wrong with an account's password, None if nothing is."""
    try:
        is_usable = bool(_KEYS[auth.key_encoding](password))
    except (ValueError, binascii.Error):
        is_usable = False
    return None if is_usable else f"the password is not a key in {auth.key_encoding}"


_Fill = Callable[[_Signing], str]


def _compile(template: str, variables: Mapping[str, Any]) -> _Fill:
    """Return a function that fills a template; variables of the profile are values too."""
    parts: list[_Fill] = []
    end = 0
    for found in _EXPRESSION.finditer(template):
        parts.append(_say(template[end : found.start()]))
        name, steps = found[1], [_STEPS[step] for step in found[2].split("|")[1:]]
        value = _VALUES.get(name) or _say(str(variables[name]))
        parts.append(partial(_apply, value, steps) if steps else value)
        end = found.end()
    parts.append(_say(template[end:]))
    return lambda at: "".join([part(at) for part in parts])


def _say(text: str) -> _Fill:
    return lambda _: text


def _apply(value: _Fill, steps: Sequence[Callable[[str], str]], at: _Signing) -> str:
    text = value(at)
    for step in steps:
        text = step(text)
    return text


def compile_signed(
    auth: Signed, _: str, variables: Mapping[str, Any]
) -> Callable[[Call, Credentials, str], Call]:
    """Return a function that makes a call be signed when it is sent."""
    string_to_sign, tables = _compile(auth.string_to_sign, variables), _Tables.of(auth, variables)
    encode_key, encode_signature = _KEYS[auth.key_encoding], _SIGNATURES[auth.signature_encoding]

    def authorize(call: Call, credentials: Credentials, account: str) -> Call:
        def sign(call: Call, now: float) -> Call:
            at = _Signing(call, credentials, account, now, secrets.token_hex(16))
            at = replace(at, call=tables.unsigned.add_to(at))
            key, text = encode_key(credentials.password), _encode(string_to_sign(at))
            signature = encode_signature(hmac.digest(key, text, auth.algorithm))
            return tables.signature.add_to(replace(at, signature=signature))

        return call._replace(authorization=sign)

    return authorize


@dataclass(frozen=True, slots=True)
class _Table:
    """Headers and parameters with their templates."""

    headers: Mapping[str, _Fill]
    query: Mapping[str, _Fill]
    body: Mapping[str, _Fill]

    def add_to(self, at: _Signing) -> Call:
        headers, query, body = (
            {name: fill(at) for name, fill in table.items()}
            for table in (self.headers, self.query, self.body)
        )
        call = at.call
        call = call._replace(headers={**call.headers, **headers}, query={**call.query, **query})
        return call.with_parameters(body) if body else call


@dataclass(frozen=True, slots=True)
class _Tables:
    """What is added to a request: before it is signed, and what holds the signature."""

    unsigned: _Table
    signature: _Table

    @classmethod
    def of(cls, auth: Signed, variables: Mapping[str, Any]) -> "_Tables":
        tables = [
            _Table(
                *(
                    {
                        name: _compile(template, variables)
                        for name, template in table.items()
                        if holds_signature(template) == is_last
                    }
                    for table in (auth.headers, auth.query, auth.body)
                )
            )
            for is_last in (False, True)
        ]
        return cls(*tables)


def holds_signature(template: str) -> bool:
    return any(name == "signature" for name, _ in list_expressions(template))


def has_library() -> bool:
    """Whether calls can be signed for AWS."""
    try:
        import botocore.auth  # noqa: F401, PLC0415 - an extra
    except ImportError:
        return False
    return True


def compile_aws(
    auth: AwsSignature, _: str, variables: Mapping[str, Any]
) -> Callable[[Call, Credentials, str], Call]:
    """Return a function that makes a call be signed when it is sent; the time of the signature is now."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - an extra
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials as AwsCredentials  # noqa: PLC0415

    service, region = (
        _EXPRESSION.sub(lambda found: str(variables[found[1]]), text) for text in (auth.service, auth.region)
    )

    def authorize(call: Call, credentials: Credentials, _: str) -> Call:
        keys = AwsCredentials(credentials.username, credentials.password, credentials.extra or None)
        signer = SigV4Auth(keys, service, region)

        def sign(call: Call, _: float) -> Call:
            if any(" " in text for parameter in call.query.items() for text in parameter):
                call = _encode_spaces(call)
            content_type, body = call.encoded_body() or ("", b"")
            known = {**call.headers, **({"Content-Type": content_type} if content_type else {})}
            request = AWSRequest(call.method, call.url, known, body)
            signer.add_auth(request)
            added = {name: value for name, value in request.headers.items() if name not in known}
            return call._replace(headers={**call.headers, **added})

        return call._replace(authorization=sign)

    return authorize


def _encode_spaces(call: Call) -> Call:
    """Return a call whose query has %20 for a space: AWS reads a plus sign as itself."""
    query = urlencode(call.query, quote_via=quote, safe="")
    return call._replace(address=f"{call.address}{'&' if '?' in call.address else '?'}{query}", query={})
