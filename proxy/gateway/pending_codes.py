"""Validation calls whose code was spoken on the phone, and is expected back within ten minutes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from proxy.errors import NO_SUCH_CALL, TOO_MANY_REQUESTS, LegacyError
from proxy.model import Account, Verify

_LIFETIME = 600  # seconds within which a code can come back
_MAX_CALLS = 10_000
_MAX_ATTEMPTS = 5  # of a million codes, for each number


@dataclass(frozen=True, slots=True)
class PendingCall:
    """The account that asked for a call, and the upstream's name for it."""

    account: Account
    pending: str


class PendingCalls:
    """The calls of the last ten minutes, by number; a newer call to a number replaces the older one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls: TTLCache[str, PendingCall] = TTLCache(_MAX_CALLS, _LIFETIME, clock)
        self._attempts: TTLCache[str, int] = TTLCache(_MAX_CALLS, _LIFETIME, clock)

    def add(self, number: str, call: PendingCall) -> None:
        """Expect the code of a call to `number`, E.164. A new call brings no new attempts."""
        self._calls[number] = call

    def attempt(self, number: str, code: str) -> tuple[Verify, Account]:
        """Return what to ask the upstream; LegacyError 404 without such a call, 429 after five attempts."""
        attempts = self._attempts.get(number, 0) + 1
        if attempts > _MAX_ATTEMPTS:
            raise LegacyError(TOO_MANY_REQUESTS.with_header("Retry-After", str(_LIFETIME)))
        self._attempts[number] = attempts
        call = self._calls.get(number)
        if call is None:
            raise LegacyError(NO_SUCH_CALL)
        return Verify(call.account.sid, number, call.pending, code), call.account

    def complete(self, number: str) -> None:
        """Forget a call whose code was right."""
        self._calls.pop(number, None)
        self._attempts.pop(number, None)
