"""aiohttp's server, through the names that it exports, with connections that have states and limits of ours.

`web.Server` and `web.RequestHandler` are subclassed. Of the latter only asyncio's protocol callbacks and
`handle_error` are overridden.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from proxy.net.accept_share import AcceptShare
from proxy.net.byte_budget import ByteBudget
from proxy.net.connection_limit import ConnectionLimit
from proxy.observe.counters import TLS_CONNECTIONS, Counters
from proxy.server.connection import Connection
from proxy.server.handlers import ForwardHandler, Handler
from proxy.server.intake import Intake
from proxy.server.reading import HEAD

LIMITS: Mapping[str, int] = {
    "max_line_size": 8190,  # bytes
    "max_field_size": 8190,  # bytes of a header
    "max_headers": 100,
}
DEFAULT_BYTES = 64 * 1024 * 1024
"""Of memory, for requests and for answers that are not taken."""
_DRAIN = 30  # seconds
_OPTIONS: Mapping[str, Any] = {
    **LIMITS,
    "auto_decompress": False,
    "access_log": None,
    "lingering_time": 0,  # connections linger by themselves
}


class RequestHandler(web.RequestHandler):
    """aiohttp's protocol of one connection, which tells a `Connection` what happens."""

    __slots__ = ("admission", "connection")

    def __init__(self, server: "HttpServer", connection: Connection, listener: str) -> None:
        """TypeError where aiohttp does not know one of our options."""
        super().__init__(server, loop=asyncio.get_running_loop(), **_OPTIONS)
        self.connection = connection
        self.admission = server, listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server, listener = self.admission
        tls = transport.get_extra_info("ssl_object")
        made = cast(asyncio.Transport, transport)
        if server.admit(self.connection, listener, made, tls.version() if tls else None):
            super().connection_made(made)
            self.connection.open(made, super().data_received)
        else:
            made.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End; what waits is not given `exc`: both, and what was to be sent, would hold each other."""
        del exc
        super().connection_lost(None)
        self.connection.lose()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.connection.note_taken()

    def data_received(self, data: bytes) -> None:
        if data:
            self.connection.receive(data)
        else:  # aiohttp calls this itself, to go on with what it has been given
            super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's protocols may return one
        return self.connection.half_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        del request, message
        if exc is not None:
            exc.__traceback__ = None  # which leads back to it, by way of all that was received
        return self.connection.reject(status)


def _make_request(
    head: Any,
    body: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    if not head.path:
        head = _Targetless(head)
    request = web.BaseRequest(head, body, protocol, writer, task, task.get_loop(), state={HEAD: head})
    cast(RequestHandler, protocol).connection.begin_request(head, body)  # from here on no deadline closes it
    return request


class _Targetless:
    """The head of a CONNECT without a target, in which aiohttp's parser sets no path and no URL."""

    path, url = "", URL()

    def __init__(self, head: Any) -> None:
        self._head = head

    def __getattr__(self, name: str) -> Any:
        return getattr(self._head, name)


def _respond(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
    return cast(RequestHandler, request.protocol).connection.respond(request)


class HttpServer(web.Server):
    """Serves connections, each until all that it asked for has been carried out."""

    def __init__(
        self,
        handler: Handler,
        counters: Counters,
        share: AcceptShare,
        limit: ConnectionLimit,
        budget: ByteBudget | None = None,
    ) -> None:
        super().__init__(_respond, request_factory=_make_request)
        self._handler = handler
        self._counters = counters
        self._share = share
        self._open: set[Connection] = set()
        self._removed = asyncio.Event()
        self.limit = limit
        self.budget = budget or ByteBudget(DEFAULT_BYTES)
        self.forwarding: ForwardHandler | None = None
        """Of connections that are opened from now on."""
        self.is_draining = False
        self.lenient_targets = False
        """Whether targets may have spaces, on connections that are opened from now on."""

    def __call__(self, listener: str = "") -> RequestHandler:
        intake = Intake(self.lenient_targets)
        connection = Connection(
            self._handler, self.remove, self.limit.touch, self.budget, intake, self.forwarding
        )
        return RequestHandler(self, connection, listener)

    def admit(
        self, connection: Connection, listener: str, transport: asyncio.Transport, tls_version: str | None
    ) -> bool:
        """Take note of a new connection; return whether there is room for it."""
        peer = self.limit.admit(connection, transport.get_extra_info("peername"))
        if peer is None:
            return False
        connection.peer = peer
        self._open.add(connection)
        self._share.add_connection()
        self._counters.count(TLS_CONNECTIONS, listener, tls_version or "")
        if self.is_draining:
            connection.close_after_response()
        return True

    def remove(self, connection: Connection) -> None:
        """Take note that a connection is closed, and that all that it asked for has been carried out."""
        if connection in self._open:  # and has not been turned away
            self._open.remove(connection)
            self.limit.remove(connection)
            self._share.remove_connection()
            self._removed.set()

    def close_after_responses(self) -> None:
        """Let the next answer over each connection be the last, over those to come too."""
        self.is_draining = True
        for each in self._open:
            each.close_after_response()

    def pre_shutdown(self) -> None:
        """Close connections that are idle, and the rest after the next answer."""
        for each in list(self._open):
            each.close_when_idle()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as in aiohttp
        """Wait so many seconds for what is in flight, then abort the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._open:
                    self._removed.clear()
                    await self._removed.wait()
        for each in list(self._open):
            each.abort()


@asynccontextmanager
async def drained(server: HttpServer) -> AsyncIterator[None]:
    """Let requests that are in flight when the block ends finish; its sockets are closed by then."""
    try:
        yield
    finally:
        for _ in range(2):  # what has already arrived counts as in flight, and is first found, then read
            await asyncio.sleep(0)
        server.pre_shutdown()
        await server.shutdown(_DRAIN)
