"""Everything that listens, and what came in over it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from ssl import SSLContext
from typing import TypeVar

from proxy.config import Listen
from proxy.config.settings import TlsListener
from proxy.gateway.translator import Translator
from proxy.net.accept_share import AcceptShare, AcceptShares
from proxy.net.connection_limit import ConnectionLimit, max_connections
from proxy.net.sockets import Listener, accepting, drained, opened
from proxy.observe.counters import Counters
from proxy.server.connection import Connection
from proxy.server.handlers import Handler, LegacyHandler
from proxy.server.metrics import Metrics
from proxy.server.parsing import assert_limits, assert_versions

_log = logging.getLogger("proxy.server")

T = TypeVar("T")

_MOST_FOR_METRICS = 64  # connections


class Serving:
    """What serves over some listeners."""

    def __init__(self, reception: LegacyHandler, connections: "_Connections", listen: Listen) -> None:
        self._reception = reception
        self._connections = connections
        self._drain = listen.drain
        self._contexts = _contexts(listen)

    def context(self, name: str) -> Callable[[], SSLContext] | None:
        """Return with what the listener of that name shakes hands, if it does."""
        return partial(self._contexts.__getitem__, name) if name in self._contexts else None

    def follow(self, translator: Translator, listen: Listen) -> None:
        """Let another translator answer from now on; what is listened on stays as it is."""
        contexts = _contexts(listen)
        self._contexts.update((name, new) for name, new in contexts.items() if name in self._contexts)
        self._reception.follow(translator, listen.trusted_proxies)
        self._drain = listen.drain

    async def retire(self) -> None:
        """Go on for a while, one answer a connection, so that everybody learns to turn to others."""
        self._connections.leave()
        await asyncio.sleep(self._drain)


@contextmanager
def listeners(listen: Listen) -> Iterator[Mapping[str, Listener]]:
    """Listen on everything, each under its key, until the block ends.

    OSError, with the address as its filename, where one cannot be listened on.
    """
    tls = {name: terms.address for name, terms in _tls(listen).items()}
    with opened(_given({"metrics": listen.metrics, "address": listen.address, **tls})) as every:
        if "legacy_tls" in every:
            _log.warning(_RISK, every["legacy_tls"].address)
        yield every


_RISK = (
    "%s accepts TLS 1.0 and 1.1, which no longer protect: whoever is on the way may read or change what is "
    "said, tokens included, so only clients that speak nothing newer should reach it"
)


@asynccontextmanager
async def listening(
    translator: Translator,
    listen: Listen,
    every: Mapping[str, Listener],
    counters: Counters,
    turn: AcceptShare | None = None,
) -> AsyncIterator[Serving]:
    """Serve over these `listeners` until the block ends, then let requests in flight finish."""
    assert_versions()
    assert_limits(asyncio.get_running_loop())
    turn = turn or AcceptShare(AcceptShares(1), 0)
    turn.begin()
    reception = LegacyHandler(translator, listen.trusted_proxies)
    connections = _Connections(reception, counters, turn, ConnectionLimit(max_connections()))
    serving = Serving(reception, connections, listen)
    async with AsyncExitStack() as stack:
        if (opened := every.get("metrics")) is not None:
            metrics = Metrics(counters, opened.address.host, lambda: connections.are_leaving)
            await stack.enter_async_context(_metrics_listening(metrics, counters, opened))
        await stack.enter_async_context(drained(connections))
        for name, each in every.items():
            if name == "metrics":
                continue
            connection = partial(connections.connection, name)
            terms = serving.context(name)
            await stack.enter_async_context(accepting(connection, each, connections.room, terms, turn))
        yield serving


@asynccontextmanager
async def _metrics_listening(metrics: Metrics, counters: Counters, opened: Listener) -> AsyncIterator[None]:
    connections = _Connections(
        metrics, counters, AcceptShare(AcceptShares(1), 0), ConnectionLimit(_MOST_FOR_METRICS)
    )
    connection = partial(connections.connection, "metrics")
    async with drained(connections), accepting(connection, opened, connections.room):
        yield


def _contexts(listen: Listen) -> dict[str, SSLContext]:
    return {name: listener.ssl_context for name, listener in _tls(listen).items()}


def _tls(listen: Listen) -> Mapping[str, TlsListener]:
    return _given({"tls": listen.tls, "legacy_tls": listen.legacy_tls})


def _given(values: Mapping[str, T | None]) -> Mapping[str, T]:
    return {name: value for name, value in values.items() if value is not None}


class _Connections:
    """The connections of all listeners, as long as something is left to say over them."""

    def __init__(
        self, answering: Handler, counters: Counters, turn: AcceptShare, room: ConnectionLimit
    ) -> None:
        self._turn = turn
        self._loop = asyncio.get_running_loop()
        self._answering = answering
        self._observers = counters
        self._open: set[Connection] = set()
        self.room = room
        self.are_leaving = False

    def connection(self, listener: str) -> Connection:
        return Connection(self._answering, self._loop, partial(self._connected, listener))

    def _connected(self, listener: str, connection: Connection, tls_version: str | None) -> None:
        # There was room for it when its handshake began, if it had one
        if tls_version is None and not self.room.is_left():
            connection.abort()
            return
        self._open.add(connection)
        self.room.taken += 1
        self._turn.took()
        if self.are_leaving:
            connection.leave()
        connection.task.add_done_callback(lambda _: self._ended(connection))
        self._observers.connected(listener, tls_version)

    def _ended(self, connection: Connection) -> None:
        self._open.discard(connection)
        self.room.taken -= 1
        self._turn.lost()

    def leave(self) -> None:
        """Let the next answer over each be the last, over those to come too."""
        self.are_leaving = True
        for each in self._open:
            each.leave()

    def pre_shutdown(self) -> None:
        for each in self._open:
            each.end()

    async def shutdown(self, timeout: float) -> None:  # noqa: ASYNC109 - of sockets.Server
        if self._open:
            await asyncio.wait([each.task for each in self._open], timeout=timeout)
        for each in self._open:
            each.abort()
