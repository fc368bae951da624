"""Token buckets over memory, over memory that workers share, and over Redis: one suite."""

import asyncio
import multiprocessing
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from multiprocessing.context import ForkContext

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from support.cached import Clock
from support.valkey import Server

from proxy.cache import (
    Bucket,
    Limit,
    Purpose,
    Refusal,
    SharedCells,
    SharedTokenBuckets,
    Ticket,
    create_token_cells,
)
from proxy.cache.redis_limits import RedisTokenBuckets
from proxy.cache.redis_store import RedisStore
from proxy.cache.shared_cells import CellsLockedError

FORK: ForkContext = multiprocessing.get_context("fork")


def bucket(key: str = "a", tokens: int = 3, within: float = 600, name: str = "per_number") -> Bucket:
    return Bucket(Purpose.CALLS, name, key, Limit(tokens, within))


def takes(buckets: SharedTokenBuckets, *wanted: Bucket) -> bool:
    return isinstance(buckets.take_now(*wanted), Ticket)


@given(
    tokens=st.integers(1, 70),
    pauses=st.lists(st.floats(0, 40), min_size=20, max_size=200),
    returned=st.sets(st.integers(0, 200)),
)
def test_no_stretch_of_time_sees_more_takes_than_tokens(
    tokens: int, pauses: Sequence[float], returned: set[int]
) -> None:
    """However takes are spread; a token that is given back is as if it had not been taken."""
    clock = Clock()
    buckets, limit = SharedTokenBuckets(clock=clock), bucket(tokens=tokens, within=100)
    taken: list[float] = []
    for number, pause in enumerate(pauses):
        clock.now += pause
        ticket = buckets.take_now(limit)
        recent = [at for at in taken if at + 100 > clock.now]
        if isinstance(ticket, Refusal):
            assert 0 < ticket.seconds <= 100
            # Up to twenty tokens are told apart: none of them is held back
            assert len(recent) == tokens or tokens > 20
        elif number in returned:
            buckets.give_back_now(ticket)
        else:
            taken.append(clock.now)
            assert len(recent) < tokens


def test_a_refusal_says_when_there_is_a_token_again() -> None:
    clock = Clock()
    buckets = SharedTokenBuckets(clock=clock)
    for _ in range(3):
        assert takes(buckets, bucket())
        clock.now += 10
    refusal = buckets.take_now(bucket())
    assert refusal == Refusal(bucket(), 570)
    clock.now += 569
    assert not takes(buckets, bucket())
    clock.now += 1
    assert takes(buckets, bucket())
    assert not takes(buckets, bucket())


def test_many_tokens_may_be_taken_at_once() -> None:
    buckets = SharedTokenBuckets(clock=Clock())
    assert [takes(buckets, bucket(tokens=1000)) for _ in range(1001)] == [True] * 1000 + [False]


def test_all_buckets_or_none() -> None:
    buckets = SharedTokenBuckets(clock=Clock())
    few, many = bucket("few", 1), bucket("many", 3, name="per_peer")
    assert takes(buckets, few, many)
    for _ in range(5):
        assert buckets.take_now(many, few) == Refusal(few, 600)
    assert [takes(buckets, many) for _ in range(3)] == [True, True, False]


def test_a_limit_that_is_lowered_counts_what_was_taken() -> None:
    buckets = SharedTokenBuckets(clock=Clock())
    assert all(takes(buckets, bucket(tokens=10)) for _ in range(5))
    assert not takes(buckets, bucket(tokens=5))
    assert takes(buckets, bucket(tokens=6))


def test_a_limit_that_is_shortened_counts_from_now_on() -> None:
    """What was taken comes back within the time that is valid now; its ticket gives back no other token."""
    clock = Clock()
    buckets = SharedTokenBuckets(clock=clock)
    long, short = (bucket(tokens=2, within=within) for within in (86_400, 10))
    ticket = buckets.take_now(long)
    assert isinstance(ticket, Ticket)
    assert takes(buckets, long)
    refused = buckets.take_now(short)
    assert isinstance(refused, Refusal)
    assert refused.seconds == 10
    clock.now += 10
    assert takes(buckets, short)
    assert takes(buckets, short)
    buckets.give_back_now(ticket)
    assert not takes(buckets, short)


def test_names_keys_and_purposes_are_apart() -> None:
    buckets = SharedTokenBuckets(clock=Clock())
    one = bucket("1", 1)
    others = [one, one._replace(key="2"), one._replace(name="n"), one._replace(purpose=Purpose.CODES)]
    assert all(takes(buckets, each) for each in others)
    assert not any(takes(buckets, each) for each in others)


def test_no_flood_of_keys_brings_fresh_tokens() -> None:
    """A full table refuses; it forgets nothing, and other purposes have room."""
    clock = Clock()
    buckets = SharedTokenBuckets(SharedCells(len(Purpose), 16, 320), clock)
    mine = bucket("mine")
    while takes(buckets, mine):
        pass
    results = [takes(buckets, bucket(f"{number}", 1)) for number in range(5000)]
    assert results.count(True) == 16 * 8 - 1
    assert not takes(buckets, mine)
    assert takes(buckets, mine._replace(purpose=Purpose.LOGINS))
    clock.now += 600
    assert takes(buckets, mine)
    assert takes(buckets, bucket("0", 1))


def test_what_is_given_back_leaves_room() -> None:
    buckets = SharedTokenBuckets(SharedCells(len(Purpose), 1, 320), Clock())
    for number in range(100):
        ticket = buckets.take_now(bucket(str(number)))
        assert isinstance(ticket, Ticket)
        buckets.give_back_now(ticket)


def test_a_token_that_came_back_by_itself_is_not_given_back_again() -> None:
    clock = Clock()
    buckets = SharedTokenBuckets(clock=clock)
    one = bucket(tokens=1, within=10)
    late = buckets.take_now(one)
    clock.now += 10
    assert takes(buckets, one)
    assert isinstance(late, Ticket)
    buckets.give_back_now(late)
    assert not takes(buckets, one)


def test_whether_a_bucket_is_empty_is_known_without_taking() -> None:
    clock = Clock()
    buckets, login = SharedTokenBuckets(clock=clock), bucket(tokens=2)._replace(purpose=Purpose.LOGINS)
    for _ in range(2):
        assert (buckets.seconds_left(login), buckets.may_refuse(Purpose.LOGINS)) == (0, False)
        assert takes(buckets, login)
        clock.now += 1
    assert (buckets.seconds_left(login), buckets.may_refuse(Purpose.LOGINS)) == (598, True)
    assert (buckets.seconds_left(login._replace(key="b")), buckets.may_refuse(Purpose.CALLS)) == (0, False)
    clock.now += 598
    assert (buckets.seconds_left(login), buckets.may_refuse(Purpose.LOGINS)) == (0, False)
    buckets.exhaust(login, 60)
    assert (buckets.seconds_left(login), buckets.may_refuse(Purpose.LOGINS)) == (60, True)


def test_neither_keys_nor_credentials_are_stored() -> None:
    cells = create_token_cells()
    buckets = SharedTokenBuckets(cells, Clock())
    for _ in range(3):
        takes(
            buckets, bucket("+14158675309"), bucket("AC309475e5fede1b49e100272a8640f438", name="per_account")
        )
    held = b"".join(bytes(cells.contents(cell)) for cell in range(len(cells.until)))
    assert any(held)
    assert not any(text in held for text in (b"4158675309", b"AC3094", b"per_"))


# Processes


def take_often(cells: SharedCells, times: int, results: "multiprocessing.Queue[int]") -> None:
    buckets = SharedTokenBuckets(cells, time.monotonic)
    results.put(sum(takes(buckets, bucket(tokens=50), bucket("b", 1000)) for _ in range(times)))


def test_takes_are_exact_over_processes() -> None:
    cells, results = create_token_cells(), FORK.Queue()
    workers = [FORK.Process(target=take_often, args=(cells, 200, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert sum(results.get(timeout=30) for _ in workers) == 50
    for worker in workers:
        worker.join(30)


@contextmanager
def holding_the_lock(cells: SharedCells) -> Iterator[int]:
    """Run a process that holds the lock for ever; yields its process id."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with cells.locked():
            os.write(writer, b"!")
            signal.pause()
        os._exit(0)
    try:
        assert os.read(reader, 1) == b"!"
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)


def test_a_worker_that_holds_the_lock_stops_nothing_but_calls() -> None:
    cells = create_token_cells()
    buckets = SharedTokenBuckets(cells, time.monotonic)
    ticket = buckets.take_now(bucket())
    assert isinstance(ticket, Ticket)
    with holding_the_lock(cells) as pid:
        os.kill(pid, signal.SIGSTOP)
        assert isinstance(buckets.take_now(bucket()), Refusal)
        buckets.give_back_now(ticket)
        buckets.exhaust(bucket(), 5)
        with pytest.raises(CellsLockedError), cells.locked():
            pass
    assert [takes(buckets, bucket()) for _ in range(3)] == [True, True, False]


def test_a_lock_that_is_held_for_long_is_waited_for_once() -> None:
    """Two hundred waits of fifty milliseconds would stop the event loop for ten seconds."""
    cells = create_token_cells()
    buckets = SharedTokenBuckets(cells, time.monotonic)
    with holding_the_lock(cells):
        assert isinstance(buckets.take_now(bucket()), Refusal)
        begun = time.monotonic()
        assert not any(takes(buckets, bucket()) for _ in range(200))
        assert time.monotonic() - begun < 5, "each take waits"
    assert takes(buckets, bucket())


def test_a_worker_that_is_killed_leaves_no_lock() -> None:
    cells = create_token_cells()
    with holding_the_lock(cells):
        pass
    assert takes(SharedTokenBuckets(cells, time.monotonic), bucket())


# Redis


Host = Callable[..., RedisTokenBuckets]


@pytest_asyncio.fixture
async def host(valkey: Server) -> AsyncIterator[Host]:
    """Yield what returns the buckets of one more host; all share a secret."""
    secret = secrets.token_bytes()
    async with AsyncExitStack() as stack:

        def create(hosts: int = 2, timeout: float = 5, server: Server = valkey) -> RedisTokenBuckets:
            store = RedisStore.at(server.url, secret, timeouts=(timeout, timeout))
            stack.push_async_callback(store.close)
            return RedisTokenBuckets(store.pipeline, secret, SharedTokenBuckets(), hosts)

        yield create


async def taken(buckets: RedisTokenBuckets, *wanted: Bucket) -> bool:
    return isinstance(await buckets.take(*wanted), Ticket)


async def test_hosts_count_together(host: Host) -> None:
    hosts = [host() for _ in range(3)]
    results = await asyncio.gather(*(taken(each, bucket(tokens=5), bucket("x", 50)) for each in hosts * 10))
    assert results.count(True) == 5
    refusal = await hosts[0].take(bucket("x", 50), bucket(tokens=5))
    assert isinstance(refusal, Refusal)
    assert refusal.bucket == bucket(tokens=5)
    assert 590 < refusal.seconds <= 600
    assert [await taken(hosts[1], bucket("x", 6)) for _ in range(2)] == [True, False], (
        "five were taken with it"
    )


async def test_names_keys_and_purposes_are_apart_in_redis(host: Host) -> None:
    one, two = host(), host()
    first = bucket("a", 1)
    assert await taken(one, first)
    assert not await taken(two, first)
    assert await taken(two, bucket("b", 1))
    assert await taken(two, bucket("a", 1, name="per_account"))
    assert await taken(two, first._replace(purpose=Purpose.CODES))


async def test_tokens_come_back_and_are_given_back(host: Host) -> None:
    one, two = host(), host()
    short = bucket(tokens=1, within=1)
    assert await taken(one, short)
    assert not await taken(two, short)
    await asyncio.sleep(1.05)
    ticket = await two.take(short)
    assert isinstance(ticket, Ticket)
    await two.give_back(ticket)
    assert await taken(one, short)


async def test_redis_holds_digests_that_end(valkey: Server, host: Host) -> None:
    before = set(valkey.client.keys())
    assert await taken(host(), bucket("+14158675309"), bucket("AC1", name="per_account", within=60))
    names = set(valkey.client.keys()) - before
    assert len(names) == 2
    assert not any(b"8675309" in name or b"AC1" in name for name in names)
    assert all(0 < valkey.client.pttl(name) <= 600_000 for name in names)


async def test_an_emptied_redis_brings_no_fresh_tokens_to_a_host(pair: list[Server], host: Host) -> None:
    server = pair[0]
    one = host(server=server)
    assert [await taken(one, bucket()) for _ in range(4)] == [True] * 3 + [False]
    server.client.flushall()
    assert not await taken(one, bucket())


async def test_without_redis_hosts_have_their_share(host: Host, pair: list[Server]) -> None:
    """A third of ten for each of three hosts; of three for five hosts nothing is left."""
    server = pair[0]
    hosts, many = [host(3, server=server) for _ in range(3)], host(5, server=server)
    server.stop()
    results = [[await taken(each, bucket(tokens=10)) for _ in range(6)] for each in hosts]
    assert [each.count(True) for each in results] == [3, 3, 3]
    refused = await many.take(bucket("first", tokens=50), bucket(tokens=3))
    assert isinstance(refused, Refusal)
    assert (refused.bucket.key, refused.bucket.limit.tokens) == ("a", 0)
    assert 0 < refused.seconds <= 60
    server.start()
    async with asyncio.timeout(20):
        while not await taken(hosts[0], bucket("again")):
            await asyncio.sleep(0.1)
    assert not await taken(hosts[0], bucket(tokens=3)), "it remembers its own"


async def test_a_lock_out_of_another_host_is_known(host: Host) -> None:
    one, two = host(), host()
    login = Bucket(Purpose.LOGINS, "peer", "192.0.2.1", Limit(2, 60))
    assert [await taken(one, login) for _ in range(2)] == [True, True]
    assert (two.seconds_left(login), two.may_refuse(Purpose.LOGINS)) == (0, False)
    assert not await taken(two, login)
    assert two.may_refuse(Purpose.LOGINS)
    assert 50 < two.seconds_left(login) <= 60


async def test_a_frozen_redis_delays_nothing(valkey: Server, host: Host) -> None:
    one = host(timeout=0.05)
    assert await taken(one, bucket(tokens=4))
    with valkey.frozen():
        assert [await taken(one, bucket(tokens=4)) for _ in range(3)] == [True, False, False]


async def test_what_others_write_refuses_for_no_longer_than_the_limit(valkey: Server, host: Host) -> None:
    """Of another type it is removed; tokens of the far future are those of a clock that has gone back."""
    one, two = host(), host(4)
    before = set(valkey.client.keys())
    assert await taken(one, bucket())
    (name,) = set(valkey.client.keys()) - before
    valkey.client.set(name, "text")
    assert await taken(two, bucket())
    assert valkey.client.type(name) == b"zset"
    for score in ("inf", 1e300, (time.time() + 86_400) * 1000):
        valkey.client.delete(name)
        valkey.client.zadd(name, dict.fromkeys("abc", score))
        refused = await two.take(bucket())
        assert isinstance(refused, Refusal)
        assert 0 < refused.seconds <= bucket().limit.within


@pytest.mark.parametrize("loses", [False, True])
async def test_what_was_taken_without_redis_counts_afterwards(
    loses: bool, host: Host, pair: list[Server]
) -> None:
    """Redis is frozen, or restarted without its data; then what did not happen after all does not count."""
    server = pair[0]
    one, two = host(timeout=0.2, server=server), host(timeout=0.2, server=server)
    wanted = bucket("outage", 6), bucket("outage account", 50, name="per_account")
    with server.frozen():
        assert [await taken(one, *wanted) for _ in range(4)] == [True] * 3 + [False]
        assert await taken(two, *wanted)
        if loses:
            ticket = await two.take(*wanted)
            assert isinstance(ticket, Ticket)
            await two.give_back(ticket)
    if loses:
        server.stop()
        server.start()
    async with asyncio.timeout(20):
        while [server.client.zcard(name) >= 4 for name in server.client.keys("*:tokens:*")] != [True] * 2:
            await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    results = [await taken(each, *wanted) for each in (one, two) * 6]
    if loses:
        assert results.count(True) == 2
    else:  # a take that was refused without Redis may be counted by it afterwards
        assert results.count(True) <= 2


async def test_takes_are_told_once_and_end(host: Host, pair: list[Server]) -> None:
    """What Redis is told of ends when its tokens come back; afterwards nothing is told any more."""
    server = pair[0]
    one = host(timeout=0.2, server=server)
    with server.frozen():
        assert await taken(one, bucket("told", 6, within=30))
    async with asyncio.timeout(20):
        while not (names := server.client.keys("*:tokens:*")):
            await asyncio.sleep(0.1)
    (name,) = names
    assert 0 < server.client.pttl(name) <= 30_000
    await asyncio.sleep(1.5)
    before = evaluations(server)
    await asyncio.sleep(2.5)
    assert evaluations(server) == before


def evaluations(server: Server) -> int:
    """Return how many scripts the server has carried out."""
    return int(server.client.info("commandstats").get("cmdstat_eval", {}).get("calls", 0))
