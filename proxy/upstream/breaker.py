"""A circuit breaker: whether a caller's calls reach an upstream that has failed often lately. Pure.

Laws: an open breaker admits no call, a half-open one admits one read at a time, the probe; the outcome of a
call that was admitted before a change of state does not count after it.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from proxy.upstream.sliding_counts import SlidingCounts

_MIN_FAILURES = 10
_FAILURE_RATIO = 0.5
_FIRST_OPEN, _LONGEST_OPEN = 5.0, 60.0  # seconds

Ticket = int
"""What an admitted call gets, and reports its outcome with."""


Outcome = TypeVar("Outcome")


class CircuitBreaker(Generic[Outcome]):
    """Closed while calls succeed; open for some seconds after too many failures; then half-open."""

    __slots__ = (
        "__weakref__",
        "_clock",
        "_counts",
        "_is_probed",
        "_on_change",
        "_open_for",
        "_open_until",
        "_state",
    )

    def __init__(
        self,
        clock: Callable[[], float],
        on_change: Callable[[Outcome, float | None], None] = lambda *_: None,
    ) -> None:
        """Call `on_change` with the outcome that opens or closes the breaker, and the seconds if it opens.

        A failed probe is no change.
        """
        self._clock = clock
        self._on_change = on_change
        self._counts = SlidingCounts(clock)
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

    def record(self, ticket: Ticket, outcome: Outcome, *, well: bool) -> None:
        """Record an outcome: too many failures open the breaker, a failed probe for twice as long."""
        if ticket != self._state:
            return
        is_probe = self._open_until is not None
        if not is_probe:
            self._counts.add(not well)
        if well and is_probe:
            self._open_for = _FIRST_OPEN
            self._change_state(None)
            self._on_change(outcome, None)
        elif not well and (is_probe or self._has_failed_often()):
            self._change_state(self._clock() + self._open_for)
            if not is_probe:
                self._on_change(outcome, self._open_for)
            self._open_for = min(2 * self._open_for, _LONGEST_OPEN)

    def _has_failed_often(self) -> bool:
        good, bad = self._counts.totals()
        return bad >= _MIN_FAILURES and bad >= _FAILURE_RATIO * (good + bad)

    def release(self, ticket: Ticket) -> None:
        """Admit another probe: this call was cancelled before its outcome was known."""
        if ticket == self._state:
            self._is_probed = False

    def _change_state(self, open_until: float | None) -> None:
        self._state += 1
        self._open_until = open_until
        self._is_probed = False
        self._counts.clear()
