"""How often two things have happened lately."""

from collections import deque
from collections.abc import Callable

_SECONDS = 10


class Recent:
    """Two counts over the last ten seconds, to the second."""

    __slots__ = ("_clock", "_seconds")

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with none of either."""
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._seconds: deque[tuple[int, list[int]]] = deque(maxlen=_SECONDS)

    def add(self, which: int) -> None:
        """Count the first thing, 0, or the second, 1."""
        second = int(self._clock())
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, [0, 0]))
        self._seconds[-1][1][which] += 1

    def counts(self) -> tuple[int, int]:
        """Return how often each happened."""
        after = int(self._clock()) - _SECONDS
        counted = [each for second, each in self._seconds if second > after]
        return sum(each[0] for each in counted), sum(each[1] for each in counted)
