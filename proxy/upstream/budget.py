"""How much may be sent a second time. Pure: it awaits nothing.

An upstream in trouble gets little more than it would from clients alone.
"""

from collections.abc import Callable

from proxy.upstream.sliding_counts import Recent

_ALWAYS = 3
_SHARE = 5


class Budget:
    """One fifth of what was sent for the first time in the last ten seconds, but always three."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without anything sent."""
        self._recent = Recent(clock)

    def record_first(self) -> None:
        """Take note of something that is sent for the first time."""
        self._recent.add(0)

    def take(self) -> bool:
        """Whether something may be sent once more, which is then taken note of."""
        first, again = self._recent.counts()
        if again >= max(_ALWAYS, first // _SHARE):
            return False
        self._recent.add(1)
        return True
