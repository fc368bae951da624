"""What runs until it is told to stop: all of it in this process, or each part in one of its own."""

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
from proxy.process.supervisor import ENDS, side_by_side

_log = logging.getLogger("proxy.cli")


@dataclass(frozen=True, slots=True)
class Service:
    """What a part does when it is told something."""

    retire: Callable[[], Awaitable[None]]
    """Before it ends: whoever uses it should turn to another one."""
    reload: Callable[[], Awaitable[None]] | None = None
    """Take up what has changed, at SIGHUP; whatever is raised, everything is as before."""


Part = Callable[[], AbstractAsyncContextManager[Service | None]]
"""What runs for as long as its context lasts."""


def run(parts: Sequence[Part], announcement: str) -> None:
    """Run everything in this process until SIGINT or SIGTERM."""
    _run(_together(parts, announcement))


def run_apart(
    parts: Sequence[Part],
    announcement: str,
    died: Callable[[int], None],
    stops: Callable[[], None],
    reload: Callable[[], bool] | None = None,
) -> None:
    """Run each part in a process of its own until SIGINT or SIGTERM; one that has `died` is replaced.

    When they are told to stop, what is held here for those to come `stops`. At SIGHUP they reload, if
    `reload` here says that they can.
    """
    works = [partial(_run_alone, part) for part in parts]
    ready = partial(click.echo, announcement)
    if status := side_by_side(works, ready=ready, died=died, stops=stops, reload=reload):
        raise SystemExit(status)


def _run_alone(part: Part, lifeline: int) -> None:
    _run(_together([part], lifeline=lifeline))


async def _together(
    parts: Sequence[Part], announcement: str | None = None, lifeline: int | None = None
) -> None:
    asyncio.get_running_loop().set_exception_handler(log.unhandled)
    async with AsyncExitStack() as stack:
        entered = [await stack.enter_async_context(part()) for part in parts]
        services = [service for service in entered if service]
        # What is there now stays: the collector need not look through it again and again beside requests
        gc.collect()
        gc.freeze()
        with _reloading([service.reload for service in services if service.reload]):
            async with _until_told_to_stop(services, lifeline):
                if announcement:
                    click.echo(announcement)


@contextmanager
def _reloading(reloads: Sequence[Callable[[], Awaitable[None]]]) -> Iterator[None]:
    """Reload at SIGHUP; what is told meanwhile counts once."""
    if not reloads:
        yield
        return
    loop, told = asyncio.get_running_loop(), asyncio.Event()

    async def whenever_told() -> None:
        while await told.wait():
            told.clear()
            for reload in reloads:
                try:
                    await reload()
                except Exception:  # noqa: BLE001 - whatever it is, the next one may be better
                    _log.exception("what has changed is not taken up")

    loop.add_signal_handler(signal.SIGHUP, told.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # a worker is told before it can listen
    task = loop.create_task(whenever_told())
    try:
        yield
    finally:
        task.cancel()  # and the signal is still heeded: it must not end what goes on


@asynccontextmanager
async def _until_told_to_stop(services: Sequence[Service], lifeline: int | None) -> AsyncIterator[None]:
    """Wait for SIGINT or SIGTERM at the end of the block; a second one ends the process at once.

    The signals are heeded from the beginning: whoever reads the announced address may send one at once.
    Only after SIGTERM is there time for others to hear of it: SIGINT comes from somebody who waits.
    """
    loop, told, has_time = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def terminate() -> None:
        has_time.set()
        told.set()

    loop.add_signal_handler(signal.SIGINT, told.set)
    loop.add_signal_handler(signal.SIGTERM, terminate)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)  # a worker may be told before it listens
    if lifeline is not None:
        loop.add_reader(lifeline, told.set)
    yield
    await told.wait()
    if lifeline is not None:
        loop.remove_reader(lifeline)
    for each in ENDS:
        loop.remove_signal_handler(each)
    if has_time.is_set():
        await asyncio.gather(*(service.retire() for service in services))


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
