"""Circuit breakers: whether calls reach an upstream that has failed often lately. Pure.

Laws: an open breaker admits no call, a half-open one admits one read at a time, the probe; the outcome of a
call that was admitted before a change of state does not count after it.

What opens a breaker is up to its evidence: how often the calls of one caller have failed, or for how many
callers.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from proxy.upstream.sliding_counts import SlidingCounts

_MIN_FAILURES = 10
_FAILURE_RATIO = 0.5
_WINDOW = 10.0  # seconds
_PRECISION = 1.0  # seconds
_MAX_CALLERS = 1024
_FIRST_OPEN, _LONGEST_OPEN = 5.0, 60.0  # seconds

Ticket = int
"""What an admitted call gets, and reports its outcome with."""


Outcome = TypeVar("Outcome")


class Evidence(Protocol):
    """What a breaker knows of the calls of the last ten seconds."""

    def add(self, caller: Hashable, *, well: bool) -> None:
        """Take note of how a call of `caller` went."""

    def is_too_bad(self) -> bool:
        """Whether the breaker has to open."""

    def clear(self) -> None: ...


def _are_too_many(bad: int, good: int) -> bool:
    return bad >= _MIN_FAILURES and bad >= _FAILURE_RATIO * (good + bad)


class CallCounts:
    """Counts calls: ten that fail within ten seconds are too many, if they are half of all."""

    __slots__ = ("_counts",)

    def __init__(self, clock: Callable[[], float]) -> None:
        self._counts = SlidingCounts(clock)

    def add(self, caller: Hashable, *, well: bool) -> None:
        del caller  # there is one
        self._counts.add(not well)

    def is_too_bad(self) -> bool:
        good, bad = self._counts.totals()
        return _are_too_many(bad, good)

    def clear(self) -> None:
        self._counts.clear()


class CallerCounts:
    """Counts callers by their last call: ten whose last one failed are too many, if they are half of all.

    However often the calls of one caller fail, it is one caller. The caller that called longest ago is
    forgotten first, at the latest after ten seconds.
    """

    __slots__ = ("_bad", "_clock", "_last")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        self._last: OrderedDict[Hashable, tuple[float, bool]] = OrderedDict()
        self._bad = 0

    def add(self, caller: Hashable, *, well: bool) -> None:
        now, before = self._clock(), self._last.get(caller)
        if before is not None:
            if well and before[1] and now < before[0] + _PRECISION:
                return
            del self._last[caller]
            self._bad -= not before[1]
        self._last[caller] = now, well
        self._bad += not well
        if len(self._last) > _MAX_CALLERS:
            self._forget_first()

    def is_too_bad(self) -> bool:
        after = self._clock() - _WINDOW
        while self._last and next(iter(self._last.values()))[0] <= after:
            self._forget_first()
        return _are_too_many(self._bad, len(self._last) - self._bad)

    def _forget_first(self) -> None:
        _, (_, well) = self._last.popitem(last=False)
        self._bad -= not well


class CircuitBreaker(Generic[Outcome]):
    """Closed while calls succeed; open for some seconds after too many failures; then half-open."""

    __slots__ = (
        "__weakref__",
        "_clock",
        "_evidence",
        "_is_probed",
        "_longest_open",
        "_on_change",
        "_open_for",
        "_open_until",
        "_state",
    )

    def __init__(
        self,
        clock: Callable[[], float],
        on_change: Callable[[Outcome, float | None], None] = lambda *_: None,
        evidence: Evidence | None = None,
        longest_open: float = _LONGEST_OPEN,
    ) -> None:
        """Call `on_change` with the outcome that opens or closes the breaker, and the seconds if it opens.

        A failed probe is no change. Without other `evidence`, calls are counted.
        """
        self._clock = clock
        self._on_change = on_change
        self._evidence = evidence or CallCounts(clock)
        self._longest_open = longest_open
        self._state: Ticket = 0  # a new number after every change
        self._open_for = _FIRST_OPEN
        self._open_until: float | None = None
        self._is_probed = False

    def admit(self, *, reads: bool) -> Ticket | None:
        """Admit a call, or return None; only a call that `reads` can be a probe."""
        if self._open_until is None:
            return self._state
        if self._is_probed or not reads or self._clock() < self._open_until:
            return None
        self._is_probed = True
        return self._state

    def seconds_left(self) -> float:
        """Return the seconds until a probe is admitted."""
        return max(0.0, (self._open_until or 0.0) - self._clock())

    def record(self, ticket: Ticket, outcome: Outcome, *, well: bool, caller: Hashable = None) -> None:
        """Record an outcome: too many failures open the breaker, a failed probe for twice as long."""
        if ticket != self._state:
            return
        is_probe = self._open_until is not None
        if not is_probe:
            self._evidence.add(caller, well=well)
        if well and is_probe:
            self._open_for = _FIRST_OPEN
            self._change_state(None)
            self._on_change(outcome, None)
        elif not well and (is_probe or self._evidence.is_too_bad()):
            self._change_state(self._clock() + self._open_for)
            if not is_probe:
                self._on_change(outcome, self._open_for)
            self._open_for = min(2 * self._open_for, self._longest_open)

    def has_opened_since(self, ticket: Ticket) -> bool:
        """Whether the breaker is open, and was not when this ticket was given."""
        return ticket != self._state and self._open_until is not None

    def release(self, ticket: Ticket) -> None:
        """Admit another probe: this call was cancelled before its outcome was known."""
        if ticket == self._state:
            self._is_probed = False

    def _change_state(self, open_until: float | None) -> None:
        self._state += 1
        self._open_until = open_until
        self._is_probed = False
        self._evidence.clear()


AdmittedCall = tuple[Ticket, CircuitBreaker[Outcome], Ticket]
"""What an admitted call gets: a ticket of its caller's breaker, the shared breaker, and a ticket of that."""


class CallerBreakers(Generic[Outcome]):
    """The breaker of one caller, and the one that callers of an upstream share: a call needs both.

    The shared one opens where the upstream gives no answers at all.

    Until a call of it has succeeded, a caller is a stranger. Strangers share another breaker than the known:
    under made-up user names an upstream may fail in ways in which it does not fail for others.
    """

    __slots__ = ("_caller", "_known", "_own", "_shared")

    def __init__(
        self,
        caller: Hashable,
        own: CircuitBreaker[Outcome],
        strangers: CircuitBreaker[Outcome],
        known: CircuitBreaker[Outcome],
    ) -> None:
        self._caller = caller
        self._own = own
        self._shared = strangers
        self._known = known

    def admit(self, *, reads: bool) -> AdmittedCall[Outcome] | None:
        """Admit a call, or return None."""
        if (own := self._own.admit(reads=reads)) is None:
            return None
        if (ticket := self._shared.admit(reads=reads)) is None:
            self._own.release(own)
            return None
        return own, self._shared, ticket

    def has_opened_since(self, call: AdmittedCall[Outcome]) -> bool:
        """Whether a breaker has opened since a call was admitted, which has not been sent yet."""
        own, shared, ticket = call
        return self._own.has_opened_since(own) or shared.has_opened_since(ticket)

    def seconds_left(self) -> float:
        """Return the seconds until a probe is admitted."""
        return max(self._own.seconds_left(), self._shared.seconds_left())

    def record(
        self,
        call: AdmittedCall[Outcome],
        outcome: Outcome,
        *,
        well: bool,
        is_answer: bool = True,
        is_served: bool = False,
    ) -> None:
        """Record how a call went; a caller that the upstream has served is known.

        An upstream that answers, be it with an error, is not closed to other callers.
        """
        own, shared, ticket = call
        self._own.record(own, outcome, well=well)
        shared.record(ticket, outcome, well=is_answer, caller=self._caller)
        if is_served:
            self._shared = self._known

    def release(self, call: AdmittedCall[Outcome]) -> None:
        """Forget a call whose outcome is not known."""
        own, shared, ticket = call
        self._own.release(own)
        shared.release(ticket)
