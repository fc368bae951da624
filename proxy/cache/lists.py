"""Lists that are remembered for a few seconds: one walk serves everybody who asks in the meantime.

Laws: nobody is shown what was read with other credentials, or with the same ones before they were refused;
what was read before a write, or while it lasted, is not shown after it; memory is bounded by bytes.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

from cachetools import LRUCache

from proxy.cache.keys import Key, Owner
from proxy.cache.stores import Generation, Kept, State, Store
from proxy.errors import NOT_SHOWN_YET, Fault, LegacyError
from proxy.net.deadlines import begin_request, seconds_left


class Listable(Protocol):
    """What can be remembered."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""

    def packed(self) -> bytes:
        """Return it as bytes, for others."""

    @classmethod
    def unpacked(cls, content: bytes) -> Self:
        """Return what `packed` made bytes of."""


T = TypeVar("T")
V = TypeVar("V", bound=Listable)
Walk = Callable[[V | None], Coroutine[Any, Any, V]]
"""Reads anew; what was remembered last may spare it some of the work."""

_TRY_AGAIN = 0.25
"""Seconds between two attempts to tell others of a write."""


class Terms(NamedTuple):
    """How long and how much is remembered."""

    fresh: float
    """Seconds for which a list serves everybody; 0 for not at all."""
    stale: float
    """Seconds after that for which it still serves while it is read anew."""
    most_bytes: int

    @property
    def lifetime(self) -> float:
        """Seconds after which nobody is shown a list any more, whatever happens."""
        return self.fresh + self.stale if self.fresh else 0


@dataclass(frozen=True, slots=True)
class _Snapshot(Generic[V]):
    value: V
    generation: Generation | None
    """None for what is not shown."""
    at: float
    """When its walk began, in seconds of a monotonic clock."""


class _Flight(Generic[T]):
    """Something under way and those who wait for it; where nobody does any more, it ends.

    Its time is its own: who began it may have had little left, and who joined it has more.
    """

    def __init__(
        self, work: Callable[[], Coroutine[Any, Any, T]], at: float, landed: Callable[[], None]
    ) -> None:
        self.at = at
        self._task = asyncio.create_task(_fly(work))
        self._waiting = 0
        self._landed = landed
        self._task.add_done_callback(lambda _: landed())

    async def wait(self) -> T:
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self._task.done():
                self._landed()  # at once: nobody may join what is about to end
                self._task.cancel()


async def _fly(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    begin_request()
    return await work()


class _Flights:
    """What is under way, by what it brings."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._flights: dict[Hashable, _Flight[Any]] = {}

    def __contains__(self, what: Hashable) -> bool:
        return what in self._flights

    async def join(self, what: Hashable, at_most: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Share what began less than so many seconds ago, or begin it."""
        flight: _Flight[T] | None = self._flights.get(what)
        if flight is None or self._clock() - flight.at >= at_most:
            flight = self._take_off(what, work)
        return await flight.wait()

    def _take_off(self, what: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
        def landed() -> None:
            if self._flights.get(what) is flight:
                del self._flights[what]

        flight = self._flights[what] = _Flight(work, self._clock(), landed)
        return flight


class ListCache(Generic[V]):
    """What one worker remembers."""

    def __init__(
        self, kind: type[V], terms: Terms, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Remember values of one kind, as long as the `store` knows of no write."""
        self._kind = kind
        self._terms = terms
        self._store = store
        self._clock = clock
        self._snapshots: LRUCache[Key, _Snapshot[V]] = LRUCache(terms.most_bytes, _size)
        self._refused = store.refused
        self._flights = _Flights(clock)
        self._background: set[asyncio.Task[None]] = set()

    def from_cache(self, key: Key) -> V | None:
        """Return what is remembered and fresh, where nobody has to be asked whether it may be shown."""
        snapshot = self._unrefused(key)
        if snapshot is None or self._clock() - snapshot.at >= self._terms.fresh:
            return None
        state = self._store.known(key.owner)
        is_current = state is not None and state.is_quiescent and state.generation == snapshot.generation
        return snapshot.value if is_current else None

    def holds(self, key: Key) -> bool:
        """Whether something is remembered, be it out of date."""
        return key in self._snapshots

    async def view(self, key: Key) -> "View[V]":
        """Return what is remembered for a caller as it stands now: with every acknowledged write."""
        return View(self, key, await self._store.state(key.owner))

    @asynccontextmanager
    async def writing(
        self, owner: Owner, settles_within: float = 0, too_late: Fault = NOT_SHOWN_YET
    ) -> AsyncIterator[Callable[[], Awaitable[State | None]]]:
        """Make what was read before the block, or is read while it lasts, out of date.

        Yields how to ask how the data stands, for those who would write once more. Where others still show
        what was before a write, and its request has no time left, it is `too_late` to say that it was done.

        What the write has started may change the data once more, at a moment that nobody tells, for as many
        seconds as it `settles_within`; nothing is remembered meanwhile.
        """
        await self._store.next(owner)
        try:
            yield partial(self._store.state, owner)
        finally:
            telling = self._in_background(self._tell(owner, settles_within))  # whether or not anybody waits
            await asyncio.wait([telling], timeout=seconds_left())
        if not telling.done():
            raise LegacyError(too_late)
        telling.result()

    async def _tell(self, owner: Owner, settles_within: float) -> None:
        """Tell others of a write, again and again until they show nothing from before it anyhow."""
        until = self._clock() + self._terms.lifetime
        while not await self._store.next(owner, settles_within):
            left = until - self._clock()
            if left <= 0:
                return
            await asyncio.sleep(min(left, _TRY_AGAIN))

    def _unrefused(self, key: Key) -> _Snapshot[V] | None:
        """Return what is remembered, unless its credentials have been refused since it was read."""
        snapshot = self._snapshots.get(key)
        return snapshot if snapshot and snapshot.at > self._refused[key.slot] else None

    def forget(self, key: Key) -> None:
        """Show nothing any more, with no worker, that was read with a caller's credentials until now."""
        self._refused[key.slot] = self._clock()

    async def settle(self) -> None:
        """Wait for what goes on in the background: lists that are kept or read anew, writes that are told."""
        while self._background:
            await asyncio.wait(self._background)

    # For views

    def remembered(self, key: Key, state: State, refresh: Walk[V] | None) -> V | None:
        """Return what is fresh, or stale and then read anew by `refresh`."""
        snapshot = self._unrefused(key)
        if snapshot is None:
            return None
        age = self._clock() - snapshot.at
        if snapshot.generation != state.generation or not state.is_quiescent or age >= self._terms.lifetime:
            return None
        if age >= self._terms.fresh and refresh:
            self._refresh(key, state, refresh)
        return snapshot.value

    async def loaded(self, key: Key, state: State) -> V | None:
        """Return what the store has kept, and remember it too."""
        if not (self._store.keeps and self._terms.fresh and state.is_quiescent):
            return None
        now = self._clock()
        if now - self._refused[key.slot] < self._terms.lifetime:  # it may have been kept before that
            return None

        async def load() -> V | None:
            kept = await self._store.load(key, state.generation)
            if kept is None or kept.left > self._terms.lifetime:  # by a clock that went back
                return None
            began = now + kept.left - self._terms.lifetime
            value = self._kind.unpacked(kept.content)
            self._remember(key, _Snapshot(value, state.generation, began))
            return value

        return await self._flights.join((key, state.generation, "kept"), self._terms.fresh, load)

    async def shared(self, key: Key, state: State | None, walk: Walk[V]) -> V:
        """Return what `walk` brings; who asks for the same while it would be fresh shares it."""

        async def walked() -> V:
            began, last = self._clock(), self._snapshots.get(key)
            value = await walk(last.value if last else None)
            now = await self._store.state(key.owner) if self._terms.fresh else None
            if state and now == (state.generation, True) and began > self._refused[key.slot]:
                self._remember(key, _Snapshot(value, state.generation, began))
                self._share(key, state.generation, value, began)
            else:  # it is not shown, but spares the next walk some work
                self._remember(key, _Snapshot(value, None, began))
            return value

        if state is None or not self._terms.fresh:
            return await walked()

        return await self._flights.join(self._walking(key, state), self._terms.fresh, walked)

    def _walking(self, key: Key, state: State) -> Hashable:
        """Return what a walk brings: who asks after a write or a refusal joins none that began before it."""
        return key, state.generation, self._refused[key.slot]

    def _remember(self, key: Key, snapshot: _Snapshot[V]) -> None:
        newest = self._snapshots.get(key)
        if _size(snapshot) <= self._terms.most_bytes and (newest is None or newest.at <= snapshot.at):
            self._snapshots[key] = snapshot

    def _share(self, key: Key, generation: Generation, value: V, began: float) -> None:
        left = began + self._terms.lifetime - self._clock()
        if self._store.keeps and left > 0:
            self._in_background(self._store.keep(key, generation, Kept(value.packed(), left)))

    def _refresh(self, key: Key, state: State, walk: Walk[V]) -> None:
        async def refreshed() -> None:
            try:
                await self.shared(key, state, walk)
            except LegacyError as error:  # who asks once it is no longer shown is told
                if error.refuses_credentials:
                    self.forget(key)

        if self._walking(key, state) not in self._flights:
            self._in_background(refreshed())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)  # the loop itself holds tasks but weakly
        task.add_done_callback(self._background.discard)
        return task


class View(Generic[V]):
    """What is remembered for one caller at one moment."""

    def __init__(self, snapshots: ListCache[V], key: Key, state: State | None) -> None:
        """Look at `snapshots` as a caller whose data stands so."""
        self._snapshots = snapshots
        self._key = key
        self._state = state

    async def find(self, *what: str | None, refresh: Walk[V] | None = None) -> V | None:
        """Return what is remembered, here or by others; what is stale is read anew by `refresh` meanwhile."""
        return await self._find(self._key.about(*what), refresh)

    async def get_or_load(self, *what: str | None, walk: Walk[V]) -> V:
        """Return what is remembered, or what `walk` brings; who asks the same at the same time shares it."""
        key = self._key.about(*what)
        known = await self._find(key, walk)
        return await self._snapshots.shared(key, self._state, walk) if known is None else known

    async def _find(self, key: Key, refresh: Walk[V] | None) -> V | None:
        if self._state is None:
            return None
        known = self._snapshots.remembered(key, self._state, refresh)
        return await self._snapshots.loaded(key, self._state) if known is None else known


def _size(snapshot: _Snapshot[V]) -> int:
    return snapshot.value.nbytes + 1024  # and its key
