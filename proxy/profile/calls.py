"""A call to an upstream and its reply, as values."""

import string
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, quote_plus

import orjson

from proxy.errors import Fault, Reason, UpstreamError
from proxy.profile.pointers import parse_pointer


def _write_form(values: Mapping[str, Any]) -> str:
    return "&".join([f"{_quote(name)}={_quote(str(value))}" for name, value in values.items()])


def _quote(text: str) -> str:
    """Percent-encode for a query or a form; letters and digits alone need no encoding."""
    return text if text.isascii() and text.isalnum() else quote_plus(text)


def nest_parameters(values: Mapping[str, Any]) -> Any:
    """Put each value where its name points to, if the name is a JSON Pointer: it starts with a slash."""
    document: dict[str, Any] = {}
    for name, value in values.items():
        *way, last = parse_pointer(name) if name.startswith("/") else (name,)
        holder = document
        for step in way:
            holder = holder.setdefault(step, {})
        holder[last] = value
    return _make_arrays(document)


def _make_arrays(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _make_arrays(each) for key, each in value.items()}
    is_array = inner and list(inner) == [str(index) for index in range(len(inner))]
    return list(inner.values()) if is_array else inner


def apply_merge_patch(target: Any, patch: Any) -> Any:
    """Return `target` with the changes of a JSON Merge Patch (RFC 7396 section 2)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = apply_merge_patch(merged.get(name), value)
    return merged


BodyType = Literal["form", "json", "merge", "item"]
"""An item is written as it is; the others nest parameters whose names are JSON Pointers."""
_BODY_TYPES: Mapping[BodyType, tuple[str, Callable[[Mapping[str, Any]], bytes]]] = {
    "form": ("application/x-www-form-urlencoded", lambda values: _write_form(values).encode("ascii")),
    "json": ("application/json", lambda values: orjson.dumps(nest_parameters(values))),
    "merge": ("application/merge-patch+json", lambda values: orjson.dumps(nest_parameters(values))),
    "item": ("application/json", orjson.dumps),
}


class Token(NamedTuple):
    """An access token, and for how many seconds it is valid from now on."""

    value: str
    lifetime: float

    def __repr__(self) -> str:
        """Keep the token out of logs and tracebacks."""
        return "Token(…)"


class TokenRequest(NamedTuple):
    """A call that asks for a token, and how its reply is read."""

    call: "Call"
    read: "Callable[[Reply], Token]"
    """UpstreamError where there is no token."""


class TokenGrant(NamedTuple):
    """How the access token is fetched, or made, that a call has to show (RFC 6749 section 4)."""

    key: str
    """A digest of everything that the token depends on: calls with the same key share a token."""
    begin: "Callable[[], TokenRequest | Token]"
    """Returns a token, or what asks for one; ValueError where the account's key cannot sign it."""
    show: "Callable[[Call, str], Call]"
    """Returns a call with a token where the upstream expects it."""

    def __repr__(self) -> str:
        """Keep the digest, which stands for secrets, out of logs and tracebacks."""
        return "TokenGrant(…)"


Sign = Callable[["Call", float], "Call"]
"""Returns a call with its signature, at a time in seconds since the epoch; ValueError for an unusable key."""


class Call(NamedTuple):
    """One HTTP request to an upstream."""

    method: str
    address: str
    """Absolute and percent-encoded; `query` is appended to it."""
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: Mapping[str, Any] = {}
    body_type: BodyType | None = None
    retries: int = 0
    """How often it may be sent again; a call that must not happen twice has none."""
    is_safe: bool = False
    """Whether it changes nothing (RFC 9110 section 9.2.1), whatever its method."""
    credentials: int = 0
    """A hash that calls with the same credentials share; it reveals none of them."""
    caller: int = 0
    """A hash that calls of the same caller share: accounts in proxy.yaml may have the same credentials."""
    route: str = ""
    """The name of the way to the upstream, where it is not connected to directly."""
    is_probe: bool = False
    """Whether it requests a page of a list behind a short one, which is most likely the last."""
    is_overtaken: Callable[[], Awaitable[bool]] | None = None
    """Awaited before a retry: whether the retry would undo a newer write."""
    is_refusal: "Callable[[Reply], bool] | None" = None
    """Whether an answer refuses the credentials, though its status is not 401; None where none does."""
    authorization: TokenGrant | Sign | None = None
    """What shows the credentials where only the moment of sending can tell how."""

    @property
    def url(self) -> str:
        """The whole URL."""
        if not self.query:
            return self.address
        return f"{self.address}{'&' if '?' in self.address else '?'}{_write_form(self.query)}"

    @property
    def identity(self) -> tuple[Hashable, ...]:
        """What two calls for the same thing have in common."""
        return self.url, tuple(self.body.items()), self.headers.get("Range")

    def __repr__(self) -> str:
        """Keep credentials, which may be anywhere but in the path, out of logs and tracebacks."""
        return f"Call({self.method} {self.address.partition('?')[0]})"

    def encoded_body(self) -> tuple[str, bytes] | None:
        """Return the content type and the bytes of the body, None without one."""
        if self.body_type is None:
            return None
        content_type, encode = _BODY_TYPES[self.body_type]
        return self.headers.get("Content-Type", content_type), encode(self.body)

    def with_parameters(self, parameters: Mapping[str, str | int]) -> "Call":
        """Return this call with more parameters: in its body where it has one, else in its query."""
        if self.body_type == "json":
            return self._replace(body={**self.body, **parameters})
        written = {name: str(value) for name, value in parameters.items()}
        if self.body_type == "form":
            return self._replace(body={**self.body, **written})
        return self._replace(query={**self.query, **written})

    def with_url(self, url: str) -> "Call":
        """Return this call for another URL, which has its own query and may lack percent-encoding."""
        return self._replace(address=quote(url, safe=string.punctuation), query={})

    def authorized(self, now: float, token: str) -> "Call":
        """Return this call as it is sent: signed, or with `token`."""
        bare = self._replace(authorization=None)
        match self.authorization:
            case None:
                return bare
            case TokenGrant() as grant:
                return grant.show(bare, token)
            case sign:
                return sign(bare, now)

    def with_header(self, name: str, value: str) -> "Call":
        return self._replace(headers={**self.headers, name: value})


class Reply(NamedTuple):
    """The whole answer to a Call."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    """Names in lower case; those that profiles and fault rules use."""
    is_repeated: bool = False
    """Whether the call was sent before, so that its first sending may have had its effect already."""
    retry_after: int | None = None
    """Seconds, 1 to 3600, that the upstream asks to be left alone; 0 if it asks unreadably, None if not."""

    def __repr__(self) -> str:
        """Keep the body out of logs and tracebacks."""
        return f"Reply({self.status}, of {len(self.body)} bytes)"


class NoReplyError(UpstreamError):
    """A call has led to no Reply."""

    def __init__(
        self,
        reason: Reason,
        fault: Fault | None = None,
        *,
        was_sent: bool,
        may_pass: bool = False,
        is_out_of_time: bool = False,
        **details: str | int,
    ) -> None:
        """Know whether a byte of the call went out; if none did, the upstream has seen nothing of it.

        What `may_pass` may go better next time. Out of time is the whole request, of which this call is part.
        """
        super().__init__(reason, fault, **details)
        self.was_sent = was_sent
        self.has_no_effect = not was_sent
        self.may_pass = may_pass
        self.is_out_of_time = is_out_of_time
