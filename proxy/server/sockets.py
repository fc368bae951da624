"""Listening sockets, and the drain of what came in over them once they are closed."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import NamedTuple, Protocol

from proxy.config import Address

_BACKLOG = 1024  # connections that wait to be accepted
# In seconds
_DRAIN = 30
_TLS_HANDSHAKE = _TLS_SHUTDOWN = 10


class Opened(NamedTuple):
    """An address that is listened on."""

    address: Address
    """With its true port."""
    sockets: Sequence[socket.socket]
    """One for each family of addresses."""


@contextmanager
def opened(addresses: Mapping[str, Address]) -> Iterator[Mapping[str, Opened]]:
    """Listen on addresses, each under its name, until the block ends. Processes forked in it do so too.

    OSError, with the address as its filename, where one cannot be listened on.
    """
    with ExitStack() as stack:
        yield {name: _opened(address, stack) for name, address in addresses.items()}


def _opened(address: Address, stack: ExitStack) -> Opened:
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
    return Opened(Address(address.host, port), sockets)


def _is_supported(family: int) -> bool:
    """Whether this machine has such addresses: names may have others too."""
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


@asynccontextmanager
async def accepting(
    protocol: Callable[[], asyncio.Protocol], opened: Opened, terms: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Accept connections until the block ends."""
    loop = asyncio.get_running_loop()
    servers: list[asyncio.Server] = []
    try:
        for each in opened.sockets:
            # Not aiohttp's site: it has no limit for handshakes
            server = await loop.create_server(
                protocol,
                sock=each,
                backlog=_BACKLOG,
                ssl=terms,
                ssl_handshake_timeout=_TLS_HANDSHAKE if terms else None,
                ssl_shutdown_timeout=_TLS_SHUTDOWN if terms else None,
            )
            servers.append(server)
        yield
    finally:
        for server in servers:
            server.close()


class Server(Protocol):
    """What has connections; aiohttp's web.Server is one."""

    def pre_shutdown(self) -> None:
        """Close what is idle, and the rest after the next answer."""

    async def shutdown(self, timeout: float) -> None:  # noqa: ASYNC109 - as of web.Server
        """Wait so long for what is in flight, and then no longer."""


@asynccontextmanager
async def drained(server: Server) -> AsyncIterator[None]:
    """Let requests that are in flight when the block ends finish; its sockets are closed by then."""
    try:
        yield
    finally:
        await asyncio.sleep(0)  # what has already been read off a socket counts as in flight
        server.pre_shutdown()
        await server.shutdown(_DRAIN)
