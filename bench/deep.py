"""Long lists: upstream calls, stalls of the event loop, and the cost of an item."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count, islice
from typing import NamedTuple

from bench.data import Owner, ask, modern_path, the_instances, the_list
from bench.load import Asked, Pool, connected
from bench.measuring import CONNECTIONS, LIST, Metrics, calls_counted
from bench.peers.table import SNAPSHOT, started
from bench.processes import Server, cores

_ITEMS = 10_000
_DELAY = 20  # milliseconds an upstream call
_UPSTREAM_PAGE = 1000
_PAGES = 100
_LISTS = 5
_GROWTH = (10, 100, 1000, 10_000, 100_000)

_seeds = count(1)


class Wait(NamedTuple):
    """How long a cheap request took, and when; both in seconds."""

    at: float
    seconds: float


async def deep(modern: Server) -> tuple[Metrics, list[Wait]]:
    """Return the figures for lists of 10,000 items, and the latency of other requests meanwhile."""
    figures: Metrics = {}
    with _ours(modern) as server:
        async with connected(server.port, CONNECTIONS) as pool:
            owner = await _prepared(Owner(_ITEMS, _DELAY, next(_seeds)), modern)
            async with calls_counted(modern.port) as calls, _polled(server.port) as waits:
                asked = [Asked(the_list(owner, f"?page={page}").legacy) for page in range(CONNECTIONS)]
                await pool.run(asked, CONNECTIONS)
            figures["calls for a shared listing"] = calls[0]
            seconds = [wait.seconds for wait in waits]
            figures["loop stall, ms"] = 1000 * (max(seconds) - statistics.median(seconds))
            figures |= await _from_cache(server, pool, owner, modern)
        figures["bytes an item"] = await _bytes_an_item(server, modern)
    return figures, waits


async def _from_cache(server: Server, pool: Pool, owner: Owner, modern: Server) -> Metrics:
    """Request data of a cached list."""
    figures: Metrics = {}
    queries = ("?page=1", "?page=199", "?num=1000&page=3", "?PhoneNumber=4152000007", "?FriendlyName=Line+5")
    asked = [the_list(owner, query) for query in queries] + list(islice(the_instances(owner), 2))
    async with calls_counted(modern.port) as calls:
        for question in asked:
            await pool.ask(question.legacy)
    figures["calls for cached data"] = calls[0]
    pages = [the_list(owner, f"?page={page}").legacy for page in range(60, 60 + _PAGES)]
    for when in ("first", "after"):
        before = server.cpu()
        for request in pages:
            await pool.ask(request)
        figures[f"cached page, {when}, us"] = (server.cpu() - before) / _PAGES * 1e6
    return figures


async def _bytes_an_item(server: Server, modern: Server) -> float:
    """Compare the memory of one long list and of many: temporary memory of reading cancels out."""
    memory = []
    async with connected(server.port, 1) as pool:
        for _ in range(_LISTS):
            owner = await _prepared(Owner(_ITEMS, 0, next(_seeds)), modern)
            await pool.ask(the_list(owner).legacy)
            memory.append(server.memory())
    return (memory[-1] - memory[0]) / (len(memory) - 1) / _ITEMS


@dataclass(frozen=True, slots=True)
class Size:
    """The cost of a list of some size."""

    items: int
    listing: float
    """Seconds of CPU time until its first page is answered."""
    page: float
    """Seconds of CPU time for one more page."""
    grown: int
    """Bytes of memory."""


async def growth(modern: Server) -> list[Size]:
    """Return the costs of lists of several sizes, each in a new process."""
    sizes = []
    for items in _GROWTH:
        owner = await _prepared(Owner(items, 0, next(_seeds)), modern)
        with _ours(modern) as server:
            async with connected(server.port, 1) as pool:
                await pool.run([Asked(LIST.questions[0].legacy)], 50)
                memory, before = server.memory(), server.cpu()
                await pool.ask(the_list(owner).legacy)
                listing, grown, before = server.cpu() - before, server.memory() - memory, server.cpu()
                await pool.run([Asked(the_list(owner).legacy)], 200)
                page = (server.cpu() - before) / 200
        sizes.append(Size(items, listing, page, grown))
    return sizes


@contextmanager
def _ours(modern: Server) -> Iterator[Server]:
    with started(SNAPSHOT, modern.port, cores()[0]) as server:
        yield server


async def _prepared(owner: Owner, modern: Server) -> Owner:
    """Let the upstream build its answers before the measurement."""
    async with connected(modern.port, 1) as pool:
        await pool.ask(the_list(owner, size=_UPSTREAM_PAGE).modern)
        for page in range(1, -(-owner.items // _UPSTREAM_PAGE)):
            token = f"&Page={page}&PageToken=PA{page}"
            await pool.ask(ask(f"{modern_path(owner)}.json?PageSize={_UPSTREAM_PAGE}{token}", owner))
    return owner


@asynccontextmanager
async def _polled(port: int) -> AsyncIterator[list[Wait]]:
    """Request an unknown path every millisecond; yields the latency of each answer."""
    waits: list[Wait] = []
    start = time.perf_counter()

    async def poll(pool: Pool) -> None:
        while True:
            since = time.perf_counter()
            await pool.ask(ask("/nowhere"), b"404")
            waits.append(Wait(since - start, time.perf_counter() - since))
            await asyncio.sleep(0.001)

    async with connected(port, 1) as pool:
        polling = asyncio.create_task(poll(pool))
        await asyncio.sleep(0.1)
        try:
            yield waits
        finally:
            polling.cancel()
            await asyncio.wait([polling])
