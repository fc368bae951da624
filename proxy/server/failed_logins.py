"""Failed logins: a peer that guesses at the token of an account is soon locked out of that account.

Laws: never more than twenty logins a minute of one peer to one account fail; other peers and other accounts
are not affected; a login that succeeds changes nothing; memory is bounded (hardening.md section 1, row 32).
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable

from cachetools import TTLCache

_MOST = 20
_WITHIN = 60.0  # seconds
_MOST_KEPT = 4096  # pairs of peer and account; the oldest are evicted first


class FailedLogins:
    """The failed logins of the last minute, as one worker has seen them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any."""
        self._clock = clock
        self._failures: TTLCache[bytes, deque[float]] = TTLCache(_MOST_KEPT, _WITHIN, clock)
        self._locked_until = 0.0
        self.has_locked_out = False
        """Whether any peer may be locked out at the moment, which is cheap to know."""

    def seconds_left(self, peer: str, account: str) -> float:
        """Return for how many seconds a peer is locked out of an account; 0 if it is not."""
        self.has_locked_out = self._clock() < self._locked_until
        failures = self._failures.get(_key(peer, account))
        if failures is None or len(failures) < _MOST:
            return 0
        return min(max(0.0, failures[0] + _WITHIN - self._clock()), _WITHIN)  # in spite of rounding

    def add(self, peer: str, account: str) -> None:
        """Count one more."""
        key, now = _key(peer, account), self._clock()
        failures = self._failures.get(key, deque[float](maxlen=_MOST))
        failures.append(now)
        self._failures[key] = failures  # anew, which renews its time to live
        if len(failures) == _MOST:
            self.has_locked_out = True
            self._locked_until = max(self._locked_until, failures[0] + _WITHIN)


def _key(peer: str, account: str) -> bytes:
    """Return a short key: the user names that clients send may be long."""
    return hashlib.sha256(f"{peer}\0{account}".encode()).digest()
