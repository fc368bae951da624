"""The proxy as it runs: one worker, or several that share listeners and memory."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from ssl import SSLContext
from typing import NamedTuple

from proxy import __version__
from proxy.cache import GenerationTable
from proxy.config import Configuration
from proxy.gateway.translator import Translator
from proxy.net.accept_share import AcceptShare, AcceptShares
from proxy.net.sockets import Listener
from proxy.observe import log
from proxy.observe.counters import DROPPED_LINES, STALLED_WORKERS, CounterMemory, Counters
from proxy.observe.failures import FailureLog
from proxy.process.assembly import (
    LimitMemory,
    assemble,
    create_routes,
    create_state,
    create_store,
    create_token_memory,
    server_options,
)
from proxy.process.reload import ActiveConfiguration
from proxy.process.signals import Part, Service, run, run_workers
from proxy.server.listeners import ServerOptions, listening
from proxy.upstream.client import Client
from proxy.upstream.route import UpstreamRoute, read_trust
from proxy.upstream.token_cache import TokenMemory

_log = logging.getLogger("proxy.process")

Listeners = Mapping[str, Listener]
"""By key of `listen`: address, tls, legacy_tls, metrics."""


Routes = Mapping[str, UpstreamRoute]


class _SharedMemory(NamedTuple):
    """What all workers inherit."""

    generations: GenerationTable
    counters: CounterMemory
    shares: AcceptShares
    limits: LimitMemory
    tokens: TokenMemory


def serve(
    configuration: ActiveConfiguration,
    listeners: Listeners,
    workers: int,
    announcement: str,
    *beside: Part,
    reloads: bool = False,
) -> None:
    """Serve over `listeners` with so many workers until a signal, with the parts `beside` them."""
    shared = _SharedMemory(
        GenerationTable(workers),
        CounterMemory(workers),
        AcceptShares(workers),
        LimitMemory.create(),
        create_token_memory(),
    )
    proxies: list[Part] = [
        partial(_run_proxy, configuration, listeners, shared, number, reloads=reloads)
        for number in range(workers)
    ]
    _log_start(configuration.now, listeners, workers)
    if workers == 1:
        run([*beside, *proxies], announcement)
        _log.info("stopped")
        return

    def died(number: int) -> None:
        if number < workers:
            shared.generations.advance_all(number)
            shared.shares.remove_worker(number)
            shared.counters.remove_worker(number)

    def stalled(number: int) -> None:
        if number < workers:
            Counters(shared.counters, number).count(STALLED_WORKERS)

    def stopping() -> None:
        for each in listeners.values():  # else clients would wait at a socket that no worker accepts from
            each.close()

    def reload() -> bool:
        if is_valid := configuration.reload():
            configuration.announce()
            configuration.log_reload()
        return is_valid

    try:
        reload_at_sighup = reload if reloads else None
        run_workers([*proxies, *beside], announcement, died, stopping, reload_at_sighup, stalled=stalled)
    finally:
        _log.info("stopped")


def _log_start(configuration: Configuration, listeners: Listeners, workers: int) -> None:
    profiles = ", ".join(sorted({each.profile for each in configuration.upstreams().values()}))
    addresses = ", ".join(f"{name} {each.address}" for name, each in listeners.items())
    line = "callerid-proxy %s starts: workers: %d; profiles: %s; listens on: %s"
    _log.info(line, __version__, workers, profiles, addresses)


@asynccontextmanager
async def _run_proxy(
    configuration: ActiveConfiguration,
    listeners: Listeners,
    shared: _SharedMemory,
    worker: int,
    *,
    reloads: bool,
) -> AsyncIterator[Service]:
    """Serve as one of the workers until the block ends."""
    store = create_store(configuration.now, shared.generations, worker)
    counters, share = Counters(shared.counters, worker), AcceptShare(shared.shares, worker)
    state = create_state(configuration.now, FailureLog(counters), store, shared.limits)
    log.count_dropped(partial(counters.count, DROPPED_LINES))
    routes = create_routes(configuration.now)
    async with Client(routes, state.failures, shared.tokens) as client, AsyncExitStack() as stack:
        client.held.limit = configuration.now.settings.limits.answer_bytes
        stack.push_async_callback(store.close)

        def build() -> tuple[Translator, ServerOptions]:
            translator = assemble(configuration.now, client, store, state=state)
            return translator, server_options(configuration.now.settings)

        def rebuild() -> tuple[Translator, ServerOptions, Routes, SSLContext | None] | None:
            """Read all files again; None where they cannot be used."""
            if not configuration.reload():
                return None
            return *build(), create_routes(configuration.now), _read_trust()

        serving = await stack.enter_async_context(
            listening(*build(), listeners, counters, share, held=client.held)
        )

        async def reload() -> None:
            if not (share.is_alone or configuration.follows()):
                return
            # In a thread: it takes longer than requests may wait for the loop
            if built := await asyncio.to_thread(rebuild):
                translator, options, routes, trust = built
                client.follow(routes, trust)  # first: requests that are translated anew name them
                serving.follow(translator, options)
                state.buckets.follow(configuration.now.settings.snapshots.replicas)
                client.held.limit = configuration.now.settings.limits.answer_bytes
                if share.is_alone:  # else the supervisor logs it once for all workers
                    configuration.log_reload()

        yield Service(serving.retire, reload if reloads else None)


def _read_trust() -> SSLContext | None:
    """Return what the system trusts now; None, and a line in the log, where that cannot be told."""
    try:
        return read_trust()
    except OSError as error:
        _log.error(
            "the certificate authorities of the system cannot be read: %s; the previous ones stay active",
            error.strerror or type(error).__name__,
        )
        return None
