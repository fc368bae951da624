"""Cached lists over every store: their TTL, their callers, and invalidation by writes."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cached import (
    ALICE,
    OTHER_ACCOUNT,
    OTHER_SID,
    OTHER_TOKEN,
    OTHERS,
    Clock,
    Lists,
    Shared,
    Upstream,
    Value,
    ask,
    get_or_load,
    known,
    loader,
    settle,
)
from support.examples import examples

from proxy.cache import CachePolicy, GenerationTable, ListCache, SharedMemoryStore, derive_key, derive_owner
from proxy.errors import DECLINED, UNAUTHENTICATED, LegacyError
from proxy.model import Account, Credentials

# TTL


async def test_one_listing_serves_for_the_ttl(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    for passed, listings in ((0, 1), (4.9, 1), (0.1, 2), (4.9, 2), (0.1, 3)):
        shared.pass_time(passed)
        await ask(lists, ALICE, upstream)
        await lists.finish_background()
        assert upstream.listings == listings


async def test_a_cached_list_ages_from_the_start_of_its_listing(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    upstream.released.clear()
    asked = asyncio.create_task(ask(lists, ALICE, upstream))
    await upstream.wait_for_listings(1)
    shared.pass_time(4)
    upstream.released.set()
    await asked
    await lists.finish_background()
    shared.pass_time(1)
    assert await known(lists, ALICE) is None


async def test_a_ttl_of_zero_disables_cache_and_single_flight(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache(fresh=0)
    await asyncio.gather(*(ask(lists, ALICE, upstream) for _ in range(3)))
    await ask(lists, ALICE, upstream)
    assert upstream.listings == 4


async def test_a_listing_older_than_the_ttl_is_not_joined(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    upstream.released.clear()
    early = asyncio.create_task(ask(lists, ALICE, upstream))
    await upstream.wait_for_listings(1)
    shared.pass_time(5)
    late = asyncio.create_task(ask(lists, ALICE, upstream))
    await upstream.wait_for_listings(2)
    upstream.released.set()
    await asyncio.gather(early, late)


async def test_a_stale_list_is_served_while_it_is_refreshed(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache(stale=4)
    await ask(lists, ALICE, upstream)
    await lists.finish_background()
    upstream.text = "new"
    upstream.released.clear()
    shared.pass_time(6)
    assert {(await ask(lists, ALICE, upstream)).text for _ in range(5)} == {"old"}
    await upstream.wait_for_listings(2)
    upstream.released.set()
    await lists.finish_background()
    assert (await ask(lists, ALICE, upstream)).text == "new"
    assert upstream.listings == 2
    shared.pass_time(9)
    await ask(lists, ALICE, upstream)
    assert upstream.listings == 3


async def test_finding_a_stale_list_refreshes_it(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache(stale=4)
    await ask(lists, ALICE, upstream)
    await lists.finish_background()
    upstream.text = "new"
    shared.pass_time(6)
    view = await lists.view(derive_owner(ALICE))
    found = await view.find(derive_key(ALICE), loader(upstream.read_list))
    await lists.finish_background()
    assert found == Value("old")
    assert await known(lists, ALICE) == "new"


async def test_a_listing_gets_the_previous_list_even_if_expired(
    shared: Shared,
) -> None:
    lists = shared.open_cache()
    told: list[Value | None] = []

    async def read_list(last: Value | None) -> Value:
        told.append(last)
        return Value(str(len(told)))

    async def read_and_write(last: Value | None) -> Value:
        async with lists.invalidating(derive_owner(ALICE)):
            return await read_list(last)

    for each in (read_list, read_and_write, read_list):
        await get_or_load(lists, ALICE, load=each)
        await lists.finish_background()
        shared.pass_time(5)
    assert told == [None, Value("1"), Value("2")]


async def test_an_older_listing_replaces_no_newer_list(shared: Shared) -> None:
    upstream, late, lists = Upstream(), Upstream(), shared.open_cache()
    late.text = "new"
    upstream.released.clear()
    asked = asyncio.create_task(ask(lists, ALICE, upstream))
    await upstream.wait_for_listings(1)
    shared.pass_time(6)
    await ask(lists, ALICE, late)
    upstream.released.set()
    assert (await asked).text == "old"
    assert await known(lists, ALICE) == "new"


async def test_a_write_drops_stale_lists(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache(stale=60)
    await ask(lists, ALICE, upstream)
    shared.pass_time(6)
    async with shared.open_cache(1).invalidating(derive_owner(ALICE)):
        upstream.text = "new"
    assert (await ask(lists, ALICE, upstream)).text == "new"


@pytest.mark.parametrize(("fault", "left"), [(DECLINED, "old"), (UNAUTHENTICATED, None)])
async def test_a_failed_refresh_keeps_the_stale_list_unless_unauthenticated(
    shared: Shared, fault: Any, left: str | None
) -> None:
    upstream, lists = Upstream(), shared.open_cache(stale=60)
    await ask(lists, ALICE, upstream)
    shared.pass_time(6)

    async def fail(_: Value | None) -> Value:
        raise LegacyError(fault)

    await get_or_load(lists, ALICE, load=fail)
    await lists.finish_background()
    assert await known(lists, ALICE) == left


# Callers


@pytest.mark.parametrize(
    "other",
    [*OTHERS, OTHER_SID],
    ids=["token", "name", "account", "upstream", "sid"],
)
async def test_no_other_caller_is_shown_the_list(shared: Shared, other: Account) -> None:
    upstream = Upstream()
    await ask(shared.open_cache(), ALICE, upstream)
    for which in (0, 1):
        assert await known(shared.open_cache(which), other) is None
    await ask(shared.open_cache(), other, upstream)
    assert upstream.listings == 2


def test_a_key_holds_no_token() -> None:
    assert "token" not in repr(derive_key(ALICE))


def test_bytes_that_are_not_text_have_a_key() -> None:
    """Environment variables may contain any bytes, which Python reads as lone surrogates."""
    accounts = [
        Account("AC1", upstream_id, Credentials(username, password), "vendor")
        for upstream_id, username, password in itertools.product(("\udcfe", "\udcff"), repeat=3)
    ]
    assert len({derive_key(account).credential for account in accounts}) == 4
    assert len({derive_owner(account).slot for account in accounts}) == 2


# Refusals


@pytest.mark.parametrize("which", [0, 1])
async def test_lists_of_refused_credentials_are_dropped(shared: Shared, which: int) -> None:
    upstream, workers = Upstream(), [shared.open_cache(each) for each in (0, 1)]
    everything = [(caller, what) for caller in (ALICE, *OTHERS) for what in ((), ("a filter",))]
    for lists in workers:
        for caller, what in everything:
            await ask(lists, caller, upstream, *what)
        await lists.finish_background()
    workers[which].revoke(derive_key(ALICE, "another"))
    for lists in workers:
        found = {(caller, what) for caller, what in everything if await known(lists, caller, *what) is None}
        assert found == {(ALICE, ()), (ALICE, ("a filter",))}
        assert lists.peek(derive_key(ALICE)) is None
        if not shared.stores[0].saves_lists:
            assert all(lists.peek(derive_key(caller)) for caller in OTHERS)


async def test_a_refusal_covers_every_account_of_the_credential(shared: Shared) -> None:
    lists = shared.open_cache()
    await ask(lists, OTHER_SID, Upstream())
    lists.revoke(derive_key(ALICE))
    assert await known(lists, OTHER_SID) is None


async def test_lists_read_after_a_refusal_are_shown(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    lists.revoke(derive_key(ALICE))
    shared.pass_time(0.001)
    await ask(lists, ALICE, upstream)
    assert await known(lists, ALICE) == "old"
    assert shared.stores[0].saves_lists or lists.peek(derive_key(ALICE))


@pytest.mark.parametrize("which", [0, 1])
async def test_a_listing_from_before_a_refusal_serves_only_its_own_requests(
    shared: Shared, which: int
) -> None:
    upstream, workers = Upstream(), [shared.open_cache(each) for each in (0, 1)]
    upstream.released.clear()
    before = asyncio.create_task(ask(workers[0], ALICE, upstream))
    await upstream.wait_for_listings(1)
    shared.pass_time(1)
    workers[which].revoke(derive_key(ALICE))
    shared.pass_time(1)
    upstream.text = "new"
    after = asyncio.create_task(ask(workers[0], ALICE, upstream))
    await upstream.wait_for_listings(2)
    upstream.released.set()
    assert ((await before).text, (await after).text) == ("old", "new")
    await workers[0].finish_background()
    assert await known(workers[0], ALICE) == "new"


@pytest.mark.parametrize("which", [0, 1])
async def test_a_listing_from_before_a_refusal_is_not_cached(shared: Shared, which: int) -> None:
    upstream, workers = Upstream(), [shared.open_cache(each) for each in (0, 1)]
    upstream.released.clear()
    before = asyncio.create_task(ask(workers[0], ALICE, upstream))
    await upstream.wait_for_listings(1)
    workers[which].revoke(derive_key(ALICE))
    upstream.released.set()
    await before
    await workers[0].finish_background()
    assert [await known(lists, ALICE) for lists in workers] == [None, None]


# Single-flight


async def test_equal_requests_share_a_listing(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    upstream.released.clear()
    asked = [asyncio.create_task(ask(lists, ALICE, upstream)) for _ in range(32)]
    await upstream.wait_for_listings(1)
    await settle()
    upstream.released.set()
    assert {value.text for value in await asyncio.gather(*asked)} == {"old"}
    assert upstream.listings == 1


async def test_a_disconnect_does_not_cancel_a_shared_listing(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    upstream.released.clear()
    first, second = (asyncio.create_task(ask(lists, ALICE, upstream)) for _ in range(2))
    await upstream.wait_for_listings(1)
    await settle()
    first.cancel()
    await settle()
    upstream.released.set()
    assert (await second).text == "old"
    assert (upstream.listings, first.cancelled()) == (1, True)


async def test_a_listing_without_waiters_is_cancelled_and_not_joined(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    upstream.released.clear()
    first = asyncio.create_task(ask(lists, ALICE, upstream))
    await upstream.wait_for_listings(1)
    first.cancel()
    await asyncio.sleep(0)
    late = asyncio.create_task(ask(lists, ALICE, upstream))
    await upstream.wait_for_listings(2)
    assert upstream.ended == 1
    upstream.released.set()
    assert (await late).text == "old"


async def test_a_failure_reaches_all_waiters_and_is_not_cached(shared: Shared) -> None:
    lists, upstream = shared.open_cache(), Upstream()

    async def fail(_: Value | None) -> Value:
        await settle()
        raise LookupError

    asking = (get_or_load(lists, ALICE, load=fail) for _ in range(3))
    asked = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in asked] == [LookupError] * 3
    assert (await ask(lists, ALICE, upstream)).text == "old"


# Writes


@pytest.mark.parametrize("writer", [ALICE, OTHER_TOKEN, OTHER_SID])
@pytest.mark.parametrize("which", [0, 1])
async def test_a_write_with_any_credentials_invalidates(shared: Shared, writer: Account, which: int) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    await ask(lists, ALICE, upstream)
    async with shared.open_cache(which).invalidating(derive_owner(writer)):
        pass
    assert lists.peek(derive_key(ALICE)) is None
    assert await known(lists, ALICE) is None


async def test_a_failed_write_invalidates(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    await ask(lists, ALICE, upstream)
    with pytest.raises(LookupError):
        async with lists.invalidating(derive_owner(ALICE)):
            raise LookupError
    assert await known(lists, ALICE) is None


@pytest.mark.parametrize("which", [0, 1])
async def test_a_listing_that_overlaps_a_write_serves_only_its_own_requests(
    shared: Shared, which: int
) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    upstream.released.clear()
    before = asyncio.create_task(ask(lists, ALICE, upstream))
    await upstream.wait_for_listings(1)
    async with shared.open_cache(which).invalidating(derive_owner(ALICE)):
        upstream.text = "new"
    after = asyncio.create_task(ask(lists, ALICE, upstream))
    await upstream.wait_for_listings(2)
    upstream.released.set()
    assert ((await before).text, (await after).text) == ("old", "new")
    assert await known(lists, ALICE) == "new"


async def test_a_list_read_during_a_write_is_not_shown_after_it(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache()
    async with shared.open_cache(1).invalidating(derive_owner(ALICE)):
        assert (await ask(lists, ALICE, upstream)).text == "old"
        upstream.text = "new"
    assert (await ask(lists, ALICE, upstream)).text == "new"


async def test_no_list_is_cached_while_a_call_may_change_it(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache(fresh=60)
    async with shared.open_cache(1).invalidating(derive_owner(ALICE), unsettled_for=600):
        pass
    for passed, listings in ((0, 1), (1, 2), (569, 3), (31, 4), (1, 4)):
        shared.pass_time(passed)
        await ask(lists, ALICE, upstream)
        await lists.finish_background()
        assert upstream.listings == listings
    await ask(lists, OTHER_ACCOUNT, upstream)
    assert await known(lists, OTHER_ACCOUNT) == "old"


# Memory


async def test_memory_is_bounded_by_bytes(shared: Shared) -> None:
    lists = shared.open_cache(size=10_000)

    async def large(_: Value | None) -> Value:
        return Value(nbytes=3000)

    async def too_large(_: Value | None) -> Value:
        return Value(nbytes=10_000)

    async def read_list(name: str, read_list: Any) -> None:
        await get_or_load(lists, ALICE, name, load=read_list)

    def are_cached() -> Sequence[bool]:
        return [derive_key(ALICE, name) in lists for name in names]

    names = [str(number) for number in range(5)]
    for name in names:
        await read_list(name, large)
    assert are_cached() == [False, False, False, True, True]
    await read_list("another", too_large)
    assert are_cached() == [False, False, False, True, True]


# Without awaiting


async def test_peek_answers_from_memory_alone(shared: Shared) -> None:
    upstream, lists = Upstream(), shared.open_cache(stale=5)
    assert lists.peek(derive_key(ALICE)) is None
    value = await ask(lists, ALICE, upstream)
    others_may_have_written = shared.stores[0].saves_lists
    assert lists.peek(derive_key(ALICE)) is (None if others_may_have_written else value)
    assert lists.peek(derive_key(OTHER_TOKEN)) is None
    shared.pass_time(5)
    assert lists.peek(derive_key(ALICE)) is None


async def test_a_workers_death_invalidates() -> None:
    counters, upstream = GenerationTable(workers=2), Upstream()
    lists: Lists = ListCache(Value, CachePolicy(60, 0, 100_000), SharedMemoryStore(counters, 0))
    for dead in (0, 1, 1):
        await ask(lists, ALICE, upstream)
        counters.advance_all(dead)
        assert await known(lists, ALICE) is None


def test_a_dead_workers_row_alone_is_advanced() -> None:
    """Workers that live advance their own rows: of two increments of one row, one could be lost."""
    counters, slot = GenerationTable(workers=3), derive_owner(ALICE).slot % 65_536
    counters.advance_all(1)
    assert [counters.counts[row + slot] > 0 for row in counters.rows] == [False, True, False]


# Any order


class History:
    """Listings that begin, end and are cancelled between writes, and the least version for each request."""

    def __init__(self) -> None:
        clock, counters = Clock(), GenerationTable(workers=2)
        self.lists: list[Lists] = [
            ListCache(Value, CachePolicy(5, 5, 100_000), SharedMemoryStore(counters, each, clock), clock)
            for each in (0, 1)
        ]
        self.clock = clock
        self.written = {"up1": 0, "up2": 0}
        self.gates: list[asyncio.Event] = []
        self.asked: list[tuple[asyncio.Task[Value], str, int]] = []

    async def ask(self, caller: Account, which: int) -> None:
        async def read_list(_: Value | None) -> Value:
            text, gate = f"{caller.upstream_id}={self.written[caller.upstream_id]}", asyncio.Event()
            self.gates.append(gate)
            await gate.wait()
            return Value(text)

        async def asked() -> Value:
            return await get_or_load(self.lists[which], caller, load=read_list)

        self.asked.append(
            (asyncio.create_task(asked()), caller.upstream_id, self.written[caller.upstream_id])
        )

    async def write(self, caller: Account, which: int) -> None:
        async with self.lists[which].invalidating(derive_owner(caller)):
            self.written[caller.upstream_id] += 1
            await settle()

    async def end(self, number: int) -> None:
        for gate in self.gates[number : number + 1]:
            gate.set()

    async def cancel(self, number: int) -> None:
        for task, *_ in self.asked[number : number + 1]:
            task.cancel()

    async def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    async def finish(self) -> None:
        while not all(task.done() for task, *_ in self.asked):
            for gate in self.gates:
                gate.set()
            await settle()


CALLERS = st.sampled_from([ALICE, OTHER_TOKEN, OTHER_ACCOUNT])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ask", "ask", "write"]), CALLERS, st.integers(0, 1)),
        st.tuples(st.sampled_from(["end", "cancel", "wait"]), st.integers(0, 6)),
    ),
    max_size=30,
)


@given(STEPS)
@examples(300)
def test_no_stale_read_after_a_write_in_any_order(steps: list[tuple[Any, ...]]) -> None:
    """A request after a write gets at least that version, and no other account's."""

    async def replay() -> None:
        history = History()
        for kind, *what in steps:
            await getattr(history, kind)(*what)
            await settle()
        await history.finish()
        for task, account, least in history.asked:
            if not task.cancelled():
                owner, value = task.result().text.split("=")
                assert owner == account
                assert int(value) >= least

    asyncio.run(replay())
