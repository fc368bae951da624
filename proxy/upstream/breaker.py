"""Whether an upstream is asked at all, going by how it fared with one caller lately. Pure: it awaits nothing.

Laws: where it is open nobody gets through, and where it is half-open one at a time, who only reads; what was
asked before a change of state counts for nothing after it.
"""

from collections.abc import Callable

from proxy.upstream.sliding_counts import Recent

_LEAST_FAILURES = 10
_SHARE_OF_FAILURES = 0.5
_FIRST_REST, _LONGEST_REST = 5.0, 60.0  # seconds

Ticket = int
"""What an admitted call gets, and its outcome is told with."""


class Breaker:
    """Closed while an upstream fares well; then open for a while; then half-open, for one to probe it."""

    __slots__ = ("_clock", "_is_probed", "_open_until", "_recent", "_rest", "_state")

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start closed."""
        self._clock = clock
        self._recent = Recent(clock)
        self._state: Ticket = 0  # another one after every change
        self._rest = _FIRST_REST
        self._open_until: float | None = None
        self._is_probed = False

    def admit(self, *, reads: bool) -> Ticket | None:
        """Let a call through, or not; one that does more than read is no probe."""
        if self._open_until is None:
            return self._state
        if self._is_probed or not reads or self._clock() < self._open_until:
            return None
        self._is_probed = True
        return self._state

    def left(self) -> float:
        """Return the seconds until a probe is let through."""
        return max(0.0, (self._open_until or 0.0) - self._clock())

    def record(self, ticket: Ticket, *, well: bool) -> None:
        """Open after too many failures, and after a bad probe for twice as long; close after a good one."""
        if ticket != self._state:
            return
        is_probe = self._open_until is not None
        if not is_probe:
            self._recent.add(not well)
        if well and is_probe:
            self._rest = _FIRST_REST
            self._change(None)
        elif not well and (is_probe or self._has_failed_too_often()):
            self._change(self._clock() + self._rest)
            self._rest = min(2 * self._rest, _LONGEST_REST)

    def _has_failed_too_often(self) -> bool:
        good, bad = self._recent.counts()
        return bad >= _LEAST_FAILURES and bad >= _SHARE_OF_FAILURES * (good + bad)

    def release(self, ticket: Ticket) -> None:
        """Let another one probe: this call was given up before its outcome was known."""
        if ticket == self._state:
            self._is_probed = False

    def _change(self, open_until: float | None) -> None:
        self._state += 1
        self._open_until = open_until
        self._is_probed = False
        self._recent.clear()
