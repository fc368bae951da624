"""Validation calls whose code was spoken on the phone, and is expected back within ten minutes.

A call belongs to a number and the account that asked for it; workers and replicas share it. What is shared
names the account, and holds no credential: those of an account of the table are looked up when the code comes
back, those that a caller passed on stay in the memory of the worker.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from typing import NamedTuple

import orjson
from cachetools import TTLCache

from proxy.cache import MemoryRecords, SharedRecords
from proxy.gateway.accounts import Accounts
from proxy.model import Account

_LIFETIME = 600  # seconds within which a code can come back
_MAX_OWN = 10_000  # calls with credentials that a caller passed on; the oldest is over first


class PendingCall(NamedTuple):
    """A call, the account that asked for it, and the upstream's name for it."""

    account: Account
    pending: str
    id: str = ""
    """A random one: of it its tries are counted."""


class _Record(NamedTuple):
    """What is shared of a call."""

    call_id: str
    digest: str
    pending: str


class PendingCalls:
    """The calls of the last ten minutes."""

    def __init__(self, records: SharedRecords | None = None) -> None:
        """Share calls through `records`."""
        self._records = records or MemoryRecords()
        self._own: TTLCache[str, Account] | None = None

    def has_room(self, number: str) -> bool:
        """Whether the code of one more call to `number`, E.164, could come back."""
        return self._records.has_room(number)

    async def add(self, number: str, account: Account, pending: str) -> bool:
        """Expect the code of a call, in the place of an earlier one of this account; False without room."""
        call_id = secrets.token_hex(8)
        if account.is_own:
            self._own_accounts[call_id] = account
        content = orjson.dumps(list(_Record(call_id, _digest(account), pending)))
        return await self._records.put(number, account.sid, content, _LIFETIME)

    async def find(self, number: str, accounts: Accounts) -> Sequence[PendingCall]:
        """Return the calls to `number` of accounts that are still configured, with the same upstream."""
        found = list[PendingCall]()
        for sid, content in (await self._records.find(number)).items():
            if (record := _read(content)) is None:
                continue
            account = accounts.find(sid, self._own_accounts.get(record.call_id))
            if account and _digest(account) == record.digest:
                found.append(PendingCall(account, record.pending, record.call_id))
        return found

    async def complete(self, number: str, call: PendingCall) -> None:
        """Forget a call whose code was right."""
        self._own_accounts.pop(call.id, None)
        await self._records.remove(number, call.account.sid)

    @property
    def _own_accounts(self) -> TTLCache[str, Account]:
        if self._own is None:
            self._own = TTLCache(_MAX_OWN, _LIFETIME, asyncio.get_running_loop().time)
        return self._own


def _read(content: bytes) -> _Record | None:
    """Read a record; None for what another version, or another user of Redis, has written."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    match found:
        case [str(call_id), str(digest), str(pending)]:
            return _Record(call_id, digest, pending)
    return None


def _digest(account: Account) -> str:
    """Return what stands for the account upstream: a call is over once its Sid means another one."""
    named = f"{account.upstream}\0{account.upstream_id}"
    return hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:32]
