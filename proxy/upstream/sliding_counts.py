"""How often each of two events has happened lately. Pure."""

from collections import deque
from collections.abc import Callable

_SECONDS = 10


class SlidingCounts:
    """Two counters over the last ten seconds, in steps of one second."""

    __slots__ = ("_clock", "_seconds")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        self._seconds: deque[tuple[int, list[int]]] = deque(maxlen=_SECONDS)

    def add(self, event: int) -> None:
        """Count one event of the first kind, 0, or of the second, 1."""
        second = int(self._clock())
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, [0, 0]))
        self._seconds[-1][1][event] += 1

    def totals(self) -> tuple[int, int]:
        """Return how often each kind has happened."""
        after = int(self._clock()) - _SECONDS
        counted = [counts for second, counts in self._seconds if second > after]
        return sum(counts[0] for counts in counted), sum(counts[1] for counts in counted)
