"""Toll fraud: how many validation calls are placed to a number, for an account and for a peer.

A call that the upstream certainly did not place costs nothing. Where that is unknown, it counts.
"""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from proxy.cache import Bucket, Limit, Purpose, Refusal, TokenBuckets, digest_credentials
from proxy.errors import TOO_MANY_REQUESTS, TOO_SLOW_TO_TELL, UNKNOWN_OUTCOME, LegacyError
from proxy.model import Account, Validate
from proxy.observe.counters import LimitName
from proxy.observe.failures import FailureLog

_MAY_RING = (UNKNOWN_OUTCOME.kind, TOO_SLOW_TO_TELL.kind)


class LimitExceededError(LegacyError):
    """A limit refuses the request, which is counted and logged already."""

    def __init__(self, seconds: float) -> None:
        """Say for how many seconds it will."""
        super().__init__(TOO_MANY_REQUESTS.with_header("Retry-After", str(math.ceil(seconds))))


def _name_payer(account: Account) -> str:
    """Return what stands for an account, however its caller writes the Sid, in whatever letters.

    Where callers pass on their own credentials, and these alone tell the upstream whose call it is, any Sid
    is as good as another one.
    """
    is_made_up = account.is_own and account.owner is not None and not account.owner.is_apart
    return digest_credentials(account.credentials).hex() if is_made_up else account.sid.lower()


class CallLimits:
    """The limits of a configuration; a name without a limit is not counted."""

    def __init__(
        self, limits: Mapping[LimitName, Limit], buckets: TokenBuckets, failures: FailureLog
    ) -> None:
        self._limits = limits
        self._buckets = buckets
        self._failures = failures

    @asynccontextmanager
    async def counting(self, operation: Validate, account: Account, peer: str) -> AsyncIterator[None]:
        """Count the call that the block places; LegacyError 429 instead where a limit refuses it."""
        # A number is called by whatever account
        keys = {"per_number": operation.phone_number, "per_account": _name_payer(account), "per_peer": peer}
        buckets = [Bucket(Purpose.CALLS, name, keys[name], limit) for name, limit in self._limits.items()]
        taken = await self._buckets.take(*buckets) if buckets else None
        if isinstance(taken, Refusal):
            limit = cast(LimitName, taken.bucket.name)
            self._failures.call_refused(limit, account.sid, operation.phone_number, is_own=account.is_own)
            raise LimitExceededError(taken.seconds)
        try:
            yield
        except LegacyError as error:
            if taken and error.fault.kind not in _MAY_RING:
                await self._buckets.give_back(taken)
            raise
