"""Access tokens: fetched once for all workers of a process tree, and kept until shortly before they end.

A worker that fetches a token holds a lock of the kernel, which is released if the worker is killed. The other
workers wait for the token, which they find in memory that was created before they were forked.
"""

import asyncio
import fcntl
import hashlib
import math
import os
import weakref
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from typing import NamedTuple, Protocol

from cachetools import LRUCache

from proxy.errors import Reason, UpstreamError
from proxy.net.deadlines import TOTAL, seconds_left
from proxy.profile.calls import Call, NoReplyError, Reply, Token, TokenGrant

_MARGIN, _MARGIN_SHARE = 60.0, 10  # seconds before its end, but at most this part of its lifetime
_PAUSE = 1.0  # seconds after a failure in which no token is fetched
_PATIENCE, _DOUBT = 1.0, 60.0  # seconds that a request waits at most, for so long after a failure
_POLL = 0.02  # seconds between two looks at what another worker fetches
_MAX_GRANTS = 4096
_NAME = "token"
_DEADLINE = "the deadline"


class SharedTokens(Protocol):
    """Records in memory that all workers share."""

    async def put(self, group: str, key: str, content: bytes, ttl: float) -> bool:
        """Store a record for so many seconds, in the place of an earlier one; False without room."""

    async def find(self, group: str) -> Mapping[str, bytes]:
        """Return the records of a group by key."""


class FetchLocks:
    """A lock for each token, which one worker at a time holds. It does not exclude tasks of one worker."""

    def __init__(self) -> None:
        """Create them before any worker is forked."""
        self._file = os.memfd_create("callerid-proxy-tokens")
        weakref.finalize(self, os.close, self._file)

    def acquire(self, key: str) -> bool:
        """Take the lock unless another worker holds it; return whether this one has it now."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except OSError:
            return False
        return True

    def release(self, key: str) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(key))


def _place(key: str) -> int:
    """Return the byte that stands for a key; each may be locked by itself."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "big")


class TokenMemory(NamedTuple):
    """What the workers of a host share."""

    records: SharedTokens
    locks: FetchLocks


class _Held(NamedTuple):
    """A token, and until when it is used, by the clock of the event loop, which all workers share."""

    value: str
    until: float

    def __repr__(self) -> str:
        return "_Held(…)"


class _Failed(NamedTuple):
    """Why no token came, and when that was known."""

    error: NoReplyError
    at: float


class TokenCache:
    """The tokens that one worker uses."""

    def __init__(self, send: Callable[[Call], Awaitable[Reply]], memory: TokenMemory | None = None) -> None:
        """Fetch tokens by `send`; without `memory`, each worker has its own."""
        self._send = send
        self._memory = memory
        self._now = asyncio.get_running_loop().time
        self._held: LRUCache[str, _Held] = LRUCache(_MAX_GRANTS)
        self._failed: LRUCache[str, _Failed] = LRUCache(_MAX_GRANTS)
        self._loading: dict[str, asyncio.Task[_Held]] = {}

    def close(self) -> None:
        for task in self._loading.values():
            task.cancel()

    async def get(self, grant: TokenGrant, refused: str = "") -> str:
        """Return a token; one that differs from the `refused` one, unless the token server has no other.

        NoReplyError where there is none.
        """
        held = self._held.get(grant.key)
        if held and held.value != refused and held.until > self._now():
            return held.value
        joins = grant.key in self._loading
        held = await self._wait(grant, refused)
        if joins and held.value == refused:  # other requests began that load before the refusal
            held = await self._wait(grant, refused)
        return held.value

    async def _wait(self, grant: TokenGrant, refused: str) -> _Held:
        """Wait for the load that is under way, or begin one; it goes on if this request ends.

        Shortly after a failure, the token server may stall again: then not every request waits until its end.
        """
        left, limit = seconds_left(), _DEADLINE
        if failed := self._failed.get(grant.key):
            age = self._now() - failed.at
            if age < _PAUSE:
                raise _failure(failed.error)
            if age < _DOUBT and left > _PATIENCE:
                left, limit = _PATIENCE, "a second after a failure"
        task = self._loading.get(grant.key)
        if task is None:
            loading = self._load(grant, refused)
            # It has neither the deadline nor the answers of the request that begins it
            task = asyncio.get_running_loop().create_task(loading, context=Context())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._loading[grant.key] = task
        try:
            async with asyncio.timeout(left if left < math.inf else None):
                return await asyncio.shield(task)
        except TimeoutError as error:
            raise _out_of_time(limit) from error

    async def _load(self, grant: TokenGrant, refused: str) -> _Held:
        try:
            held = self._held[grant.key] = await self._load_in_time(grant, refused)
        except NoReplyError as error:
            self._failed[grant.key] = _Failed(error, self._now())
            raise
        else:
            self._failed.pop(grant.key, None)
            return held
        finally:
            del self._loading[grant.key]

    async def _load_in_time(self, grant: TokenGrant, refused: str) -> _Held:
        try:
            async with asyncio.timeout(TOTAL):
                return await self._find_or_fetch(grant, refused)
        except TimeoutError as error:
            raise _out_of_time() from error

    async def _find_or_fetch(self, grant: TokenGrant, refused: str) -> _Held:
        memory = self._memory
        if memory is None:
            return await self._fetch(grant)
        while True:
            is_mine = memory.locks.acquire(grant.key)
            try:
                found = await self._find(memory, grant)
                if found and found.value != refused:
                    return found
                if is_mine:
                    held = await self._fetch(grant)
                    content = f"{held.until} {held.value}".encode()
                    await memory.records.put(grant.key, _NAME, content, held.until - self._now())
                    return held
            finally:
                if is_mine:
                    memory.locks.release(grant.key)
            await asyncio.sleep(_POLL)

    async def _find(self, memory: TokenMemory, grant: TokenGrant) -> _Held | None:
        content = (await memory.records.find(grant.key)).get(_NAME)
        if content is None:
            return None
        until, _, value = content.decode().partition(" ")
        return _Held(value, float(until))

    async def _fetch(self, grant: TokenGrant) -> _Held:
        try:
            begun = grant.begin()
            token = begun if isinstance(begun, Token) else begun.read(await self._send(begun.call))
        except ValueError as error:
            unsigned = NoReplyError(Reason.REQUEST, was_sent=False, request=_NAME)
            raise unsigned.at_key("auth", "assertion") from error
        except UpstreamError as error:  # the call that needs the token has not been sent
            raise _failure(error) from error
        margin = min(_MARGIN, token.lifetime / _MARGIN_SHARE)
        return _Held(token.value, self._now() + token.lifetime - margin)


def _failure(error: UpstreamError) -> NoReplyError:
    """Return the same failure of a call that has not been sent, for want of a token."""
    failure = NoReplyError(error.reason, error.fault, was_sent=False)
    failure.add_details(**error.details, **({} if "request" in error.details else {"request": _NAME}))
    return failure.at_key(*error.key_path or ("auth", "token_url"))


def _out_of_time(limit: str = _DEADLINE) -> NoReplyError:
    is_end = limit == _DEADLINE
    error = NoReplyError(Reason.TIMEOUT, was_sent=False, is_out_of_time=is_end, limit=limit, request=_NAME)
    return error.at_key("auth", "token_url")
