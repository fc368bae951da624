"""Listening sockets, and the drain of what came in over them once they are closed."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple, Protocol

from proxy.config import Address
from proxy.net.accept_share import AcceptShare, AcceptShares
from proxy.net.connection_limit import ConnectionLimit

_log = logging.getLogger("proxy.server")

_BACKLOG = 1024  # connections that wait to be accepted
# In seconds
_DRAIN = 30
_GIVING_WAY = 0.002
_WITHOUT_ANY = 1
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
        where = socket.getaddrinfo(
            address.host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, (host, _, *more) in dict.fromkeys(where):
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


Factory = Callable[[], asyncio.BaseProtocol]
CachePolicy = Callable[[], ssl.SSLContext]
"""With what to shake hands, as it is at the moment."""


@asynccontextmanager
async def accepting(
    protocol: Factory,
    opened: Listener,
    room: ConnectionLimit,
    terms: CachePolicy | None = None,
    turn: AcceptShare | None = None,
) -> AsyncIterator[None]:
    """Accept connections until the block ends; in turn with other processes where there are some."""
    turn = turn or AcceptShare(AcceptShares(1), 0)
    servers: list[asyncio.Server | _InTurn] = []
    for listener in opened.sockets:
        if terms or not turn.is_alone:
            servers.append(_InTurn(protocol, listener, room, terms, turn))
        else:
            loop = asyncio.get_running_loop()
            servers.append(await loop.create_server(protocol, sock=listener, backlog=_BACKLOG))
    try:
        yield
    finally:
        for server in servers:
            server.close()


class _InTurn:
    """Takes one connection at a time, if it is its turn, and knows of handshakes before they are over.

    A loop's own server takes all that wait.
    """

    def __init__(
        self,
        protocol: Factory,
        listener: socket.socket,
        room: ConnectionLimit,
        terms: CachePolicy | None,
        turn: AcceptShare,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._listener = listener
        self._room = room
        self._terms = terms
        self._turn = turn
        self._beginning: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)  # noqa: FBT003 - the name says it
        self._go_on()

    def close(self) -> None:
        """Take no more."""
        if self._pause:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _go_on(self) -> None:
        self._loop.add_reader(self._listener, self._take_in_turn)

    def _rest(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, then)

    def _take_in_turn(self) -> None:
        if self._turn.is_mine:
            self._take()
        else:  # whose turn it is may be busy: then it is taken all the same
            self._rest(_GIVING_WAY, self._take_and_go_on)

    def _take_and_go_on(self) -> None:
        self._go_on()
        self._take()

    def _take(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was faster, or the client has gone
        except OSError as error:
            _log.error("no connection can be taken: %s", error.strerror)  # for want of file descriptors
            self._rest(_WITHOUT_ANY, self._go_on)
            return
        if self._terms and not self._room.is_left():
            connection.close()
            return
        task = self._loop.create_task(self._begin(connection))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _begin(self, connection: socket.socket) -> None:
        context = self._terms() if self._terms else None
        shakes_hands = context is not None
        self._room.taken += shakes_hands
        try:
            with suppress(OSError, TimeoutError):  # of a handshake
                await self._loop.connect_accepted_socket(
                    self._protocol, connection, ssl=context, **_handshake(context)
                )
        finally:
            self._room.taken -= shakes_hands


def _handshake(context: ssl.SSLContext | None) -> Mapping[str, Any]:
    return {
        "ssl_handshake_timeout": _TLS_HANDSHAKE if context else None,
        "ssl_shutdown_timeout": _TLS_SHUTDOWN if context else None,
    }


class Server(Protocol):
    """What has connections."""

    def pre_shutdown(self) -> None:
        """Close what is idle, and the rest after the next answer."""

    async def shutdown(self, timeout: float) -> None:  # noqa: ASYNC109 - what is still there then is closed
        """Wait so long for what is in flight, and then no longer."""


@asynccontextmanager
async def drained(server: Server) -> AsyncIterator[None]:
    """Let requests that are in flight when the block ends finish; its sockets are closed by then."""
    try:
        yield
    finally:
        for _ in range(2):  # what has already arrived counts as in flight, and is first found, then read
            await asyncio.sleep(0)
        server.pre_shutdown()
        await server.shutdown(_DRAIN)
