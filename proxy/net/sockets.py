"""Listening sockets, and the drain of what came in over them once they are closed."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple, Protocol

from proxy.net.accept_share import AcceptShare, AcceptShares
from proxy.net.addresses import Address
from proxy.net.connection_limit import ConnectionLimit

_log = logging.getLogger("proxy.server")

_BACKLOG = 1024  # connections that wait to be accepted
# In seconds
_DRAIN = 30
_YIELD = 0.002  # to a worker with fewer connections
_WITHOUT_FILES = 1
_TLS_HANDSHAKE = _TLS_SHUTDOWN = 10


class Listener(NamedTuple):
    """An address that is listened on."""

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
            if not _is_supported(family):
                continue
            sockets.append(stack.enter_context(socket.socket(family, kind, protocol)))
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sockets[-1].bind((host, port, *more))
            sockets[-1].listen(_BACKLOG)
            port = sockets[-1].getsockname()[1]  # the same for all, where any will do
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(address)) from error
    return Listener(Address(address.host, port), sockets)


def _is_supported(family: int) -> bool:
    """Whether this machine has such addresses: names may have others too."""
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


ProtocolFactory = Callable[[], asyncio.BaseProtocol]
ContextSource = Callable[[], ssl.SSLContext]
"""Returns the TLS context for the next handshake; a reload may bring another."""


@asynccontextmanager
async def accepting(
    protocol: ProtocolFactory,
    listener: Listener,
    limit: ConnectionLimit,
    tls: ContextSource | None = None,
    share: AcceptShare | None = None,
) -> AsyncIterator[None]:
    """Accept connections until the block ends; balanced with other processes where there are some."""
    share = share or AcceptShare(AcceptShares(1), 0)
    servers: list[asyncio.Server | _Acceptor] = []
    for each in listener.sockets:
        if tls or not share.is_alone:
            servers.append(_Acceptor(protocol, each, limit, tls, share))
        else:
            loop = asyncio.get_running_loop()
            servers.append(await loop.create_server(protocol, sock=each, backlog=_BACKLOG))
    try:
        yield
    finally:
        for server in servers:
            server.close()


class _Acceptor:
    """Accepts one connection at a time, if it is due, and knows of handshakes before they are over.

    A loop's own server accepts all that wait.
    """

    def __init__(
        self,
        protocol: ProtocolFactory,
        listener: socket.socket,
        limit: ConnectionLimit,
        tls: ContextSource | None,
        share: AcceptShare,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._listener = listener
        self._limit = limit
        self._tls = tls
        self._share = share
        self._handshakes: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)  # noqa: FBT003 - the name says it
        self._resume()

    def close(self) -> None:
        """Accept no more."""
        if self._pause:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _resume(self) -> None:
        self._loop.add_reader(self._listener, self._accept_if_due)

    def _pause_for(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, then)

    def _accept_if_due(self) -> None:
        if self._share.is_due:
            self._accept()
        else:  # the worker that is due may be busy: then this one accepts all the same
            self._pause_for(_YIELD, self._accept_and_resume)

    def _accept_and_resume(self) -> None:
        self._resume()
        self._accept()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was faster, or the client has gone
        except OSError as error:
            _log.error("server: cannot accept connections: %s; raise ulimit -n", error.strerror)
            self._pause_for(_WITHOUT_FILES, self._resume)
            return
        if self._tls and not self._limit.has_room():
            connection.close()
            return
        task = self._loop.create_task(self._connect(connection))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _connect(self, connection: socket.socket) -> None:
        context = self._tls() if self._tls else None
        shakes_hands = context is not None
        self._limit.taken += shakes_hands
        try:
            with suppress(OSError, TimeoutError):  # of a handshake
                await self._loop.connect_accepted_socket(
                    self._protocol, connection, ssl=context, **_handshake(context)
                )
        finally:
            self._limit.taken -= shakes_hands


def _handshake(context: ssl.SSLContext | None) -> Mapping[str, Any]:
    return {
        "ssl_handshake_timeout": _TLS_HANDSHAKE if context else None,
        "ssl_shutdown_timeout": _TLS_SHUTDOWN if context else None,
    }


class Drainable(Protocol):
    """A server with connections."""

    def pre_shutdown(self) -> None:
        """Close connections that are idle, and the rest after the next answer."""

    async def shutdown(self, timeout: float) -> None:  # noqa: ASYNC109 - as in aiohttp
        """Wait so many seconds for what is in flight, then abort the rest."""


@asynccontextmanager
async def drained(server: Drainable) -> AsyncIterator[None]:
    """Let requests that are in flight when the block ends finish; its sockets are closed by then."""
    try:
        yield
    finally:
        for _ in range(2):  # what has already arrived counts as in flight, and is first found, then read
            await asyncio.sleep(0)
        server.pre_shutdown()
        await server.shutdown(_DRAIN)
