"""How many connections a worker has room for.

One more than that is closed as soon as it is taken: its client knows at once that it has to go elsewhere.
Left to wait until there is room it would hear nothing, nor would whoever comes after it.
"""

import logging
import resource
import time
from collections.abc import Callable

_log = logging.getLogger("proxy.server")

_MOST = 5000
_SAYS_SO_EVERY = 60  # seconds


def max_connections() -> int:
    """Return how many connections a worker may have: the other half of its files are for the upstream."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if files == resource.RLIM_INFINITY else min(_MOST, files // 2)


class ConnectionLimit:
    """So much room, for connections and those that are still shaking hands."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin empty."""
        self.taken = 0
        self._most = most
        self._clock = clock
        self._says_so_at = 0.0

    def is_left(self) -> bool:
        """Whether there is room for one more; tell the log where there is not, now and then."""
        if self.taken < self._most:
            return True
        if (now := self._clock()) >= self._says_so_at:
            self._says_so_at = now + _SAYS_SO_EVERY
            _log.warning("connections are turned away: there is room for %d", self._most)
        return False
