"""Everything that listens, and the servers of the connections that come in."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from ssl import SSLContext

from proxy.gateway.translator import Translator
from proxy.net.accept_share import AcceptShare
from proxy.net.addresses import Address
from proxy.net.byte_budget import ByteBudget
from proxy.net.connection_limit import ConnectionLimit, max_connections
from proxy.net.sockets import Handshakes, Listener, accepting, opened
from proxy.observe.counters import Counters
from proxy.observe.failures import FailureLog
from proxy.server.forwarding import Forwarding, ForwardOptions
from proxy.server.handlers import LegacyHandler
from proxy.server.http_server import DEFAULT_BYTES, HttpServer, drained
from proxy.server.metrics import Metrics
from proxy.server.peers import Network, peer_of_connection
from proxy.server.startup_checks import assert_limits, assert_versions
from proxy.upstream.held_answers import AnswerBudget

_log = logging.getLogger("proxy.server")

_MOST_FOR_METRICS = 64  # connections
_LEGACY_TLS_RISK = (
    "server: %s accepts TLS 1.0 and 1.1, which no longer protect: others on the network may read and change "
    "requests, tokens included, so let only clients that speak nothing newer reach it"
)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server is told from outside."""

    addresses: Mapping[str, Address]
    """To listen on, each under its name: `metrics` is for operators, all others are for the legacy API."""
    tls: Mapping[str, SSLContext] = field(default_factory=dict)
    """The contexts of addresses that are reached with TLS, under the same names."""
    trusted_proxies: Sequence[Network] = ()
    """Peers whose X-Forwarded-For is believed."""
    drain: float = 5
    """Seconds in which each connection is closed after its next answer, before listening ends."""
    metrics_hosts: Collection[str] = frozenset()
    """Names, in lower case, by which requests to `metrics` may call this host; its full name is another."""
    lenient_targets: bool = False
    """Whether the targets of requests may have spaces."""
    request_bytes: int = DEFAULT_BYTES
    """Of memory, for requests and for answers that are not taken."""
    connections_per_peer: int | None = None
    """A quarter of all where it is None."""
    answer_bytes: int = DEFAULT_BYTES
    """Of memory, for answers that are handed on, and for those of upstreams."""
    forward: ForwardOptions | None = None
    """Where other resources of the 2008 API are; without it, they are not found."""


@dataclass(slots=True)
class Serving:
    """What serves over some listeners."""

    handler: LegacyHandler
    server: HttpServer
    contexts: dict[str, SSLContext]
    """Of TLS, under the names of the listeners that have one."""
    drain: float
    forwarding: Forwarding
    metrics: Metrics | None = None

    def follow(self, translator: Translator, options: ServerOptions) -> None:
        """Let another translator answer from now on; the addresses stay as they are."""
        self.contexts.update((name, new) for name, new in options.tls.items() if name in self.contexts)
        self.handler.follow(translator, options.trusted_proxies)
        self.set_limits(options)
        self.drain = options.drain
        if self.metrics:
            self.metrics.hosts = options.metrics_hosts

    def set_limits(self, options: ServerOptions) -> None:
        self.server.lenient_targets = options.lenient_targets
        self.server.budget.most = options.request_bytes
        self.server.limit.name_peer = partial(peer_of_connection, trusted=options.trusted_proxies)
        self.server.limit.limit_peers(options.connections_per_peer)
        self.forwarding.held.limit = options.answer_bytes
        self.forwarding.follow(options.forward)
        self.handler.forwarder = self.forwarding.now

    def find_obstacle(self) -> str:
        """Return why no more requests should be sent here; '' where they should."""
        if self.server.is_draining:
            return "it is about to stop"
        return "it is full: new connections are closed" if self.server.limit.is_full else ""

    async def retire(self) -> None:
        """Go on for a while, one answer a connection, so that clients turn to other servers."""
        self.server.close_after_responses()
        await asyncio.sleep(self.drain)


def _limit(most: int) -> ConnectionLimit:
    return ConnectionLimit(most, name_peer=partial(peer_of_connection, trusted=()))


@contextmanager
def listeners(options: ServerOptions) -> Iterator[Mapping[str, Listener]]:
    """Listen on all addresses, each under its name, until the block ends.

    OSError, with the address as its filename, where one cannot be listened on.
    """
    with opened(options.addresses) as every:
        if "legacy_tls" in every:
            _log.warning(_LEGACY_TLS_RISK, every["legacy_tls"].address)
        yield every


@asynccontextmanager
async def listening(  # noqa: PLR0913 - each is a part
    translator: Translator,
    options: ServerOptions,
    every: Mapping[str, Listener],
    counters: Counters,
    share: AcceptShare | None = None,
    *,
    held: AnswerBudget | None = None,
) -> AsyncIterator[Serving]:
    """Serve over these `listeners` until the block ends, then let requests in flight finish.

    Answers that are handed on count against the budget `held`, as those of upstreams do.
    """
    assert_versions()
    await assert_limits()
    share = share or AcceptShare()
    share.join()
    handler, failures = LegacyHandler(translator, options.trusted_proxies), FailureLog(counters)
    budget = ByteBudget(options.request_bytes, partial(failures.request_rejected, "no_memory"))
    server = HttpServer(handler, counters, share, _limit(max_connections()), budget)
    server.forwarding = handler
    forwarding = Forwarding(held or AnswerBudget())
    serving = Serving(handler, server, dict(options.tls), options.drain, forwarding)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(forwarding.close)
        serving.set_limits(options)
        if (operators := every.get("metrics")) is not None:
            metrics = serving.metrics = Metrics(counters, operators.address.host, serving.find_obstacle)
            metrics.hosts = options.metrics_hosts
            apart = HttpServer(metrics, counters, AcceptShare(), _limit(_MOST_FOR_METRICS))
            await stack.enter_async_context(drained(apart))
            await stack.enter_async_context(accepting(partial(apart, "metrics"), operators, apart.limit))
        await stack.enter_async_context(drained(server))
        for name, each in every.items():
            if name != "metrics":
                protocol = partial(server, name)
                context = partial(serving.contexts.__getitem__, name)
                tls = Handshakes(context, partial(failures.handshake_failed, name))
                is_tls = name in serving.contexts
                accepts = accepting(protocol, each, server.limit, tls if is_tls else None, share)
                await stack.enter_async_context(accepts)
        yield serving
