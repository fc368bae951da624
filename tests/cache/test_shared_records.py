"""Short records over memory that workers share, and over Redis."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from support.cached import Clock
from support.valkey import Server

from proxy.cache import MemoryRecords, SharedCells, create_record_cells
from proxy.cache.redis_limits import RedisRecords
from proxy.cache.redis_store import RedisStore


async def test_records_are_found_by_group_until_their_time_has_passed() -> None:
    clock = Clock()
    records = MemoryRecords(clock=clock)
    assert await records.put("one", "a", b"1", 10)
    assert await records.put("one", "b", b"\0\xff", 20)
    assert await records.put("two", "a", b"3", 10)
    assert await records.find("one") == {"a": b"1", "b": b"\0\xff"}
    assert await records.find("three") == {}
    assert await records.put("one", "a", b"", 30)
    await records.remove("one", "b")
    await records.remove("one", "b")
    assert await records.find("one") == {"a": b""}
    clock.now += 10
    assert await records.find("two") == {}
    assert await records.find("one") == {"a": b""}
    clock.now += 20
    assert await records.find("one") == {}


async def test_nothing_is_evicted() -> None:
    clock = Clock()
    records = MemoryRecords(SharedCells(1, 1, 64), clock)
    stored = [await records.put("group", str(number), b"x", 10) for number in range(20)]
    assert stored == [True] * 8 + [False] * 12
    assert not records.has_room("group")
    assert await records.put("group", "7", b"y", 10), "in the place of its own"
    assert set(await records.find("group")) == set("01234567")
    clock.now += 10
    assert records.has_room("group")


async def test_what_is_too_long_is_not_stored() -> None:
    records = MemoryRecords(clock=Clock())
    assert await records.put("group", "key", bytes(9202), 10)
    assert not await records.put("group", "key", bytes(9203), 10)
    assert await records.find("group") == {"key": bytes(9202)}


def test_processes_share_records() -> None:
    cells = create_record_cells()

    async def put() -> None:
        assert await MemoryRecords(cells).put("group", "key", b"content", 60)

    pid = os.fork()
    if pid == 0:
        asyncio.run(put())
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

    async def find() -> None:
        assert await MemoryRecords(cells).find("group") == {"key": b"content"}

    asyncio.run(find())


Host = Callable[..., RedisRecords]


@pytest_asyncio.fixture
async def host(valkey: Server) -> AsyncIterator[Host]:
    """Yield what returns the records of one more host; all share a secret."""
    secret = secrets.token_bytes()
    async with AsyncExitStack() as stack:

        def create(server: Server = valkey) -> RedisRecords:
            store = RedisStore.at(server.url, secret, timeouts=(1, 1))
            stack.push_async_callback(store.close)
            return RedisRecords(store.pipeline, secret, MemoryRecords())

        yield create


async def test_hosts_share_records(host: Host) -> None:
    one, two = host(), host()
    assert await one.put("group", "a", b"1", 60)
    assert await two.put("group", "b", b"2", 60)
    assert await one.find("group") == await two.find("group") == {"a": b"1", "b": b"2"}
    await asyncio.sleep(0.01)
    assert await two.put("group", "a", b"later", 60)
    assert (await one.find("group"))["a"] == b"later", "it has an earlier one of its own"
    await one.remove("group", "b")
    assert set(await one.find("group")) == {"a"}


async def test_groups_are_apart_in_redis(valkey: Server, host: Host) -> None:
    """Also from what else is kept there under the same name."""
    one, two = host(), host()
    before = set(valkey.client.keys())
    assert await one.put("a group", "a", b"1", 60)
    assert await one.put("another", "b", b"2", 60)
    assert await two.find("a group") == {"a": b"1"}
    assert await two.find("another") == {"b": b"2"}
    assert await two.find("") == {}
    names = set(valkey.client.keys()) - before
    assert len(names) == 2
    assert all(b":records:" in name and b"group" not in name for name in names)


async def test_the_later_of_two_records_counts(host: Host, pair: list[Server]) -> None:
    """A host has one of its own from the time without Redis; that of another host is later, or earlier."""
    one, two = host(pair[0]), host(pair[0])
    assert await two.put("group", "a", b"earlier", 60)
    pair[0].stop()
    assert await one.put("group", "a", b"later", 120)
    assert await one.find("group") == {"a": b"later"}
    pair[0].start()
    await asyncio.sleep(1.1)  # seconds without calls after a failure
    assert await two.put("group", "a", b"earlier", 60)
    assert await one.find("group") == {"a": b"later"}
    assert await two.put("group", "a", b"the last", 600)
    assert await one.find("group") == {"a": b"the last"}


async def test_a_record_without_redis_ends(host: Host, pair: list[Server]) -> None:
    """Its time counts from when it was stored, also for other hosts' records that are compared with it."""
    one = host(pair[0])
    pair[0].stop()
    assert await one.put("group", "a", b"1", 0.3)
    assert await one.put("group", "b", b"2", 60)
    await asyncio.sleep(0.35)
    assert await one.find("group") == {"b": b"2"}


@pytest.mark.parametrize("ahead", [-3600, 3600])
async def test_clocks_of_hosts_may_differ(ahead: float, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The later record counts, and each one for as long as it was stored for, by the clock of the server."""
    one, two, now = host(), host(), time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    assert await one.put("group", "a", b"1", 60)
    monkeypatch.undo()
    assert await two.find("group") == {"a": b"1"}
    await asyncio.sleep(0.01)
    assert await two.put("group", "a", b"later", 60)
    assert await one.find("group") == {"a": b"later"}


async def test_records_in_redis_end(valkey: Server, host: Host) -> None:
    one, two = host(), host()
    before = set(valkey.client.keys())
    await one.put("group", "a", b"1", 0.5)
    await one.put("group", "b", b"1", 60)
    (name,) = set(valkey.client.keys()) - before
    assert 0 < valkey.client.pttl(name) <= 60_000
    await asyncio.sleep(0.6)
    assert set(await two.find("group")) == {"b"}


async def test_what_others_write_is_no_record(valkey: Server, host: Host) -> None:
    one, two = host(), host()
    before = set(valkey.client.keys())
    await one.put("group", "a", b"1", 60)
    (name,) = set(valkey.client.keys()) - before
    sealed = valkey.client.hget(name, "a")
    valkey.client.hset(name, mapping={"b": sealed, "c": b"", "d": b"x" * 99, b"\xff": sealed})
    assert await two.find("group") == {"a": b"1"}
    valkey.client.set(name, "text")
    assert await two.find("group") == {}
    assert await one.find("group") == {"a": b"1"}


async def test_a_redis_that_has_lost_a_record_ends_none_on_its_host(host: Host, pair: list[Server]) -> None:
    """It was restarted without its data; one that still has them says which have been removed."""
    one, two = host(pair[0]), host(pair[0])
    assert await one.put("group", "a", b"1", 60)
    assert await one.put("group", "b", b"2", 60)
    await two.remove("group", "b")
    assert await one.find("group") == {"a": b"1"}
    pair[0].stop()
    pair[0].start()
    await asyncio.sleep(1.1)  # seconds without calls after a failure
    assert (await one.find("group"))["a"] == b"1"
    assert await two.find("group") == {}
    await one.remove("group", "a")
    assert "a" not in await one.find("group")


async def test_records_do_not_wait_for_a_redis_that_is_back(host: Host, pair: list[Server]) -> None:
    """Caches leave Redis alone for a second after a failure; what is put or removed has to reach it."""
    one, two = host(pair[0]), host(pair[0])
    for change, expected in (
        (lambda: one.put("group", "a", b"1", 60), {"a": b"1", "b": b"2"}),
        (lambda: one.remove("group", "b"), {}),
    ):
        pair[0].stop()
        await one.find("group")
        pair[0].start()
        await two.put("group", "b", b"2", 60)
        await change()
        assert await two.find("group") == expected


async def test_without_redis_each_host_has_its_own(host: Host, pair: list[Server]) -> None:
    one, two = host(pair[0]), host(pair[0])
    pair[0].stop()
    assert await one.put("group", "a", b"1", 60)
    assert await one.find("group") == {"a": b"1"}
    assert await two.find("group") == {}
    await one.remove("group", "a")
    assert await one.find("group") == {}
