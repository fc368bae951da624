"""ConcurrencyLimiter: nobody has more than he may, nobody who waits is forgotten, and none is lost."""

import asyncio
from collections.abc import Mapping
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.errors import LegacyError
from proxy.gateway.concurrency import ConcurrencyLimiter, SlotLimits, Slots

LIMITS = SlotLimits(in_all=4, waiting=3, per_caller=3)
CALLERS = ("Alice", "Bob", "Carol", "Dave")
W = TypeVar("W")


def come(table: Slots[W], caller: str, who: W) -> bool | int:
    """Return whether there is a place at once, or the status of being sent away."""
    try:
        return table.enter(caller, who)
    except LegacyError as error:
        return error.fault.status


def test_default_limits() -> None:
    everybody, one = Slots[int](SlotLimits()), Slots[int](SlotLimits())
    outcomes = [come(everybody, f"caller {number}", number) for number in range(256 + 128 + 1)]
    assert outcomes == [True] * 256 + [False] * 128 + [503]
    assert [come(one, "Alice", number) for number in range(32 + 1)] == [True] * 32 + [429]


class Coming(RuleBasedStateMachine):
    """Come and go in every order, beside a model that counts from scratch each time."""

    def __init__(self) -> None:
        super().__init__()
        self.table: Slots[int] = Slots(LIMITS)
        self.placed: dict[int, str] = {}
        self.waiting: dict[int, str] = {}
        self.number = 0

    def theirs(self, caller: str) -> int:
        return [*self.placed.values(), *self.waiting.values()].count(caller)

    @rule(caller=st.sampled_from(CALLERS))
    def come(self, caller: str) -> None:
        self.number += 1
        outcome = come(self.table, caller, self.number)
        if self.theirs(caller) == LIMITS.per_caller:
            assert outcome == 429
        elif len(self.placed) < LIMITS.in_all:
            assert outcome is True
            self.placed[self.number] = caller
        elif len(self.waiting) < LIMITS.waiting:
            assert outcome is False
            self.waiting[self.number] = caller
        else:
            assert outcome == 503

    @precondition(lambda self: self.placed)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.placed)))
        following = self.table.leave(self.placed.pop(who), who)
        assert following == next(iter(self.waiting), None), "who came first is next"
        if following is not None:
            self.placed[following] = self.waiting.pop(following)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.waiting)))
        assert self.table.leave(self.waiting.pop(who), who) is None

    @invariant()
    def nobody_has_too_much(self) -> None:
        assert len(self.placed) <= LIMITS.in_all
        assert len(self.waiting) <= LIMITS.waiting
        assert all(self.theirs(caller) <= LIMITS.per_caller for caller in CALLERS)
        assert not self.waiting or len(self.placed) == LIMITS.in_all


TestComing = Coming.TestCase


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
    outcomes = {caller: [come(table, caller, object()) for _ in each] for caller, each in statuses.items()}
    assert outcomes == statuses


async def test_a_cancelled_waiter_loses_only_its_own_turn() -> None:
    places = ConcurrencyLimiter(SlotLimits(in_all=1, waiting=2, per_caller=9))
    had = await places.acquire("Alice")
    first, second = (asyncio.create_task(places.acquire("Bob")) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    await asyncio.sleep(0)
    assert not first.done(), "there is one place, and somebody has it"
    with had:
        pass
    with await first:
        third = asyncio.create_task(places.acquire("Carol"))
        await asyncio.sleep(0)
        assert not third.done()
    with await third:
        pass
