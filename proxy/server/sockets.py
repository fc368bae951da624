"""Listening sockets, and the drain of what came in over them once they are closed."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from proxy.config import Address

# In seconds
_DRAIN = 30
_TLS_HANDSHAKE = _TLS_SHUTDOWN = 10


@asynccontextmanager
async def listening_socket(
    protocol: Callable[[], asyncio.Protocol], address: Address, terms: ssl.SSLContext | None = None
) -> AsyncIterator[Address]:
    """Accept connections until the block ends; yields the address with its true port.

    OSError, with the address as its filename, where it cannot be listened on.
    """
    try:
        # Not aiohttp's site: it has no limit for handshakes
        server = await asyncio.get_running_loop().create_server(
            protocol,
            address.host or None,
            address.port,
            backlog=128,
            ssl=terms,
            ssl_handshake_timeout=_TLS_HANDSHAKE if terms else None,
            ssl_shutdown_timeout=_TLS_SHUTDOWN if terms else None,
        )
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(address)) from error
    try:
        yield Address(address.host, server.sockets[0].getsockname()[1])
    finally:
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
