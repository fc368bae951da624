"""Whether a call that failed is sent again: what may pass by itself, and how long to wait. Pure.

What the upstream has thought about is never asked for twice, nor what was too slow or cannot be trusted.
"""

import random
from collections.abc import Callable
from typing import Literal

from proxy.profile.calls import Call, Reply

_PASSING = frozenset({500, 502, 503, 504})
_JITTER = 0.025, 0.25  # seconds: many that failed together do not come back together


def pause(
    call: Call,
    sent: int,
    reply: Reply | Literal["unsent"] | None,
    left: float,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float | None:
    """Return how many seconds to wait before `call`, sent so many times, is sent again; None if it is not.

    `reply` is what the last sending led to, None where the connection failed, "unsent" where it failed before
    the first byte: then the upstream knows of nothing that could happen twice. `left` is how many seconds the
    whole exchange may still take.
    """
    if sent > (max(call.retries, 1) if reply == "unsent" else call.retries):
        return None
    if isinstance(reply, Reply) and reply.status not in _PASSING:
        return None
    asked = isinstance(reply, Reply) and reply.retry_after
    seconds = asked or uniform(*_JITTER)
    return seconds if seconds < left else None
