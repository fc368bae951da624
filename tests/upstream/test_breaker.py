"""The circuit breaker and the retry budget against models that keep everything, over any order of events."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from proxy.upstream.breaker import CallerBreakers, CallerCounts, CircuitBreaker, Ticket
from proxy.upstream.retry import RetryBudget
from proxy.upstream.sliding_counts import SlidingCounts


class Clock:
    now = 1000.5

    def __call__(self) -> float:
        return self.now


class BreakerMachine(RuleBasedStateMachine):
    """What is known of every call, and what follows from it."""

    admitted: Bundle[tuple[int, Ticket]] = Bundle("admitted")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker[None](self.clock)
        self.outcomes: list[tuple[int, bool]] = []
        self.era = 0
        self.opened: float | None = None
        self.rest = 0.0
        self.probe = False

    def recent(self) -> tuple[int, int]:
        seconds = [well for second, well in self.outcomes if second > int(self.clock.now) - 10]
        return seconds.count(True), seconds.count(False)

    def opens(self) -> None:
        self.rest = 5 if self.opened is None else min(60, 2 * self.rest)
        self.opened, self.probe, self.outcomes = self.clock.now, False, []
        self.era += 1

    @rule(seconds=st.sampled_from([0.0, 0.4, 1, 3, 5, 9, 11, 60]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(target=admitted, reads=st.booleans())
    def a_call(self, reads: bool) -> Any:
        rests = self.opened is not None and self.clock.now < self.opened + self.rest
        expected = self.opened is None or (not rests and reads and not self.probe)
        ticket = self.breaker.admit(reads=reads)
        assert (ticket is not None) == expected
        if ticket is None:
            return -1, 0
        self.probe = self.opened is not None
        return self.era, ticket

    @rule(call=consumes(admitted), times=st.integers(1, 12))
    def it_fails(self, call: tuple[int, Ticket], times: int) -> None:
        """As it does that many times, where many have been sent."""
        for _ in range(times):
            if call[0] < 0:
                return
            self.breaker.record(call[1], None, well=False)
            if call[0] != self.era:
                continue
            if self.opened is None:
                self.outcomes.append((int(self.clock.now), False))
                good, bad = self.recent()
                if bad >= 10 and bad >= good:
                    self.opens()
            else:
                self.opens()

    @rule(call=consumes(admitted), times=st.integers(1, 12))
    def it_succeeds(self, call: tuple[int, Ticket], times: int) -> None:
        for _ in range(times):
            if call[0] < 0:
                return
            self.breaker.record(call[1], None, well=True)
            if call[0] != self.era:
                continue
            if self.opened is None:
                self.outcomes.append((int(self.clock.now), True))
            else:
                self.opened, self.probe, self.outcomes = None, False, []
                self.era += 1

    @rule(call=consumes(admitted))
    def it_is_given_up(self, call: tuple[int, Ticket]) -> None:
        if call[0] < 0:
            return
        self.breaker.release(call[1])
        if call[0] == self.era:
            self.probe = False

    @rule(call=admitted)
    def it_is_about_to_be_sent(self, call: tuple[int, Ticket]) -> None:
        if call[0] >= 0:
            has_opened = call[0] != self.era and self.opened is not None
            assert self.breaker.has_opened_since(call[1]) == has_opened

    @invariant()
    def what_is_left(self) -> None:
        left = 0.0 if self.opened is None else max(0.0, self.opened + self.rest - self.clock.now)
        assert self.breaker.seconds_left() == pytest.approx(left)

    @precondition(lambda self: self.opened is None)
    @invariant()
    def a_closed_breaker_admits_writes(self) -> None:
        assert self.breaker.admit(reads=False) is not None


class BudgetMachine(RuleBasedStateMachine):
    """How much was sent, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.budget = RetryBudget(self.clock)
        self.first: list[int] = []
        self.again: list[int] = []

    def recent(self, of: list[int]) -> int:
        return sum(second > int(self.clock.now) - 10 for second in of)

    @rule(seconds=st.sampled_from([0.3, 1, 4, 9.9, 30]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(times=st.integers(1, 30))
    def calls(self, times: int) -> None:
        for _ in range(times):
            self.budget.record_call()
            self.first.append(int(self.clock.now))

    @rule()
    def once_more(self) -> None:
        expected = self.recent(self.again) < max(3, 0.2 * self.recent(self.first) // 1)
        assert self.budget.take() == expected
        if expected:
            self.again.append(int(self.clock.now))


TestBreaker = BreakerMachine.TestCase
TestBudget = BudgetMachine.TestCase


def test_memory_is_bounded() -> None:
    clock = Clock()
    recent = SlidingCounts(clock)
    for _ in range(100):
        recent.add(1)
        clock.now += 1
    assert len(recent._seconds) == 10  # noqa: SLF001 - what it is about


def test_each_failed_probe_doubles_the_open_time() -> None:
    clock = Clock()
    breaker = CircuitBreaker[None](clock)
    rests = []
    for _ in range(10):
        breaker.record(breaker.admit(reads=True) or 0, None, well=False)
    for _ in range(6):
        rests.append(breaker.seconds_left())
        clock.now += breaker.seconds_left()
        ticket = breaker.admit(reads=True)
        assert ticket is not None
        assert breaker.admit(reads=True) is None
        breaker.record(ticket, None, well=False)
    assert rests == [5, 10, 20, 40, 60, 60]


def test_half_of_twenty_is_too_many_failures_and_less_is_not() -> None:
    for good, opens in ((10, True), (11, False)):
        breaker = CircuitBreaker[None](Clock())
        for well in [True] * good + [False] * 10:
            ticket = breaker.admit(reads=True)
            assert ticket is not None
            breaker.record(ticket, None, well=well)
        assert (breaker.admit(reads=True) is None) == opens


def test_a_cancelled_probe_admits_another_one() -> None:
    clock = Clock()
    breaker = CircuitBreaker[None](clock)
    before = breaker.admit(reads=True)
    assert before is not None
    for _ in range(10):
        breaker.record(before, None, well=False)
    clock.now += 5
    probe = breaker.admit(reads=True)
    assert probe is not None
    assert breaker.admit(reads=True) is None
    breaker.release(before)  # it has nothing to do with this
    assert breaker.admit(reads=True) is None
    breaker.release(probe)
    assert breaker.admit(reads=True) is not None


@pytest.mark.parametrize("opens", ["the caller's", "the shared one", "none"])
def test_either_of_two_breakers_opens_before_a_call_is_sent(opens: str) -> None:
    own, shared = CircuitBreaker[None](Clock()), CircuitBreaker[None](Clock())
    shared.admit(reads=True)
    breakers = CallerBreakers[None]("caller", own, shared, CircuitBreaker[None](Clock()))
    admitted = breakers.admit(reads=True)
    assert admitted is not None
    assert not breakers.has_opened_since(admitted)
    for breaker in {"the caller's": [own], "the shared one": [shared], "none": []}[opens]:
        for _ in range(10):
            breaker.record(breaker.admit(reads=True) or 0, None, well=False)
    assert breakers.has_opened_since(admitted) == (opens != "none")


@given(
    calls=st.lists(
        st.tuples(st.integers(0, 25), st.booleans(), st.sampled_from([0.0, 0.5, 1.0, 2.5, 9.0])),
        max_size=120,
    )
)
def test_callers_count_by_their_last_call(calls: list[tuple[int, bool, float]]) -> None:
    """Against a model that keeps everything; a success within a second of another may not count again."""
    clock = Clock()
    counts = CallerCounts(clock)
    last: dict[int, tuple[float, bool]] = {}
    for caller, well, pause in calls:
        before = last.get(caller, (0.0, False))
        if not (well and before[1] and clock.now < before[0] + 1):
            last[caller] = clock.now, well
        counts.add(caller, well=well)
        clock.now += pause
        recent = [each for at, each in last.values() if at > clock.now - 10]
        bad = recent.count(False)
        assert counts.is_too_bad() == (bad >= 10 and 2 * bad >= len(recent))
        last = {caller: each for caller, each in last.items() if each[0] > clock.now - 10}


def test_the_callers_that_called_longest_ago_are_forgotten() -> None:
    """So many callers are known: with one more, the first failure is gone."""
    counts = CallerCounts(Clock())
    for caller in range(1024):
        counts.add(caller, well=caller >= 512)
    assert counts.is_too_bad()
    counts.add("one more", well=True)
    assert not counts.is_too_bad()


def make_breakers() -> tuple[CallerBreakers[str], list[CircuitBreaker[str]], list[str]]:
    """Return the breakers of a caller, its own and the shared one alone, and what changes them."""
    told: list[str] = []
    own, shared, known = (
        CircuitBreaker[str](Clock(), lambda outcome, seconds: told.append(outcome)) for _ in range(3)
    )
    return CallerBreakers("caller", own, shared, known), [own, shared], told


def open_breaker(breaker: CircuitBreaker[str]) -> None:
    for caller in range(10):
        breaker.record(breaker.admit(reads=True) or 0, "failed", well=False, caller=caller)


@pytest.mark.parametrize("which", [0, 1])
def test_a_half_open_breaker_of_two_admits_one_read(which: int) -> None:
    breakers, alone, _ = make_breakers()
    open_breaker(alone[which])
    assert breakers.admit(reads=True) is None
    clock = alone[which]._clock  # noqa: SLF001 - which the test has made
    assert isinstance(clock, Clock)
    clock.now += 6
    assert breakers.admit(reads=False) is None
    admitted = breakers.admit(reads=True)
    assert admitted is not None
    assert breakers.admit(reads=True) is None
    breakers.release(admitted)
    assert breakers.admit(reads=True) is not None


def test_what_opens_a_breaker_is_told() -> None:
    breakers, _, told = make_breakers()
    for number in range(10):
        admitted = breakers.admit(reads=True)
        assert admitted is not None
        breakers.record(admitted, f"failure {number}", well=False, is_answer=False)
    assert told == ["failure 9", "failure 9"], "each breaker tells"
