"""What is remembered: for how long, for whom, and never across a write."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model import Account, Credentials
from proxy.snapshots import Generations, Snapshots, key_of

ALICE = Account("AC1", "up1", Credentials("AC1", "token"), "vendor")
OTHER_TOKEN = replace(ALICE, credentials=Credentials("AC1", "other"))
OTHER_NAME = replace(ALICE, credentials=Credentials("AC1t", "oken"))
OTHER_ACCOUNT = replace(ALICE, upstream_id="up2")
OTHER_UPSTREAM = replace(ALICE, upstream="another")
OTHER_SID = replace(ALICE, sid="AC2")


@dataclass(frozen=True)
class Value:
    text: str = ""
    nbytes: int = 10


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Upstream:
    """Counts walks, which end when they are told to."""

    def __init__(self) -> None:
        self.text = "old"
        self.walks = 0
        self.ended = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def walk(self) -> Value:
        self.walks += 1
        try:
            text = self.text
            await self.go_on.wait()
            return Value(text)
        finally:
            self.ended += 1


def snapshots(
    clock: Callable[[], float] = lambda: 0.0, fresh: float = 5, size: int = 100_000
) -> Snapshots[Value]:
    return Snapshots(Generations(), fresh, size, clock)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_walk_serves_for_as_long_as_it_is_fresh() -> None:
    clock, upstream = Clock(), Upstream()
    lists = snapshots(clock)
    for now, walks in ((0, 1), (4.9, 1), (5, 2), (9.9, 2), (10, 3)):
        clock.now = now
        await lists.obtain(key_of(ALICE), upstream.walk)
        assert upstream.walks == walks


async def test_a_snapshot_is_as_old_as_the_beginning_of_its_walk() -> None:
    clock, upstream = Clock(), Upstream()
    lists = snapshots(clock)
    upstream.go_on.clear()
    asked = asyncio.create_task(lists.obtain(key_of(ALICE), upstream.walk))
    await settle()
    clock.now = 4
    upstream.go_on.set()
    await asked
    clock.now = 5
    assert lists.fresh(key_of(ALICE)) is None


async def test_nothing_is_remembered_for_no_time_at_all() -> None:
    upstream, lists = Upstream(), snapshots(fresh=0)
    for walks in (1, 2):
        await lists.obtain(key_of(ALICE), upstream.walk)
        assert upstream.walks == walks


@pytest.mark.parametrize(
    "other", [OTHER_TOKEN, OTHER_NAME, OTHER_ACCOUNT, OTHER_UPSTREAM, OTHER_SID], ids=lambda it: repr(it)[:90]
)
async def test_nobody_else_is_shown_it(other: Account) -> None:
    upstream, lists = Upstream(), snapshots()
    await lists.obtain(key_of(ALICE), upstream.walk)
    assert lists.fresh(key_of(other)) is None
    await lists.obtain(key_of(other), upstream.walk)
    assert upstream.walks == 2


def test_a_key_holds_no_token() -> None:
    assert "token" not in repr(key_of(ALICE))


async def test_who_asks_the_same_at_the_same_time_shares_a_walk() -> None:
    upstream, lists = Upstream(), snapshots()
    upstream.go_on.clear()
    asked = [asyncio.create_task(lists.obtain(key_of(ALICE), upstream.walk)) for _ in range(32)]
    await settle()
    upstream.go_on.set()
    assert {value.text for value in await asyncio.gather(*asked)} == {"old"}
    assert upstream.walks == 1


async def test_who_hangs_up_does_not_take_the_walk_along() -> None:
    upstream, lists = Upstream(), snapshots()
    upstream.go_on.clear()
    first, second = (asyncio.create_task(lists.obtain(key_of(ALICE), upstream.walk)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    upstream.go_on.set()
    assert (await second).text == "old"
    assert (upstream.walks, first.cancelled()) == (1, True)


async def test_a_walk_that_nobody_waits_for_ends_and_nobody_joins_it() -> None:
    upstream, lists = Upstream(), snapshots()
    upstream.go_on.clear()
    first = asyncio.create_task(lists.obtain(key_of(ALICE), upstream.walk))
    await settle()
    first.cancel()
    await asyncio.sleep(0)
    late = asyncio.create_task(lists.obtain(key_of(ALICE), upstream.walk))
    await settle()
    assert (upstream.walks, upstream.ended) == (2, 1)
    upstream.go_on.set()
    assert (await late).text == "old"


async def test_a_failure_is_everybodys_and_is_not_remembered() -> None:
    lists, upstream = snapshots(), Upstream()

    async def fail() -> Value:
        await asyncio.sleep(0)
        raise LookupError

    asked = await asyncio.gather(
        *(lists.obtain(key_of(ALICE), fail) for _ in range(3)), return_exceptions=True
    )
    assert [type(each) for each in asked] == [LookupError] * 3
    assert (await lists.obtain(key_of(ALICE), upstream.walk)).text == "old"


@pytest.mark.parametrize("writer", [ALICE, OTHER_TOKEN, OTHER_SID])
async def test_a_write_with_whatever_credentials_makes_it_out_of_date(writer: Account) -> None:
    upstream, lists = Upstream(), snapshots()
    await lists.obtain(key_of(ALICE), upstream.walk)
    with lists.writing(writer):
        pass
    assert lists.fresh(key_of(ALICE)) is None


async def test_a_write_that_fails_makes_it_out_of_date_too() -> None:
    upstream, lists = Upstream(), snapshots()
    await lists.obtain(key_of(ALICE), upstream.walk)
    with pytest.raises(LookupError), lists.writing(ALICE):
        raise LookupError
    assert lists.fresh(key_of(ALICE)) is None


async def test_a_walk_that_a_write_overlaps_is_its_own_callers_alone() -> None:
    upstream, lists = Upstream(), snapshots()
    upstream.go_on.clear()
    before = asyncio.create_task(lists.obtain(key_of(ALICE), upstream.walk))
    await settle()
    with lists.writing(ALICE):
        upstream.text = "new"
    after = asyncio.create_task(lists.obtain(key_of(ALICE), upstream.walk))
    await settle()
    upstream.go_on.set()
    assert ((await before).text, (await after).text) == ("old", "new")
    known = lists.fresh(key_of(ALICE))
    assert known is not None
    assert known.text == "new"


async def test_nothing_is_remembered_while_a_call_may_change_the_list() -> None:
    clock, upstream = Clock(), Upstream()
    lists = snapshots(clock)
    with lists.writing(ALICE, settles_within=600):
        pass
    for clock.now, walks in ((0, 1), (1, 2), (599, 3), (600, 3), (601, 3)):  # that of 599 is a second old
        await lists.obtain(key_of(ALICE), upstream.walk)
        assert upstream.walks == walks
    await lists.obtain(key_of(OTHER_ACCOUNT), upstream.walk)
    assert lists.fresh(key_of(OTHER_ACCOUNT)) is not None


async def test_memory_is_bounded_by_bytes() -> None:
    lists = snapshots(size=10_000)

    async def large() -> Value:
        return Value(nbytes=3000)

    async def too_large() -> Value:
        return Value(nbytes=10_000)

    keys = [key_of(ALICE, str(number)) for number in range(5)]
    for key in keys:
        await lists.obtain(key, large)
    assert [lists.fresh(key) is not None for key in keys] == [False, False, False, True, True]
    await lists.obtain(keys[0], too_large)
    assert [lists.fresh(key) is not None for key in keys] == [False, False, False, True, True]


class History:
    """Walks that begin, end and are cancelled between writes, and what each asker had to be told at least."""

    def __init__(self) -> None:
        self.lists = snapshots()
        self.written = {"up1": 0, "up2": 0}
        self.gates: list[asyncio.Event] = []
        self.asked: list[tuple[asyncio.Task[Value], str, int]] = []

    async def ask(self, who: Account) -> None:
        async def walk() -> Value:
            text, gate = f"{who.upstream_id}={self.written[who.upstream_id]}", asyncio.Event()
            self.gates.append(gate)
            await gate.wait()
            return Value(text)

        task = asyncio.create_task(self.lists.obtain(key_of(who), walk))
        self.asked.append((task, who.upstream_id, self.written[who.upstream_id]))

    async def write(self, who: Account) -> None:
        with self.lists.writing(who):
            self.written[who.upstream_id] += 1
            await settle()

    async def end(self, which: int) -> None:
        for gate in self.gates[which : which + 1]:
            gate.set()

    async def cancel(self, which: int) -> None:
        for task, *_ in self.asked[which : which + 1]:
            task.cancel()

    async def finish(self) -> None:
        while not all(task.done() for task, *_ in self.asked):
            for gate in self.gates:
                gate.set()
            await settle()


SOMEBODY = st.sampled_from([ALICE, OTHER_TOKEN, OTHER_ACCOUNT])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ask", "ask", "write"]), SOMEBODY),
        st.tuples(st.sampled_from(["end", "cancel"]), st.integers(0, 3)),
    ),
    max_size=30,
)


@given(STEPS)
def test_no_stale_read_after_a_write_whatever_the_order(steps: list[tuple[str, Any]]) -> None:
    """Who asks after a write is told at least what it wrote, and of no other account."""

    async def replay() -> None:
        history = History()
        for kind, what in steps:
            await getattr(history, kind)(what)
            await settle()
        await history.finish()
        for task, account, least in history.asked:
            if not task.cancelled():
                owner, value = task.result().text.split("=")
                assert owner == account
                assert int(value) >= least

    asyncio.run(replay())
