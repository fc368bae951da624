"""Lists that are remembered for a few seconds: one walk serves everybody who asks in the meantime.

Laws: nobody is shown what was read with other credentials; what was read before a write, or while it lasted,
is not shown after it; memory is bounded by bytes.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from cachetools import LRUCache

from proxy.model import Account
from proxy.snapshots.generations import Generations, Owner, owner_of


class Sized(Protocol):
    """What can be remembered."""

    @property
    def nbytes(self) -> int: ...


V = TypeVar("V", bound=Sized)


class Key(NamedTuple):
    """What was asked, and by whom."""

    owner: Owner
    account_sid: str
    credential: bytes
    """A digest: nobody can ask with it."""
    what: tuple[str | None, ...]

    def about(self, *what: str | None) -> "Key":
        """Return the key of something else that the same account asks for."""
        return self._replace(what=what)


def key_of(account: Account, *what: str | None) -> Key:
    """Return the key of something that `account` asks for."""
    credentials = account.credentials
    text = f"{len(credentials.username)}:{credentials.username}{credentials.password}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return Key(owner_of(account), account.sid, digest, what)


@dataclass(frozen=True, slots=True)
class _Snapshot(Generic[V]):
    value: V
    generation: int
    at: float
    """When its walk began, in seconds of a monotonic clock."""


class _Flight(Generic[V]):
    """One walk and those who wait for it; where nobody does any more, it ends."""

    def __init__(self, walk: Coroutine[Any, Any, V], landed: Callable[[], None]) -> None:
        self._task = asyncio.create_task(walk)
        self._waiting = 0
        self._landed = landed
        self._task.add_done_callback(lambda _: landed())

    async def wait(self) -> V:
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self._task.done():
                self._landed()  # at once: nobody may join a walk that is about to end
                self._task.cancel()


class Snapshots(Generic[V]):
    """What one worker remembers."""

    def __init__(
        self,
        generations: Generations,
        fresh: float,
        most_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember for `fresh` seconds, 0 for not at all."""
        self._generations = generations
        self._fresh = fresh
        self._clock = clock
        self._most_bytes = most_bytes
        self._snapshots: LRUCache[Key, _Snapshot[V]] = LRUCache(most_bytes, _size)
        self._flights: dict[tuple[Key, int], _Flight[V]] = {}

    def fresh(self, key: Key) -> V | None:
        """Return what is remembered and may be shown."""
        snapshot = self._snapshots.get(key)
        if snapshot is None:
            return None
        now, is_current = self._clock(), snapshot.generation == self._generations.of(key.owner)
        if is_current and now - snapshot.at < self._fresh and self._generations.is_settled(key.owner, now):
            return snapshot.value
        del self._snapshots[key]
        return None

    async def obtain(self, key: Key, walk: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return what is remembered, or what `walk` brings; who asks the same at the same time shares it."""
        if (known := self.fresh(key)) is not None:
            return known
        # Who asks after a write must not be answered by a walk that began before it
        now = key, self._generations.of(key.owner)
        if (flight := self._flights.get(now)) is None:
            flight = self._flights[now] = _Flight(self._walk(*now, walk), lambda: self._land(now, flight))
        return await flight.wait()

    def _land(self, key: tuple[Key, int], flight: _Flight[V] | None) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _walk(self, key: Key, generation: int, walk: Callable[[], Coroutine[Any, Any, V]]) -> V:
        began = self._clock()
        snapshot = _Snapshot(await walk(), generation, began)
        if (
            self._fresh
            and generation == self._generations.of(key.owner)
            and _size(snapshot) <= self._most_bytes
        ):
            self._snapshots[key] = snapshot
        return snapshot.value

    @contextmanager
    def writing(self, account: Account, settles_within: float = 0) -> Iterator[None]:
        """Make what was read before the block, or is read while it lasts, out of date.

        What the write has started may change the data once more, at a moment that nobody tells, for as many
        seconds as it `settles_within`; nothing is remembered meanwhile.
        """
        owner = owner_of(account)
        self._generations.next(owner)
        try:
            yield
        finally:
            if settles_within:
                self._generations.unsettle(owner, self._clock() + settles_within)
            self._generations.next(owner)


def _size(snapshot: _Snapshot[V]) -> int:
    return snapshot.value.nbytes + 1024  # and its key
