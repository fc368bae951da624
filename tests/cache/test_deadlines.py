"""Deadlines of requests, of shared listings, and of writes that Redis cannot be told of."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import NamedTuple

import pytest
import pytest_asyncio
from support import leap
from support.cached import ALICE, Lists, Upstream, Value, ask, get_or_load, known, tolerant_store
from support.relay import Relay, relay
from support.valkey import Server, running_valkey

from proxy.cache import CachePolicy, ListCache, Owner, SharedMemoryStore, derive_owner
from proxy.errors import NOT_SHOWN_YET, TOO_SLOW_TO_TELL, LegacyError
from proxy.net.deadlines import Deadlines, begin_request

OWNER = derive_owner(ALICE)
A_MOMENT = 0.2  # seconds


# Shared listings


def test_a_shared_listing_outlasts_its_first_request() -> None:
    """The first request has two seconds left, the one that joins has 25."""

    async def main() -> None:
        deadlines = Deadlines()
        lists: Lists = ListCache(Value, CachePolicy(5, 0, 100_000), SharedMemoryStore())

        async def read_list(_: Value | None) -> Value:
            with deadlines:
                await asyncio.sleep(20)
            return Value("new")

        async def asked(seconds: float) -> str:
            begin_request(seconds)
            with deadlines:
                return (await get_or_load(lists, ALICE, load=read_list)).text

        early, late = (asyncio.create_task(asked(seconds)) for seconds in (2, 25))
        with pytest.raises(TimeoutError):
            await early
        assert await late == "new"

    leap.run(main())


def test_a_background_refresh_has_its_own_deadline() -> None:
    """A request with hardly any time left gets the stale list at once."""

    async def main() -> None:
        deadlines, clock = Deadlines(), asyncio.get_running_loop().time
        lists: Lists = ListCache(Value, CachePolicy(5, 60, 100_000), SharedMemoryStore(), clock)

        async def read_list(_: Value | None) -> Value:
            with deadlines:
                await asyncio.sleep(20)
            return Value("new")

        await ask(lists, ALICE, Upstream())
        await asyncio.sleep(6)
        begin_request(0.1)
        assert (await get_or_load(lists, ALICE, load=read_list)).text == "old"
        await lists.finish_background()
        assert await known(lists, ALICE) == "new"

    leap.run(main())


# Writes


class Replicas(NamedTuple):
    """A replica that reads, and one that writes and can be cut off from Redis; their TTL is an hour."""

    reader: Lists
    writer: Lists
    stretch: Relay


@pytest.fixture
def server() -> Iterator[Server]:
    with running_valkey() as server:
        yield server


@pytest_asyncio.fixture
async def replicas(server: Server) -> AsyncIterator[Replicas]:
    async with relay(server.port) as stretch:
        stores = [tolerant_store(url, b"secret") for url in (server.url, stretch.url)]
        reader, writer = (Lists(Value, CachePolicy(3600, 0, 1_000_000), store) for store in stores)
        yield Replicas(reader, writer, stretch)
        for store in stores:
            await store.close()


async def shows_nothing_old(replicas: Replicas, upstream: Upstream) -> None:
    """Wait until the reader has been told of a write."""
    replicas.stretch.mend()
    await replicas.writer.finish_background()  # and not for an hour
    assert (await ask(replicas.reader, ALICE, upstream)).text == "new"


async def test_a_write_that_cannot_be_announced_in_time_fails(replicas: Replicas) -> None:
    upstream = Upstream()
    await ask(replicas.reader, ALICE, upstream)
    replicas.stretch.cut()
    begin_request(A_MOMENT)
    with pytest.raises(LegacyError) as caught:
        async with replicas.writer.invalidating(OWNER):
            upstream.text = "new"
    assert caught.value.fault == NOT_SHOWN_YET
    assert (await ask(replicas.reader, ALICE, upstream)).text == "old"
    await shows_nothing_old(replicas, upstream)


async def test_a_write_chooses_the_fault_of_its_timeout(replicas: Replicas) -> None:
    replicas.stretch.cut()
    begin_request(A_MOMENT)
    with pytest.raises(LegacyError) as caught:
        async with replicas.writer.invalidating(OWNER, unsettled_for=600, timeout_fault=TOO_SLOW_TO_TELL):
            pass
    assert caught.value.fault == TOO_SLOW_TO_TELL
    replicas.stretch.mend()
    await replicas.writer.finish_background()


async def test_a_failed_write_keeps_its_own_fault(replicas: Replicas) -> None:
    """The upstream may have carried it out, so it is announced too."""
    upstream = Upstream()
    await ask(replicas.reader, ALICE, upstream)
    replicas.stretch.cut()
    begin_request(A_MOMENT)

    async def fail() -> None:
        async with replicas.writer.invalidating(OWNER):
            upstream.text = "new"
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    await shows_nothing_old(replicas, upstream)


@pytest.mark.parametrize("steps", range(6))
async def test_a_cancelled_write_leaves_no_task_behind(replicas: Replicas, steps: int) -> None:
    """Cancel during an announcement, or between two attempts."""
    upstream, has_written = Upstream(), asyncio.Event()
    await ask(replicas.reader, ALICE, upstream)
    replicas.stretch.cut()

    async def write() -> None:
        async with replicas.writer.invalidating(OWNER):
            upstream.text = "new"
            has_written.set()

    writing = asyncio.create_task(write())
    await has_written.wait()
    for _ in range(steps):
        await asyncio.sleep(0.02)
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    await shows_nothing_old(replicas, upstream)


async def test_a_store_that_fails_makes_the_write_fail() -> None:
    class Failing(SharedMemoryStore):
        times = 0

        async def advance(self, owner: Owner, unsettled_for: float = 0) -> bool:
            self.times += 1
            if self.times == 1:
                return True
            raise LookupError

    with pytest.raises(LookupError):
        async with ListCache(Value, CachePolicy(5, 0, 0), Failing()).invalidating(OWNER):
            pass
