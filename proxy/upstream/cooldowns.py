"""For how long an upstream asks to be left alone, and by whom. Pure: it awaits nothing."""

import math
import re
from collections.abc import Callable, Mapping

from cachetools import LRUCache

from proxy.errors import DECLINED, TOO_MANY_REQUESTS, Fault
from proxy.profile.calls import Reply
from proxy.profile.conversions import parse_rfc_2822

_MOST = 4096
_PAUSING: Mapping[int, Fault] = {429: TOO_MANY_REQUESTS, 503: DECLINED}


class Cooldowns:
    """Those whom an upstream has asked to leave it alone; where they are too many, some are forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start with nobody."""
        self._clock = clock
        self._ends: LRUCache[int, tuple[float, Fault]] = LRUCache(_MOST)

    def answered(self, who: int, reply: Reply) -> None:
        """Take note of an answer that may ask for a pause; one under way is not cut short."""
        fault = _PAUSING.get(reply.status)
        if fault is None or "retry-after" not in reply.headers:
            return
        until, _ = self._ends.get(who, (0.0, None))
        self._ends[who] = max(until, self._clock() + (reply.retry_after or 1)), fault

    def fault(self, who: int) -> Fault | None:
        """Return what somebody is told instead of asking, None who may ask."""
        if not self._ends:
            return None
        until, fault = self._ends.get(who, (0.0, DECLINED))
        left = until - self._clock()
        return fault.with_header("Retry-After", str(math.ceil(left))) if left > 0 else None


_GMT = re.compile(r"(.{1,40}) GMT")


def as_seconds(asked: str, date: str | None, now: float) -> str:
    """Return a Retry-After in seconds where it is a date (RFC 9110 section 10.2.3).

    It is counted from the `date` of the same answer: what the clocks differ by does not matter.
    """
    until = _timestamp(asked)
    if until is None:
        return asked
    since = _timestamp(date or "")
    return str(max(0, until - int(now if since is None else since)))


def _timestamp(date: str) -> int | None:
    found = _GMT.fullmatch(date)
    return parse_rfc_2822(f"{found[1]} +0000") if found else None
