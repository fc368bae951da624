"""What runs until it is told to stop: all of it in this process, or each part in one of its own."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import click
import uvloop

from proxy import logs
from proxy.workers import side_by_side

Part = Callable[[], AbstractAsyncContextManager[None]]
"""What runs for as long as its context lasts."""


def run(parts: Sequence[Part], announcement: str) -> None:
    """Run everything in this process until SIGINT or SIGTERM."""
    _run(_together(parts, announcement))


def run_apart(parts: Sequence[Part], announcement: str, died: Callable[[int], None]) -> None:
    """Run each part in a process of its own until SIGINT or SIGTERM; one that has `died` is replaced."""
    works = [partial(_run_alone, part) for part in parts]
    if status := side_by_side(works, ready=partial(click.echo, announcement), died=died):
        raise SystemExit(status)


def _run_alone(part: Part, lifeline: int) -> None:
    _run(_together([part], lifeline=lifeline))


async def _together(
    parts: Sequence[Part], announcement: str | None = None, lifeline: int | None = None
) -> None:
    asyncio.get_running_loop().set_exception_handler(logs.unhandled)
    async with AsyncExitStack() as stack:
        for part in parts:
            await stack.enter_async_context(part())
        # What is there now stays: the collector need not look through it again and again beside requests
        gc.collect()
        gc.freeze()
        async with _until_told_to_stop(lifeline):
            if announcement:
                click.echo(announcement)


@asynccontextmanager
async def _until_told_to_stop(lifeline: int | None) -> AsyncIterator[None]:
    """Wait for SIGINT or SIGTERM at the end of the block; a second one ends the process at once.

    The signals are heeded from the beginning: whoever reads the announced address may send one at once.
    """
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    for each in signals:
        loop.add_signal_handler(each, told.set)
    if lifeline is not None:
        loop.add_reader(lifeline, told.set)
    yield
    await told.wait()
    if lifeline is not None:
        loop.remove_reader(lifeline)
    for each in signals:
        loop.remove_signal_handler(each)


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
