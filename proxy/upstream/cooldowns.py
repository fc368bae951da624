"""Which credentials an upstream has asked to pause, and until when. Pure: it awaits nothing."""

import math
from collections.abc import Callable, Mapping

from cachetools import LRUCache

from proxy.errors import DECLINED, TOO_MANY_REQUESTS, Fault
from proxy.profile.calls import Reply

_MAX_CREDENTIALS = 4096
_PAUSING: Mapping[int, Fault] = {429: TOO_MANY_REQUESTS, 503: DECLINED}
_UNREADABLE = 1  # seconds


class Cooldowns:
    """Pauses under way, by credentials; beyond 4096 the least recently used are dropped."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without any."""
        self._clock = clock
        self._ends: LRUCache[int, tuple[float, Fault]] = LRUCache(_MAX_CREDENTIALS)

    def record_reply(self, credentials: int, reply: Reply) -> None:
        """Begin a pause where an answer asks for one; one under way is not cut short."""
        fault = _PAUSING.get(reply.status)
        if fault is None or reply.retry_after is None:
            return
        until, _ = self._ends.get(credentials, (0.0, None))
        self._ends[credentials] = max(until, self._clock() + (reply.retry_after or _UNREADABLE)), fault

    def fault_for(self, credentials: int) -> Fault | None:
        """Return what a call with these credentials fails with while they pause; None if they do not."""
        if not self._ends:
            return None
        until, fault = self._ends.get(credentials, (0.0, DECLINED))
        left = until - self._clock()
        return fault.with_header("Retry-After", str(math.ceil(left))) if left > 0 else None
