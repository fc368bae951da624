"""Logins that fail: who guesses at the token of an account is soon not judged at all any more.

Laws: of one peer's tries for one account never more than twenty a minute fail; no other peer and no other
account feels anything of it; a login that succeeds changes nothing; memory is bounded.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable

from cachetools import TTLCache

_MOST = 20
_WITHIN = 60.0  # seconds
_REMEMBERED = 4096  # peers with an account; the ones that have been quiet for longest are forgotten first


class FailedLogins:
    """Those of the last minute, as one worker has seen them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without any."""
        self._clock = clock
        self._failures: TTLCache[bytes, deque[float]] = TTLCache(_REMEMBERED, _WITHIN, clock)
        self._locked_until = 0.0
        self.has_locked_out = False
        """Whether there may be anybody to be sent away, which is cheap to know."""

    def seconds_left(self, peer: str, account: str) -> float:
        """Return for how long a peer is not judged for an account; 0 if it is."""
        self.has_locked_out = self._clock() < self._locked_until
        failures = self._failures.get(_key(peer, account))
        if failures is None or len(failures) < _MOST:
            return 0
        return min(max(0.0, failures[0] + _WITHIN - self._clock()), _WITHIN)  # in spite of rounding

    def add(self, peer: str, account: str) -> None:
        """Take note of one more."""
        key, now = _key(peer, account), self._clock()
        failures = self._failures.get(key, deque[float](maxlen=_MOST))
        failures.append(now)
        self._failures[key] = failures  # and remember it from now on
        if len(failures) == _MOST:
            self.has_locked_out = True
            self._locked_until = max(self._locked_until, failures[0] + _WITHIN)


def _key(peer: str, account: str) -> bytes:
    """Return something short: what clients name as an account may be long."""
    return hashlib.sha256(f"{peer}\0{account}".encode()).digest()
