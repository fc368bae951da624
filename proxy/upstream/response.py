"""The bytes of an HTTP/1.1 answer, in slices of any length, as a Reply. Pure: it awaits nothing.

What httptools leaves to its users: it cannot be paused, so it gets small slices and none once the answer is
whole; it does not know which request is answered, nor where the connection ends; it bounds nothing.
"""

import time
import zlib

import httptools

from proxy.errors import Reason, UpstreamError
from proxy.profile.calls import Reply
from proxy.upstream.cooldowns import seconds_of
from proxy.upstream.inflating import Inflater, find_inflater

_MAX_BODY = 8 * 1024 * 1024
_MAX_OVERHEAD = 1024 * 1024  # bytes beside the body, and half as many as the body has: chunks may be small
_MAX_WITHOUT_BODY = 33 * 1024  # bytes in a row: of a head, which may have 32 KiB, chunk lengths, trailers
_MAX_INTERIM = 8  # answers before the final one
_SLICE = 4096
_WITHOUT_BODY = frozenset({101, 204, 304})  # RFC 9112 section 6.3; of 101, what follows is no HTTP
_FRAMING = ("content-length", "transfer-encoding")
_LISTS = ("content-encoding", "link")
_KEPT = ("content-type", "content-encoding", "content-range", "link")
_READ = {name.encode(): name for name in (*_FRAMING, *_KEPT, "retry-after", "date")}


class MalformedResponseError(UpstreamError):
    """What came is no answer in HTTP/1.1, or only the beginning of one."""

    def __init__(self, **details: str | int) -> None:
        super().__init__(Reason.HEADERS)
        self.add_details(**details)


class UndecodableError(MalformedResponseError):
    """A compressed body is damaged, or ends too early."""


class ResponseReader:
    """Reads one answer after the other."""

    def __init__(self) -> None:
        self.is_complete = False
        self.may_reuse = False
        """Whether the connection can carry another request: nothing came after the answer, nor says no."""
        self.inflated = 0
        """Bytes of the body, since this was last reset, that are more than came for them."""

    def begin(self, *, is_head: bool = False) -> None:
        """Expect the answer to another request; those to HEAD have no body, whatever their headers say."""
        # A new one each time: an answer to HEAD, or an odd one, leaves it in some state of its own
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(  # what RFC 9112 (2.2, 5.2, 7.1.1) lets a client accept
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._is_head = is_head
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._status = 0  # once the final head is complete
        self._interim = self._without_body = self._wire = 0
        self._inflater: Inflater | None = None
        self._arrived = self._body  # or what is still to be inflated
        self._is_malformed = self.is_complete = self.may_reuse = False

    def feed(self, data: bytes) -> bool:
        """Read on; return whether the answer is complete.

        Raises UpstreamError: MalformedResponseError, UndecodableError, or `too_large` where the body has more
        than 8 MiB, inflated if it is compressed.
        """
        for start in range(0, len(data), _SLICE):
            if self.is_complete:
                self.may_reuse = False
                break
            self._feed(data[start : start + _SLICE])
        return self.is_complete

    def _feed(self, data: bytes) -> None:
        before = len(self._body)
        self._wire += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._end_without_body(error)
            self.may_reuse = False
            if not (self.is_complete and self._has_no_body()):
                raise MalformedResponseError(exception=type(error).__name__) from error
        if self._inflater and self._arrived:
            self._inflate(self._inflater)
        self._without_body = 0 if len(self._body) > before else self._without_body + len(data)
        if len(self._body) > _MAX_BODY:
            raise UpstreamError(Reason.TOO_LARGE, limit=f"{_MAX_BODY} bytes")
        if self._wire - len(self._body) > _MAX_OVERHEAD + len(self._body) // 2:
            raise UpstreamError(Reason.TOO_LARGE, limit=f"{_MAX_OVERHEAD} bytes beside its body")
        if self._without_body > _MAX_WITHOUT_BODY:
            raise MalformedResponseError(limit=f"{_MAX_WITHOUT_BODY} bytes")
        if self._is_malformed:
            raise MalformedResponseError
        if self.is_complete and self._inflater and not self._inflater.is_whole:
            raise UndecodableError

    def _inflate(self, inflater: Inflater) -> None:
        try:
            inflated = inflater.feed(bytes(self._arrived), _MAX_BODY + 1 - len(self._body))
        except zlib.error as error:
            raise UndecodableError(exception=type(error).__name__) from error
        self._body += inflated
        self.inflated += max(0, len(inflated) - len(self._arrived))
        self._arrived.clear()

    def _end_without_body(self, error: Exception) -> None:
        """Take a head for a whole answer if it is wrong about a length that its status cannot have."""
        if not self._status and "Content-Length" in str(error) and self._parser.get_status_code() == 204:
            self._status, self.is_complete = 204, True

    def end(self) -> bool:
        """Take the end of the connection for the end of the body where it is; return whether it was."""
        if self._status and self._headers.keys().isdisjoint(_FRAMING):
            self.is_complete = self._inflater is None or self._inflater.is_whole
        return self.is_complete

    def reply(self) -> Reply:
        """Return a complete answer, and keep nothing of it: the connection may be idle for long."""
        body = bytes(self._body)
        self._body, self._inflater = bytearray(), None
        self._arrived = self._body
        del self._parser  # which holds on to the reader
        headers = self._headers
        asked = headers.get("retry-after")
        return Reply(
            self._status,
            body,
            {name: headers[name] for name in _KEPT if name in headers},
            retry_after=None if asked is None else seconds_of(asked, headers.get("date"), time.time()),
        )

    def _has_no_body(self) -> bool:
        return self._is_head or self._status in _WITHOUT_BODY

    # What httptools calls, also for whatever follows a complete answer in the same slice

    def on_message_begin(self) -> None:
        self.may_reuse &= not self.is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the final head: interim ones are dropped, and so are trailers."""
        self._is_malformed |= b"\0" in value
        key = _READ.get(name.lower())
        if key is None or self._status:
            return
        text = value.strip(b" \t").decode("utf-8", "surrogateescape")
        if key not in self._headers:
            self._headers[key] = text
        elif key in _LISTS:  # one a line means the same as all on one (RFC 9110 section 5.3)
            self._headers[key] += f", {text}"

    def on_headers_complete(self) -> None:
        if self._status:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            self._interim += 1
            self._is_malformed |= self._interim > _MAX_INTERIM
            self._headers.clear()
            return
        self._is_malformed |= status < 100
        self._status = status
        self.is_complete = self._has_no_body()
        # Some upstreams announce a body that a status cannot have, and send it, or half of it, or nothing
        is_unclear = self.is_complete and not self._is_head and self._announces_body()
        self.may_reuse = self._parser.should_keep_alive() and status != 101 and not is_unclear
        if (coding := self._headers.get("content-encoding")) and (inflater := find_inflater(coding)):
            self._inflater, self._arrived = inflater, bytearray()
            del self._headers["content-encoding"]

    def _announces_body(self) -> bool:
        return any(self._headers.get(name, "0") != "0" for name in _FRAMING)

    def on_body(self, data: bytes) -> None:
        if self.is_complete:
            self.may_reuse = False
        else:
            self._arrived += data

    def on_message_complete(self) -> None:
        self.is_complete = self._status > 0  # and not an interim answer's
