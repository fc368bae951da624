"""Everything that listens, and what came in over it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from ssl import SSLContext

from proxy.config import Address, Listen
from proxy.observers import Observers
from proxy.server.connection import Connection
from proxy.server.metrics import metrics_listening
from proxy.server.parsing import assert_limits
from proxy.server.sockets import drained, listening_socket
from proxy.translator import Translator

_log = logging.getLogger("proxy.server")


@asynccontextmanager
async def listening(
    translator: Translator, listen: Listen, observers: Observers
) -> AsyncIterator[Mapping[str, Address]]:
    """Serve until the block ends, then let requests in flight finish; yields the true address under each key.

    OSError, with the address as its filename, where one cannot be listened on.
    """
    assert_limits(asyncio.get_running_loop())
    connections = _Connections(translator, observers)
    bound: dict[str, Address] = {}
    async with AsyncExitStack() as stack:
        if listen.metrics:
            bound["metrics"] = await stack.enter_async_context(metrics_listening(observers, listen.metrics))
        await stack.enter_async_context(drained(connections))
        for name, address, terms in _sockets(listen):
            bound[name] = await stack.enter_async_context(
                listening_socket(partial(connections.connection, name), address, terms)
            )
        if listen.legacy_tls:
            _log.warning(_RISK, bound["legacy_tls"])
        yield bound


_RISK = (
    "%s accepts TLS 1.0 and 1.1, which no longer protect: whoever is on the way may read or change what is "
    "said, tokens included, so only clients that speak nothing newer should reach it"
)


def _sockets(listen: Listen) -> Iterator[tuple[str, Address, SSLContext | None]]:
    if listen.address:
        yield "address", listen.address, None
    if listen.tls:
        yield "tls", listen.tls.address, listen.tls.terms()
    if listen.legacy_tls:
        yield "legacy_tls", listen.legacy_tls.address, listen.legacy_tls.terms()


class _Connections:
    """The connections of all listeners, as long as something is left to say over them."""

    def __init__(self, translator: Translator, observers: Observers) -> None:
        self._loop = asyncio.get_running_loop()
        self._translator = translator
        self._observers = observers
        self._open: set[Connection] = set()

    def connection(self, listener: str) -> Connection:
        return Connection(self._translator, self._loop, partial(self._connected, listener))

    def _connected(self, listener: str, connection: Connection, tls_version: str | None) -> None:
        self._open.add(connection)
        connection.task.add_done_callback(lambda _: self._open.discard(connection))
        self._observers.connected(listener, tls_version)

    def pre_shutdown(self) -> None:
        for each in self._open:
            each.end()

    async def shutdown(self, timeout: float) -> None:  # noqa: ASYNC109 - as of web.Server
        if self._open:
            await asyncio.wait([each.task for each in self._open], timeout=timeout)
        for each in self._open:
            each.abort()
