"""How many connections a worker accepts.

One more than that is closed as soon as it is accepted: its client knows at once that it has to go elsewhere.
Left to wait until there is room it would hear nothing, nor would the clients behind it.
"""

import logging
import resource
import time
from collections.abc import Callable

_log = logging.getLogger("proxy.server")

_MOST = 5000
_LOG_INTERVAL = 60  # seconds
_FULL = "server: new connections are closed, as %d are open; raise ulimit -n, or add workers"


def max_connections() -> int:
    """Return how many connections a worker may have: the other half of its files are for the upstream."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if files == resource.RLIM_INFINITY else min(_MOST, files // 2)


class ConnectionLimit:
    """A number of connections, those that are still shaking hands included."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any."""
        self.taken = 0
        self._most = most
        self._clock = clock
        self._logs_at = 0.0

    def has_room(self) -> bool:
        """Whether one more may be accepted; where it may not, that is logged once a minute."""
        if self.taken < self._most:
            return True
        if (now := self._clock()) >= self._logs_at:
            self._logs_at = now + _LOG_INTERVAL
            _log.warning(_FULL, self._most)
        return False
