"""How long an upstream asks to be left alone: Retry-After, read once, where an answer comes in. Pure."""

import re

from proxy.profile.conversions import parse_rfc_2822

_LEAST, _MOST = 1, 3600  # seconds
_GMT = re.compile(r"(.{1,40}) GMT")


def seconds_of(value: str, date: str | None, now: float) -> int:
    """Return the seconds of a Retry-After, from 1 to 3600 (hardening.md, fault 15); 0 where it is unreadable.

    A date (RFC 9110 section 10.2.3) is counted from the `date` of the same answer, so that it does not matter
    by how much the clocks differ; from `now` where the answer has none.
    """
    until = _timestamp(value)
    if until is not None:
        since = _timestamp(date or "")
        seconds: float = until - int(now if since is None else since)
    elif re.fullmatch("[0-9]+", value):
        seconds = float(value)
    else:
        return 0
    return int(min(max(seconds, _LEAST), _MOST))


def _timestamp(date: str) -> int | None:
    found = _GMT.fullmatch(date)
    return parse_rfc_2822(f"{found[1]} +0000") if found else None
