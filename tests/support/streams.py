"""Servers of streams that leave nothing open when a test ends.

`asyncio.start_server` differs by version: Python 3.11 leaves a connection open where its handler fails or is
cancelled, and from 3.12.1 on `async with server` waits for every connection to be closed.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Connections:
    """What a server has accepted, each connection with its handler; it is closed when the handler ends."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._accepts = True
        self._handlers: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Start a handler, unless new connections are dropped."""
        if not self._accepts:
            writer.transport.abort()
            return
        self._handlers[writer] = handler = asyncio.create_task(self._serve(reader, writer))
        handler.add_done_callback(lambda _: writer.close())

    def drop(self) -> None:
        """Drop every connection, and each new one at once."""
        self._accepts = False
        for writer, handler in self._handlers.items():
            handler.cancel()
            writer.transport.abort()

    def resume(self) -> None:
        """Accept connections again."""
        self._accepts = True

    async def finish(self) -> None:
        """Drop every connection, and wait for the handlers; an assertion that failed in one is raised."""
        self.drop()
        for outcome in await asyncio.gather(*self._handlers.values(), return_exceptions=True):
            if isinstance(outcome, AssertionError):
                raise outcome


@contextlib.asynccontextmanager
async def listening(
    connections: Connections, *, tls: ssl.SSLContext | None = None, on: socket.socket | None = None
) -> AsyncIterator[int]:
    """Accept connections on a free port, or `on` a bound socket, until the block ends; yields the port."""
    listener = on or socket.create_server(("127.0.0.1", 0))
    is_unix = listener.family == socket.AF_UNIX
    start = asyncio.start_unix_server if is_unix else asyncio.start_server
    server = await start(connections.accept, sock=listener, ssl=tls)
    try:
        yield 0 if is_unix else listener.getsockname()[1]
    finally:
        server.close()
        await connections.finish()


def stream_server(
    serve: Serve, *, tls: ssl.SSLContext | None = None, on: socket.socket | None = None
) -> contextlib.AbstractAsyncContextManager[int]:
    """Run a server that does `serve` to each connection; yields its port."""
    return listening(Connections(serve), tls=tls, on=on)
