"""The two ends of a conversation: a client that sends any bytes, an upstream that answers by a script."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

from proxy.conversations.messages import HEAD_END, Message, body_length, parse_head

_TIMEOUT = 10  # seconds
_MAX_REQUEST = 16 * 1024 * 1024  # bytes
_END_OF_SCRIPT = Message("HTTP/1.1 599 The script has ended", (("Content-Type", "application/json"),), b"{}")


async def read_message(
    reader: asyncio.StreamReader, *, body: bool = True, after: bytes = b""
) -> Message | None:
    """Read one message, `after` its first bytes; None at the end of the connection."""
    try:
        head = after + await reader.readuntil(HEAD_END)
    except asyncio.IncompleteReadError as error:
        if error.partial or after:
            raise
        return None
    message = parse_head(head)
    length = body_length(message) if body else 0
    return Message(message.start, message.headers, await reader.readexactly(length))


class RawClient:
    """One connection, over which any bytes go."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, *, body: bool = True, within: float = _TIMEOUT) -> Message | None:
        """Return the next response, None where the server closed the connection instead."""
        async with asyncio.timeout(within):
            return await read_message(self.reader, body=body)

    async def is_closed(self, within: float = 1) -> bool:
        """Wait for the server to close the connection; False if it does not do so in these seconds."""
        try:
            async with asyncio.timeout(within):
                return not await self.reader.read(1)
        except TimeoutError:
            return False
        except ConnectionError:
            return True


@contextlib.asynccontextmanager
async def open_stream(
    port: int, address: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection from an address of this machine to a server on it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class AnsweringUpstream:
    """An upstream that gives answers in turn and keeps what it was asked; after the last one it answers 599.

    An empty answer closes the connection.
    """

    def __init__(self) -> None:
        self.port = 0
        self.received: list[Message] = []
        self._answers: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def follow(self, answers: Sequence[bytes]) -> None:
        """Answer by this script from now on."""
        self._answers = list(answers)

    def answer(self, request: Message) -> bytes:
        self.received.append(request)
        return self._answers.pop(0) if self._answers else _END_OF_SCRIPT.encode()


class _Connection(asyncio.Protocol):
    """A connection to the upstream: requests whose bodies have a Content-Length, as the proxy sends them."""

    def __init__(self, upstream: AnsweringUpstream, every: set[asyncio.Transport]) -> None:
        self._upstream = upstream
        self._every = every
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):  # which those of sockets are
            self._transport = transport
            self._every.add(transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._every.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self._transport.is_closing() and (request := self._take_request()):
            if answer := self._upstream.answer(request):
                self._transport.write(answer)
            else:
                self._transport.close()
        if len(self._buffer) > _MAX_REQUEST:
            self._transport.abort()

    def _take_request(self) -> Message | None:
        """Return the next request, None until it is complete."""
        end = self._buffer.find(HEAD_END) + len(HEAD_END)
        if end < len(HEAD_END):
            return None
        head = parse_head(bytes(self._buffer[:end]))
        whole = end + body_length(head)
        if len(self._buffer) < whole:
            return None
        body = bytes(self._buffer[end:whole])
        del self._buffer[:whole]
        return Message(head.start, head.headers, body)


@contextlib.asynccontextmanager
async def answering_upstream() -> AsyncIterator[AnsweringUpstream]:
    """Run an upstream on a free port of this machine; no connection is left when the block ends."""
    upstream, every = AnsweringUpstream(), set[asyncio.Transport]()
    listener = socket.create_server(("127.0.0.1", 0))
    upstream.port = listener.getsockname()[1]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(upstream, every), sock=listener)
    try:
        yield upstream
    finally:
        server.close()
        for transport in list(every):
            transport.abort()
        await asyncio.sleep(0)  # they are closed in the next round of the loop
