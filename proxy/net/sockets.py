"""Listening sockets, and the connections that are accepted from them."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from proxy.net.accept_share import AcceptShare
from proxy.net.addresses import Address
from proxy.net.connection_limit import ConnectionLimit

_log = logging.getLogger("proxy.server")

_BACKLOG = 1024  # connections that wait to be accepted
# In seconds
_YIELD = 0.002  # to a worker with fewer connections
_WITHOUT_FILES = 1
_TLS_HANDSHAKE = _TLS_SHUTDOWN = 10
_BUFFERS = {socket.SO_RCVBUF: 32 * 1024, socket.SO_SNDBUF: 128 * 1024}
"""Bytes of each connection that the kernel keeps; it makes them twice as many.

So none reads more than 64 KiB at a time. What is sent to a client that takes nothing would grow to some MiB.
"""


class Listener(NamedTuple):
    address: Address
    """With its true port."""
    sockets: Sequence[socket.socket]
    """One for each family of addresses."""

    def close(self) -> None:
        """Listen no longer, as far as this process goes."""
        for each in self.sockets:
            each.close()


@contextmanager
def opened(addresses: Mapping[str, Address]) -> Iterator[Mapping[str, Listener]]:
    """Listen on addresses, each under its name, until the block ends; processes forked in it do so too.

    OSError, with the address as its filename, where one cannot be listened on.
    """
    with ExitStack() as stack:
        yield {name: _opened(address, stack) for name, address in addresses.items()}


def _opened(address: Address, stack: ExitStack) -> Listener:
    sockets: list[socket.socket] = []
    port = address.port
    try:
        found = socket.getaddrinfo(
            address.host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, (host, _, *more) in dict.fromkeys(found):
            try:
                listener = stack.enter_context(socket.socket(family, kind, protocol))
            except OSError:  # this machine has no such addresses, though the name has
                continue
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for option, size in _BUFFERS.items():  # connections inherit them
                listener.setsockopt(socket.SOL_SOCKET, option, size)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((host, port, *more))
            listener.listen(_BACKLOG)
            port = listener.getsockname()[1]  # the same for all, where any will do
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(address)) from error
    return Listener(Address(address.host, port), sockets)


ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class Handshakes(NamedTuple):
    """How connections begin with TLS."""

    context: Callable[[], ssl.SSLContext]
    """Returns that for the next handshake; a reload may bring another."""
    failed: Callable[[Exception], None]
    """Called with the reason of a handshake that fails."""


@asynccontextmanager
async def accepting(
    protocol: ProtocolFactory,
    listener: Listener,
    limit: ConnectionLimit,
    tls: Handshakes | None = None,
    share: AcceptShare | None = None,
) -> AsyncIterator[None]:
    """Accept connections until the block ends; balanced with other processes where there are some."""
    share = share or AcceptShare()
    acceptors = [_Acceptor(protocol, each, limit, tls, share) for each in listener.sockets]
    try:
        yield
    finally:
        for acceptor in acceptors:
            acceptor.close()


@dataclass(eq=False)
class _Acceptor:
    """Accepts one connection at a time, if it is due, and knows of handshakes before they are over.

    A loop's own server accepts all that wait, more perhaps than there are files for.
    """

    protocol: ProtocolFactory
    listener: socket.socket
    limit: ConnectionLimit
    tls: Handshakes | None
    share: AcceptShare

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self.listener.setblocking(False)  # noqa: FBT003 - the name says it
        self._resume()

    def close(self) -> None:
        if self._pause:
            self._pause.cancel()
        self._loop.remove_reader(self.listener)
        self.listener.close()

    def _resume(self) -> None:
        self._loop.add_reader(self.listener, self._accept_if_due)

    def _pause_for(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self.listener)
        self._pause = self._loop.call_later(seconds, then)

    def _accept_if_due(self) -> None:
        if self.share.is_due:
            self._accept()
        else:  # the worker that is due may be busy: then this one accepts all the same
            self._pause_for(_YIELD, self._accept_and_resume)

    def _accept_and_resume(self) -> None:
        self._resume()
        self._accept()

    def _accept(self) -> None:
        try:
            connection, address = self.listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was faster, or the client has gone
        except OSError as error:
            _log.error("server: cannot accept connections: %s; raise ulimit -n", error.strerror)
            self._pause_for(_WITHOUT_FILES, self._resume)
            return
        if self.tls is None:
            self._start(self._connect(connection))
            return
        handshake = _Handshake(self.protocol, self.limit)
        if self.limit.admit(handshake, address, shakes_hands=True):
            handshake.task = self._start(self._shake_hands(self.tls, handshake, connection))
        else:
            connection.close()

    def _start(self, connecting: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = self._loop.create_task(connecting)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _connect(self, connection: socket.socket) -> None:
        with suppress(OSError):  # the client has gone
            await self._loop.connect_accepted_socket(self.protocol, connection)

    async def _shake_hands(self, tls: Handshakes, handshake: "_Handshake", connection: socket.socket) -> None:
        handshake.awaits_client = True
        try:
            await self._loop.connect_accepted_socket(
                lambda: handshake,
                connection,
                ssl=tls.context(),
                ssl_handshake_timeout=_TLS_HANDSHAKE,
                ssl_shutdown_timeout=_TLS_SHUTDOWN,
            )
        except OSError as error:  # of which TimeoutError is one, and so are those of TLS
            tls.failed(error)
        finally:
            self.limit.remove(handshake)


class _Handshake(asyncio.Protocol):
    """The place of a connection until it has shaken hands; only then is its own protocol needed."""

    awaits_client = False  # until it has begun: what has not begun cannot be cancelled
    task: "asyncio.Task[None] | None" = None

    def __init__(self, protocol: ProtocolFactory, limit: ConnectionLimit) -> None:
        self._protocol = protocol
        self._limit = limit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._limit.remove(self)
        protocol = self._protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def give_way(self) -> None:
        if self.task:
            self.task.cancel()
