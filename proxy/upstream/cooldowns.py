"""How long an upstream asks to be left alone, and with which credentials. Pure: it awaits nothing."""

import math
import re
from collections.abc import Callable, Mapping

from cachetools import LRUCache

from proxy.errors import DECLINED, TOO_MANY_REQUESTS, Fault
from proxy.profile.calls import Reply
from proxy.profile.conversions import parse_rfc_2822

_MAX_CREDENTIALS = 4096
_PAUSING: Mapping[int, Fault] = {429: TOO_MANY_REQUESTS, 503: DECLINED}
_UNREADABLE = 1  # seconds
_LEAST, _MOST = 1, 3600  # seconds
_MAX_DIGITS = 9  # of seconds
_ROUNDING = 1e-6  # seconds: a time plus 3600 s, minus the same time, may be a little more
# The forms of a date in HTTP (RFC 9110 section 5.6.7): today's and that of RFC 850, and that of asctime
_GMT = re.compile(r"(.{1,40}) GMT")
_ASCTIME = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ 0-9][0-9]) ([0-9:]{8}) ([0-9]{4})")


class Cooldowns:
    """Pauses under way, by credentials; beyond 4096 the least recently used are dropped."""

    def __init__(self, clock: Callable[[], float]) -> None:
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
        if left <= 0:
            return None
        return fault.with_header("Retry-After", str(max(_LEAST, math.ceil(left - _ROUNDING))))


def seconds_of(value: str, date: str | None, now: float) -> int:
    """Return the seconds of a Retry-After, from 1 to 3600 (hardening.md, fault 15); 0 where it is unreadable.

    A date (RFC 9110 section 10.2.3) is counted from the `date` of the same answer, so that it does not matter
    by how much the clocks differ; from `now` where the answer has none.
    """
    until = _timestamp(value)
    if until is not None:
        since = _timestamp(date or "")
        seconds = until - int(now if since is None else since)
    elif re.fullmatch("[0-9]+", value):
        seconds = int(value.lstrip("0")[:_MAX_DIGITS] or 0)
    else:
        return 0
    return min(max(seconds, _LEAST), _MOST)


def _timestamp(date: str) -> int | None:
    if found := _GMT.fullmatch(date):
        return parse_rfc_2822(f"{found[1]} +0000")
    if found := _ASCTIME.fullmatch(date):
        month, day, time, year = found.groups()
        return parse_rfc_2822(f"{day.strip()} {month} {year} {time} +0000")
    return None
