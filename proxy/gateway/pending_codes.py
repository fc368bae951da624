"""Validation calls that spoke their code and wait for somebody to bring it back."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

from proxy.errors import NO_SUCH_CALL, TOO_MANY_REQUESTS, LegacyError
from proxy.model import Account, Verify

_LIFETIME = 600  # seconds that a code can be brought back
_MOST = 10_000
_TRIES = 5  # a code has a million values, and nobody types that many


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who asked for a call, and what the upstream calls it."""

    account: Account
    pending: str


class PendingCalls:
    """The calls of the last ten minutes, by number; a newer call to a number replaces the older one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without any."""
        self._waiting: TTLCache[str, Waiting] = TTLCache(_MOST, _LIFETIME, clock)
        self._tries: TTLCache[str, int] = TTLCache(_MOST, _LIFETIME, clock)

    def add(self, number: str, waiting: Waiting) -> None:
        """Remember a call to `number`, E.164. A new call does not bring new tries with it."""
        self._waiting[number] = waiting

    def attempt(self, number: str, code: str) -> tuple[Verify, Account]:
        """Return what to ask the upstream; LegacyError 404 where no call waits, 429 after too many tries."""
        tries = self._tries.get(number, 0) + 1
        if tries > _TRIES:
            raise LegacyError(TOO_MANY_REQUESTS.with_header("Retry-After", str(_LIFETIME)))
        self._tries[number] = tries
        waiting = self._waiting.get(number)
        if waiting is None:
            raise LegacyError(NO_SUCH_CALL)
        return Verify(waiting.account.sid, number, waiting.pending, code), waiting.account

    def done(self, number: str) -> None:
        """Forget a call whose code was right."""
        self._waiting.pop(number, None)
        self._tries.pop(number, None)
