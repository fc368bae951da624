"""Services that run until a signal stops them: all in this process, or each in a worker of its own."""

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

import click
import uvloop

from proxy.observe import log
from proxy.process.heartbeats import BEAT_PERIOD
from proxy.process.supervisor import REPEAT_PERIOD, STOP_SIGNALS, Lifeline, supervise

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
    if os.getpid() == 1:  # orphans become its children: the kernel collects them when they end
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _run_loop(_run_parts(parts, announcement))


def run_workers(  # noqa: PLR0913 - most are callbacks
    parts: Sequence[Part],
    announcement: str,
    died: Callable[[int], None],
    stopping: Callable[[], None],
    reload: Callable[[], bool] | None = None,
    *,
    stalled: Callable[[int], None] = lambda _: None,
) -> None:
    """Run each part in a worker until SIGINT or SIGTERM; see `supervise` for the callbacks."""
    works = [partial(_run_worker, part) for part in parts]
    ready = partial(click.echo, announcement)
    if status := supervise(works, ready=ready, died=died, stopping=stopping, reload=reload, stalled=stalled):
        raise SystemExit(status)


def _run_worker(part: Part, lifeline: Lifeline) -> None:
    _run_loop(_run_parts([part], lifeline=lifeline))


async def _run_parts(
    parts: Sequence[Part], announcement: str | None = None, lifeline: Lifeline | None = None
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log.log_unhandled)
    if lifeline is not None:
        _beat(loop, lifeline)
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


def _beat(loop: asyncio.AbstractEventLoop, lifeline: Lifeline) -> None:
    """Give a heartbeat now and each BEAT_PERIOD until the loop is closed, its last tasks included."""
    lifeline.beat()
    loop.call_later(BEAT_PERIOD, _beat, loop, lifeline)


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
async def _stop_at_signal(services: Sequence[Service], lifeline: Lifeline | None) -> AsyncIterator[None]:
    """Wait for SIGINT or SIGTERM at the end of the block.

    Handlers are set before the block: the program that reads the announced address may send a signal at once.
    Only SIGTERM leaves time for a drain; SIGINT comes from a person who waits.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals = _StopSignals(lambda: loop.call_soon_threadsafe(stop.set), is_supervised=lifeline is not None)
    for each in STOP_SIGNALS:
        signal.signal(each, signals.handle)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # one may be pending from before the handlers

    def orphan(ends: int) -> None:
        loop.remove_reader(ends)
        signals.is_supervised = False
        stop.set()

    if lifeline is not None:
        loop.add_reader(lifeline.ends, orphan, lifeline.ends)
        lifeline.beat()
        lifeline.report_start()
    yield
    await stop.wait()
    if signals.first is not None:  # else the supervisor has died
        level = logging.INFO if lifeline is None else logging.DEBUG  # the supervisor has logged it already
        _log.log(level, "%s received: requests in progress finish", signal.Signals(signals.first).name)
    if signals.first == signal.SIGTERM:
        await asyncio.gather(*(service.drain() for service in services))


class _StopSignals:
    """Calls `stop` at the first SIGINT or SIGTERM; a later one ends the process at once.

    An init, and systemd, may send a signal to several processes of a tree, and more than once: within
    REPEAT_PERIOD a signal is the same one. A worker ignores every later one, since it cannot tell those of
    its supervisor, which may come late, from others: the supervisor kills it.
    """

    def __init__(self, stop: Callable[[], object], *, is_supervised: bool) -> None:
        self.first: int | None = None
        self.is_supervised = is_supervised
        self._stop = stop
        self._first_at = 0.0

    def handle(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first, self._first_at = number, now
            self._stop()
        elif not self.is_supervised and now - self._first_at > REPEAT_PERIOD:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            os._exit(128 + number)  # the first process of a container survives that signal


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
    # A repeated signal must not change the exit status, after Python has removed the handlers
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
