"""What goes to an upstream and what comes back, as values."""

import string
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, quote_plus

import orjson

from proxy.errors import Fault, LegacyError
from proxy.profile.pointers import path_of


def _form(values: Mapping[str, Any]) -> str:
    return "&".join([f"{_plus(name)}={_plus(str(value))}" for name, value in values.items()])


def _plus(text: str) -> str:
    """Percent-encode for a query or a form; what is letters and digits alone stays as it is."""
    return text if text.isascii() and text.isalnum() else quote_plus(text)


def _encode_form(values: Mapping[str, Any]) -> bytes:
    return _form(values).encode("ascii")


def _encode_json(values: Mapping[str, Any]) -> bytes:
    return orjson.dumps(_nested(values))


def _nested(values: Mapping[str, Any]) -> Any:
    """Put each value where its name points to, if that starts with a slash as a JSON Pointer does."""
    document: dict[str, Any] = {}
    for name, value in values.items():
        *way, last = path_of(name) if name.startswith("/") else (name,)
        holder = document
        for step in way:
            holder = holder.setdefault(step, {})
        holder[last] = value
    return _with_arrays(document)


def _with_arrays(value: Any) -> Any:
    """Make an array of what has the keys 0, 1 and so on, and of nothing else."""
    if not isinstance(value, dict):
        return value
    inner = {key: _with_arrays(each) for key, each in value.items()}
    is_array = inner and list(inner) == [str(index) for index in range(len(inner))]
    return list(inner.values()) if is_array else inner


_BODY_TYPES: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], bytes]]] = {
    "form": ("application/x-www-form-urlencoded", _encode_form),
    "json": ("application/json", _encode_json),
}


class Call(NamedTuple):
    """One HTTP request to an upstream."""

    method: str
    address: str
    """Absolute and percent-encoded; `query` is appended to it."""
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: Mapping[str, Any] = {}
    body_type: Literal["form", "json"] | None = None
    retries: int = 0
    """How often it may be sent again; a call that must not happen twice has none."""
    reads: bool = False
    """Whether it changes nothing, be it sent as a POST."""
    credentials: int = 0
    """What only calls with the same credentials have; nobody can ask with it."""
    caller: int = 0
    """What only calls of the same caller have: accounts of the table may share credentials."""
    is_overtaken: Callable[[], Awaitable[bool]] | None = None
    """Asked before it is sent again: whether something newer would be undone."""

    @property
    def url(self) -> str:
        """The whole URL."""
        if not self.query:
            return self.address
        return f"{self.address}{'&' if '?' in self.address else '?'}{_form(self.query)}"

    @property
    def identity(self) -> object:
        """What two calls share that ask for the same."""
        return self.url, self.body, self.headers.get("Range")

    def __repr__(self) -> str:
        """Keep credentials, which may stand anywhere but in the path, out of logs and tracebacks."""
        return f"Call({self.method} {self.address.partition('?')[0]})"

    def encoded_body(self) -> tuple[str, bytes] | None:
        """Return the content type and the bytes of the body, None without one."""
        if self.body_type is None:
            return None
        content_type, encode = _BODY_TYPES[self.body_type]
        return self.headers.get("Content-Type", content_type), encode(self.body)

    def asking(self, parameters: Mapping[str, str | int]) -> "Call":
        """Return this call with more parameters: in its body where it has one, else in its query."""
        if self.body_type == "json":
            return self._replace(body={**self.body, **parameters})
        written = {name: str(value) for name, value in parameters.items()}
        if self.body_type == "form":
            return self._replace(body={**self.body, **written})
        return self._replace(query={**self.query, **written})

    def at(self, url: str) -> "Call":
        """Return this call for another URL, which brings its own query and need not be encoded well."""
        return self._replace(address=quote(url, safe=string.punctuation), query={})

    def with_header(self, name: str, value: str) -> "Call":
        """Return this call with one more header."""
        return self._replace(headers={**self.headers, name: value})


class Reply(NamedTuple):
    """The whole answer to a Call."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    """Names in lower case; those that profiles and fault rules look at."""
    is_repeated: bool = False
    """Whether the call was sent before, so that its first sending may have had its effect already."""
    retry_after: int | None = None
    """Seconds, 1 to 3600, that the upstream asks to be left alone; 0 if it asks unreadably, None if not."""

    def __repr__(self) -> str:
        """Keep what the upstream says out of logs and tracebacks."""
        return f"Reply({self.status}, of {len(self.body)} bytes)"


class NoReplyError(LegacyError):
    """A call has led to no Reply."""

    def __init__(
        self, fault: Fault, *, was_sent: bool, may_pass: bool = False, is_out_of_time: bool = False
    ) -> None:
        """Know whether a byte of the call went out; if none did, the upstream has seen nothing of it.

        What `may_pass` may go better next time. Out of time is the whole request, of which this call is part.
        """
        super().__init__(fault)
        self.was_sent = was_sent
        self.may_pass = may_pass
        self.is_out_of_time = is_out_of_time
