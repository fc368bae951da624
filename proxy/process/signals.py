"""Services that run until a signal stops them: all in this process, or each in a worker of its own."""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
import uvloop

from proxy.observe import log
from proxy.process.supervisor import STOP_SIGNALS, supervise

_log = logging.getLogger("proxy.process")


@dataclass(frozen=True, slots=True)
class Service:
    """What a running part does at a signal."""

    drain: Callable[[], Awaitable[None]]
    """At SIGTERM: let clients move to another process before this one stops."""
    reload: Callable[[], Awaitable[None]] | None = None
    """At SIGHUP: take a changed configuration; after an exception the previous one stays active."""


Part = Callable[[], AbstractAsyncContextManager[Service | None]]
"""A part of the program; it runs for as long as its context lasts."""


def run(parts: Sequence[Part], announcement: str) -> None:
    """Run all parts in this process until SIGINT or SIGTERM."""
    _run_loop(_run_parts(parts, announcement))


def run_workers(
    parts: Sequence[Part],
    announcement: str,
    died: Callable[[int], None],
    stopping: Callable[[], None],
    reload: Callable[[], bool] | None = None,
) -> None:
    """Run each part in a worker until SIGINT or SIGTERM; see `supervise` for the callbacks."""
    works = [partial(_run_worker, part) for part in parts]
    ready = partial(click.echo, announcement)
    if status := supervise(works, ready=ready, died=died, stopping=stopping, reload=reload):
        raise SystemExit(status)


def _run_worker(part: Part, lifeline: int) -> None:
    _run_loop(_run_parts([part], lifeline=lifeline))


async def _run_parts(
    parts: Sequence[Part], announcement: str | None = None, lifeline: int | None = None
) -> None:
    asyncio.get_running_loop().set_exception_handler(log.log_unhandled)
    async with AsyncExitStack() as stack:
        entered = [await stack.enter_async_context(part()) for part in parts]
        services = [service for service in entered if service]
        # Objects that exist now stay: the collector need not traverse them again and again
        gc.collect()
        gc.freeze()
        with _reload_at_sighup([service.reload for service in services if service.reload]):
            async with _stop_at_signal(services, lifeline):
                if announcement:
                    click.echo(announcement)


@contextmanager
def _reload_at_sighup(reloads: Sequence[Callable[[], Awaitable[None]]]) -> Iterator[None]:
    """Reload at SIGHUP; several signals during a reload lead to one more."""
    if not reloads:
        yield
        return
    loop, received = asyncio.get_running_loop(), asyncio.Event()

    async def reload_each_time() -> None:
        while await received.wait():
            received.clear()
            for reload in reloads:
                try:
                    await reload()
                except Exception:  # noqa: BLE001 - the next configuration may be better
                    _log.exception("reload failed; the previous configuration stays active")

    loop.add_signal_handler(signal.SIGHUP, received.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # one may be pending from before the handler
    task = loop.create_task(reload_each_time())
    try:
        yield
    finally:
        task.cancel()  # the handler stays: without one, SIGHUP would end the process during its drain


@asynccontextmanager
async def _stop_at_signal(services: Sequence[Service], lifeline: int | None) -> AsyncIterator[None]:
    """Wait for SIGINT or SIGTERM at the end of the block; a second one ends the process at once.

    Handlers are set before the block: the program that reads the announced address may send a signal at once.
    Only SIGTERM leaves time for a drain; SIGINT comes from a person who waits.
    """
    loop, stop, has_time = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def terminate() -> None:
        has_time.set()
        stop.set()

    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_signal_handler(signal.SIGTERM, terminate)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # one may be pending from before the handlers
    if lifeline is not None:
        loop.add_reader(lifeline, stop.set)
    yield
    await stop.wait()
    if lifeline is not None:
        loop.remove_reader(lifeline)
    for each in STOP_SIGNALS:
        loop.remove_signal_handler(each)
    if has_time.is_set():
        await asyncio.gather(*(service.drain() for service in services))


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
