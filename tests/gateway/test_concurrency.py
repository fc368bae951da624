"""ConcurrencyLimiter: limits are kept, waiters get slots in order, and no slot is lost."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.errors import LegacyError
from proxy.gateway.concurrency import ConcurrencyLimiter, SlotLimits, Slots, UnjudgedCaller, current_peer

LIMITS = SlotLimits(in_all=4, waiting=3, per_caller=3)
CALLERS = ("Alice", "Bob", "Carol", "Dave")
W = TypeVar("W")


def enter(table: Slots[W], caller: str, waiter: W) -> bool | int:
    """Return whether a slot is free, or the status of the refusal."""
    try:
        return table.enter(caller, waiter)
    except LegacyError as error:
        return error.fault.status


def test_default_limits() -> None:
    shared, one = Slots[int](SlotLimits()), Slots[int](SlotLimits())
    outcomes = [enter(shared, f"caller {number}", number) for number in range(256 + 128 + 1)]
    assert outcomes == [True] * 256 + [False] * 128 + [503]
    assert [enter(one, "Alice", number) for number in range(32 + 1)] == [True] * 32 + [429]


class SlotMachine(RuleBasedStateMachine):
    """Enter and leave in any order, compared with a model that counts anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.table: Slots[int] = Slots(LIMITS)
        self.holding: dict[int, str] = {}
        self.waiting: dict[int, str] = {}
        self.number = 0

    def count_of(self, caller: str) -> int:
        return [*self.holding.values(), *self.waiting.values()].count(caller)

    def may_take(self, caller: str) -> bool:
        free = LIMITS.in_all - len(self.holding)
        return free > 0 and [*self.holding.values()].count(caller) <= free

    @rule(caller=st.sampled_from(CALLERS))
    def enter(self, caller: str) -> None:
        self.number += 1
        outcome = enter(self.table, caller, self.number)
        if self.count_of(caller) == LIMITS.per_caller:
            assert outcome == 429
        elif self.may_take(caller):
            assert outcome is True
            self.holding[self.number] = caller
        elif len(self.waiting) < LIMITS.waiting:
            assert outcome is False
            self.waiting[self.number] = caller
        else:
            assert outcome == 503

    @precondition(lambda self: self.holding)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(sorted(self.holding)))
        following = self.table.leave(self.holding.pop(waiter), waiter)
        able = (each for each, caller in self.waiting.items() if self.may_take(caller))
        assert following == next(able, None), "first come, first served"
        if following is not None:
            self.holding[following] = self.waiting.pop(following)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(sorted(self.waiting)))
        assert self.table.leave(self.waiting.pop(waiter), waiter) is None

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        assert len(self.holding) <= LIMITS.in_all
        assert len(self.waiting) <= LIMITS.waiting
        assert all(self.count_of(caller) <= LIMITS.per_caller for caller in CALLERS)
        assert not any(self.may_take(caller) for caller in self.waiting.values())


TestSlotMachine = SlotMachine.TestCase


@pytest.mark.parametrize(
    ("limits", "statuses"),
    [
        (SlotLimits(2, 1, 9), {"Alice": [True, True, False, 503, 503]}),
        (SlotLimits(9, 9, 2), {"Alice": [True, True, 429, 429], "Bob": [True, True, 429]}),
        (
            SlotLimits(3, 9, 2),
            {"Alice": [True, True, 429], "Bob": [True, False, 429], "Carol": [False, False, 429]},
        ),
        (SlotLimits(1, 0, 9), {"Alice": [True, 503], "Bob": [503]}),
    ],
)
def test_outcomes_of_entering(limits: SlotLimits, statuses: Mapping[str, list[bool | int]]) -> None:
    table: Slots[object] = Slots(limits)
    outcomes = {caller: [enter(table, caller, object()) for _ in each] for caller, each in statuses.items()}
    assert outcomes == statuses


@pytest.mark.parametrize("callers", [1, 7, 8, 16, 100])
async def test_found_g6_callers_whose_requests_hang_leave_slots(callers: int) -> None:
    limiter = ConcurrencyLimiter()
    hanging = [asyncio.create_task(limiter.acquire(number)) for _ in range(32) for number in range(callers)]
    await asyncio.sleep(0)
    for other in ("Alice", "Bob"):
        async with asyncio.timeout(0.1):
            with await limiter.acquire(other):
                pass
    for task in hanging:
        task.cancel()
    await asyncio.wait(hanging)


async def test_found_g6_a_slot_that_is_given_back_goes_to_another_caller_first() -> None:
    limiter = ConcurrencyLimiter(SlotLimits(in_all=4, waiting=4, per_caller=4))
    held = [await limiter.acquire("hanging") for _ in range(2)] + [await limiter.acquire("Alice")]
    waiting = asyncio.create_task(limiter.acquire("hanging"))
    await asyncio.sleep(0)
    assert not waiting.done()
    with await limiter.acquire("Bob"):
        pass
    assert not waiting.done()
    with held[2]:
        pass
    await asyncio.wait_for(waiting, 0.1)


async def test_a_cancelled_waiter_loses_only_its_own_turn() -> None:
    limiter = ConcurrencyLimiter(SlotLimits(in_all=1, waiting=2, per_caller=9))
    held = await limiter.acquire("Alice")
    first, second = (asyncio.create_task(limiter.acquire("Bob")) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    await asyncio.sleep(0)
    assert not first.done(), "the only slot is held"
    with held:
        pass
    with await first:
        third = asyncio.create_task(limiter.acquire("Carol"))
        await asyncio.sleep(0)
        assert not third.done()
    with await third:
        pass


async def test_a_waiter_that_is_cancelled_as_its_slot_is_granted_passes_it_on() -> None:
    limiter = ConcurrencyLimiter(SlotLimits(in_all=1, waiting=2, per_caller=9))
    held = await limiter.acquire("Alice")
    first, second = (asyncio.create_task(limiter.acquire("Bob")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with held:  # the slot is granted before the first one knows that it is cancelled
        pass
    await asyncio.wait([first])
    assert first.cancelled()
    with await second:
        pass


# Callers that only the upstream can judge


def admit_strangers(limiter: ConcurrencyLimiter, peer: str, count: int) -> int:
    """Have so many callers of a peer ask, none of them accepted; return how many requests are admitted."""
    current_peer.set(peer)
    admitted = 0
    with suppress(LegacyError):
        for number in range(count):
            limiter.admit(UnjudgedCaller((peer, number)))
            admitted += 1
    return admitted


def test_requests_of_strangers_count_for_their_peer() -> None:
    limiter = ConcurrencyLimiter()
    assert copy_context().run(admit_strangers, limiter, "192.0.2.1", 600) == 512
    assert copy_context().run(admit_strangers, limiter, "192.0.2.2", 100) == 100


def test_a_caller_is_accepted_until_the_upstream_refuses_it() -> None:
    limiter, caller, other = ConcurrencyLimiter(), UnjudgedCaller("Alice"), UnjudgedCaller("Bob")
    assert not limiter.has_accepted(caller)
    for each in (caller, other):
        limiter.accept(each)
    assert limiter.has_accepted(caller)
    limiter.refuse(caller)
    assert not limiter.has_accepted(caller)
    assert limiter.has_accepted(other)


def test_callers_that_the_proxy_judges_displace_none_that_were_accepted() -> None:
    limiter, caller = ConcurrencyLimiter(), UnjudgedCaller("Alice")
    limiter.accept(caller)
    for number in range(5000):
        limiter.accept(f"account {number}")
    assert limiter.has_accepted(caller)
