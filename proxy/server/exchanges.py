"""A request that is handed on, as its client sees it: the body piece by piece, and the answer likewise."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import EMPTY_PAYLOAD, HttpVersion10, StreamReader, hdrs

from proxy.errors import BODY_TOO_LARGE, LegacyError
from proxy.server import reading
from proxy.server.forwarded_headers import RawHeaders

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_WITHOUT_BODY = (204, 304)


class Channel(Protocol):
    """The connection of an exchange."""

    @property
    def is_last(self) -> bool:
        """Whether it closes after this answer."""

    async def read_piece(self) -> bytes:
        """Return what has arrived of the body, b'' at its end; LegacyError or ConnectionError without it."""

    def send_interim(self, data: bytes) -> None:
        """Send what comes before an answer."""

    def send_piece(self, data: bytes) -> bool:
        """Send a part of the answer; return whether the client has yet to take it.

        LegacyError where there is no memory for it, ConnectionError where the client has gone.
        """


class ForwardedExchange:
    """One request that is handed on, and its answer."""

    def __init__(
        self,
        head: reading.RequestHead,
        body: StreamReader,
        channel: Channel,
        drain: Callable[[], Awaitable[None]],
    ) -> None:
        """Exchange a request and its answer over a `channel`; `drain` waits until all has been sent."""
        self.head = head
        self.has_begun = False
        """Whether any of the answer has been sent, after which no other one can be."""
        self.content: bytes | None = None
        """The body, if it had arrived as a whole before the request was handed on; b'' for none."""
        self._body = body
        self._channel = channel
        self._drain = drain
        self._received = 0
        self._most = 0
        self._is_chunked = False
        self._is_last = False

    @property
    def is_read(self) -> bool:
        return self.head.method in (hdrs.METH_GET, hdrs.METH_HEAD)

    @property
    def is_repeatable(self) -> bool:
        """Whether it does no harm to send the request twice, and its body is at hand."""
        return self.is_read and self._body is EMPTY_PAYLOAD

    @property
    def is_whole(self) -> bool:
        """Whether all of the body has been read."""
        return self._body.at_eof()

    @property
    def has_body(self) -> bool:
        return self._body is not EMPTY_PAYLOAD

    @property
    def is_last(self) -> bool:
        """Whether the connection closes after this answer."""
        head = self.head
        is_whole = self._body.is_eof()
        return self._is_last or head.should_close or head.upgrade or not is_whole or self._channel.is_last

    async def prepare(self, most: int) -> None:
        """Take a body that has arrived as a whole; LegacyError for one of more than `most` bytes."""
        self._most = most
        if reading.body_length(self.head) > most:
            raise LegacyError(BODY_TOO_LARGE)
        if self._body.is_eof():
            self.content = b"" if self._body.at_eof() else await self.read()

    def invite(self) -> None:
        """Let a client that waits for that send its body (RFC 9110 section 10.1.1)."""
        if reading.expects_continue(self.head) and not self.has_begun:
            self._channel.send_interim(_CONTINUE)

    async def read(self) -> bytes:
        """Return the next piece of the body, b'' at its end; LegacyError where it is too slow or too long."""
        piece = await self._channel.read_piece()
        self._received += len(piece)
        if self._received > self._most:
            raise LegacyError(BODY_TOO_LARGE)
        return piece

    async def begin(self, status: int, reason: bytes, headers: RawHeaders) -> None:
        """Send the head of the answer; its `headers` say how long its body is, or nothing does."""
        is_old = self.head.version == HttpVersion10
        has_body = self.head.method != hdrs.METH_HEAD and status not in _WITHOUT_BODY
        is_open = has_body and not any(name.lower() == b"content-length" for name, _ in headers)
        self._is_chunked = is_open and not is_old
        self._is_last = is_open and is_old
        lines = [b"HTTP/%b %d %b" % (b"1.0" if is_old else b"1.1", status, reason)]
        lines += [b"%b: %b" % header for header in headers]
        if self._is_chunked:
            lines.append(b"Transfer-Encoding: chunked")
        if self.is_last:
            self._is_last = True  # also where the rest of the body arrives before the end of the answer
        if self.is_last != is_old:
            lines.append(b"Connection: close" if self.is_last else b"Connection: keep-alive")
        await self._send(b"\r\n".join([*lines, b"", b""]))

    async def write(self, piece: bytes) -> None:
        """Send a piece of the answer's body, and wait until the client has taken it."""
        await self._send(b"%x\r\n%b\r\n" % (len(piece), piece) if self._is_chunked else piece)

    async def end(self) -> None:
        """End the answer."""
        if self._is_chunked:
            await self._send(_LAST_CHUNK)

    async def _send(self, data: bytes) -> None:
        is_slow = self._channel.send_piece(data)
        self.has_begun = True
        if is_slow:
            try:
                await self._drain()
            except ConnectionError:  # one of aiohttp's, which would look like one of the target
                raise ConnectionResetError from None
