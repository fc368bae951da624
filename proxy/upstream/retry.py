"""Whether a failed call is sent again, and after how long. Pure.

Only transient failures are: neither a timeout, nor a bad certificate, nor a status that the upstream means.
"""

import random
from collections.abc import Callable
from typing import Literal

from proxy.profile.calls import Call, Reply

_TRANSIENT = frozenset({500, 502, 503, 504})
_JITTER = 0.025, 0.25  # seconds, so that calls that failed together are not sent again together


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
