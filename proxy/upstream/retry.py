"""Whether a failed call is sent again, and after how long. Pure.

Only transient failures are: neither a timeout, nor a bad certificate, nor a status that the upstream means.
A budget bounds them: an upstream in trouble gets little more load than clients alone would cause.
"""

import random
from collections.abc import Callable
from typing import Literal

from proxy.profile.calls import Call, Reply
from proxy.upstream.sliding_counts import SlidingCounts

_TRANSIENT = frozenset({500, 502, 503, 504})
_JITTER = 0.025, 0.25  # seconds, so that calls that failed together are not sent again together
_MIN_RETRIES = 3
_CALLS_PER_RETRY = 5


def retry_delay(
    call: Call,
    sent: int,
    reply: Reply | Literal["unsent"] | None,
    left: float,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float | None:
    """Return the seconds to wait before `call`, which was `sent` so many times, is sent again; None if never.

    `reply` is the last reply, None where the connection failed, "unsent" where it failed before the request's
    first byte: then nothing can happen twice. `left` are the seconds that the whole call may still take.
    """
    if sent > (max(call.retries, 1) if reply == "unsent" else call.retries):
        return None
    if isinstance(reply, Reply) and reply.status not in _TRANSIENT:
        return None
    asked = isinstance(reply, Reply) and reply.retry_after
    seconds = asked or uniform(*_JITTER)
    return seconds if seconds < left else None


class RetryBudget:
    """A fifth of the calls of the last ten seconds, and at least three."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._counts = SlidingCounts(clock)

    def record_call(self) -> None:
        self._counts.add(0)

    def take(self) -> bool:
        """Return whether a retry fits into the budget, and count it if it does."""
        calls, retries = self._counts.totals()
        if retries >= max(_MIN_RETRIES, calls // _CALLS_PER_RETRY):
            return False
        self._counts.add(1)
        return True
