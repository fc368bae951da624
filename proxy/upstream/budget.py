"""A retry budget: an upstream in trouble gets little more load than clients alone would cause. Pure."""

from collections.abc import Callable

from proxy.upstream.sliding_counts import SlidingCounts

_MIN_RETRIES = 3
_CALLS_PER_RETRY = 5


class RetryBudget:
    """A fifth of the calls of the last ten seconds, and at least three."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without calls."""
        self._counts = SlidingCounts(clock)

    def record_call(self) -> None:
        """Count a call that is sent for the first time."""
        self._counts.add(0)

    def take(self) -> bool:
        """Return whether a retry fits into the budget, and count it if it does."""
        calls, retries = self._counts.totals()
        if retries >= max(_MIN_RETRIES, calls // _CALLS_PER_RETRY):
            return False
        self._counts.add(1)
        return True
