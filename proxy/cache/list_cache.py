"""Lists that are cached for a few seconds, and how writes invalidate them.

Laws: a list is shown only to the credentials that read it, and not once the upstream has refused them since;
a list whose loading began before a write ended is not shown after that write, unless the upstream has refused
the write; memory is bounded by bytes.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

from cachetools import LRUCache

from proxy.cache.keys import Key, Owner
from proxy.cache.single_flight import SingleFlight
from proxy.cache.stores import Generation, OwnerState, SavedList, Store
from proxy.errors import NOT_SHOWN_YET, Fault, LegacyError
from proxy.net.deadlines import seconds_left


class Cacheable(Protocol):
    """A value that the cache can hold."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""

    def to_bytes(self) -> bytes:
        """Return it as bytes, for other replicas."""

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the value that `to_bytes` made bytes of."""


V = TypeVar("V", bound=Cacheable)
D = TypeVar("D")


class Loaded(NamedTuple, Generic[V, D]):
    """A value as it was loaded, and digests of the upstream pages that it was made from."""

    value: V
    page_digests: D | None = None
    """None where they are not known, as for a list that another replica has loaded."""


Loader = Callable[[Loaded[V, D] | None], Coroutine[Any, Any, Loaded[V, D]]]
"""Loads a value; the last one, where it is still there, spares work where the upstream's pages are equal."""

_RETRY_PAUSE = 0.25
"""Seconds between two attempts to tell the other workers and replicas of a write."""


class CachePolicy(NamedTuple):
    """How long and how much is cached."""

    ttl: float
    """Seconds for which a list answers requests; 0 caches nothing."""
    stale_ttl: float
    """Seconds after that for which it still answers while it is loaded again (stale-while-revalidate)."""
    max_bytes: int

    @property
    def lifetime(self) -> float:
        """Seconds after which a list is never shown."""
        return self.ttl + self.stale_ttl if self.ttl else 0


class _Entry(NamedTuple, Generic[V, D]):
    loaded: Loaded[V, D]
    generation: Generation | None
    """None for an entry that is not shown and only spares work."""
    started_at: float
    """When its loading began, in seconds of a monotonic clock."""


class ListCache(Generic[V, D]):
    """The lists that one worker caches."""

    def __init__(
        self, kind: type[V], policy: CachePolicy, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Cache values of one kind; the `store` tells of writes by other workers and replicas."""
        self._kind = kind
        self._policy = policy
        self._store = store
        self._clock = clock
        self._entries: LRUCache[Key, _Entry[V, D]] = LRUCache(policy.max_bytes, _size)
        self._refused_at = store.refused_at
        self._loading = SingleFlight(clock)
        self._background: set[asyncio.Task[None]] = set()

    def peek(self, key: Key) -> V | None:
        """Return a list within its TTL, where that can be told without awaiting the store."""
        entry = self._unrefused(key) if self._policy.ttl else None
        if entry is None or self._clock() - entry.started_at >= self._policy.ttl:
            return None
        state = self._store.peek(key.owner)
        is_current = state is not None and state.is_quiescent and state.generation == entry.generation
        return entry.loaded.value if is_current else None

    def __contains__(self, key: Key) -> bool:
        """Whether there is an entry, even one that is not shown any more."""
        return key in self._entries

    async def view(self, owner: Owner) -> "CacheView[V, D]":
        """Return what is cached of an owner's data, as of now: with every acknowledged write."""
        return CacheView(self, await self._store.state(owner))

    @asynccontextmanager
    async def invalidating(
        self, owner: Owner, unsettled_for: float = 0, timeout_fault: Fault = NOT_SHOWN_YET
    ) -> AsyncIterator[Callable[[], Awaitable[object | None]]]:
        """Invalidate lists whose loading begins before the block ends. The block writes to the upstream.

        A LegacyError that `has_no_effect` invalidates nothing, so that strangers cannot. For this reason the
        generation of the data changes only behind a write, before its answer; that of writes before it too.

        Yields how to read the state of both, which tells a repeated write of another one that has begun or
        ended; None where it is unknown. The write may change the data once more, at an unknown moment within
        `unsettled_for` seconds; nothing is cached until then. LegacyError with `timeout_fault` where the
        write is done, but others may still show old data at the deadline.
        """
        was_told = await self._store.advance(owner.writes)
        try:
            yield partial(self._state_of_writes, owner)
        except BaseException as error:
            # A store that cannot be told of the beginning has no cache that a stranger could spoil
            if not (was_told and isinstance(error, LegacyError) and error.has_no_effect):
                await self._announce(owner, unsettled_for)
            raise
        telling = await self._announce(owner, unsettled_for)
        if not telling.done():
            raise LegacyError(timeout_fault)
        telling.result()

    async def _state_of_writes(self, owner: Owner) -> object | None:
        states = await self._store.state(owner.writes), await self._store.state(owner)
        return None if None in states else states

    async def _announce(self, owner: Owner, unsettled_for: float) -> asyncio.Task[None]:
        """Tell others of a write, which goes on after the deadline and after the client has disconnected."""
        telling = self._in_background(self._tell(owner, unsettled_for))
        await asyncio.wait([telling], timeout=seconds_left())
        return telling

    async def _tell(self, owner: Owner, unsettled_for: float) -> None:
        """Tell others of a write, again and again until every list from before it has ended anyway."""
        until = self._clock() + self._policy.lifetime
        while not await self._store.advance(owner, unsettled_for):
            left = until - self._clock()
            if left <= 0:
                return
            await asyncio.sleep(min(left, _RETRY_PAUSE))

    def _unrefused(self, key: Key) -> _Entry[V, D] | None:
        """Return an entry, unless its credentials have been refused since its loading began."""
        entry = self._entries.get(key)
        return entry if entry and entry.started_at > self._refused_at[key.slot] else None

    def revoke(self, key: Key) -> None:
        """Stop showing, on every worker, what these credentials have read until now."""
        self._refused_at[key.slot] = self._clock()

    async def finish_background(self) -> None:
        """Wait for background work: lists that are saved or loaded again, writes that are being told."""
        while self._background:
            await asyncio.wait(self._background)

    # For views

    def lookup(self, key: Key, state: OwnerState, reload: Loader[V, D] | None) -> V | None:
        """Return a list within its TTL, or a stale one, which `reload` then loads again in the background."""
        entry = self._unrefused(key) if self._policy.ttl else None
        if entry is None:
            return None
        age = self._clock() - entry.started_at
        is_current = entry.generation == state.generation and state.is_quiescent
        if not is_current or age >= self._policy.lifetime:
            return None
        if age >= self._policy.ttl and reload:
            self._reload(key, state, reload)
        return entry.loaded.value

    async def lookup_shared(self, key: Key, state: OwnerState) -> V | None:
        """Return a list that another replica has saved in the store, and cache it here too."""
        if not (self._store.saves_lists and self._policy.ttl and state.is_quiescent):
            return None
        now = self._clock()
        if now - self._refused_at[key.slot] < self._policy.lifetime:  # it may be older than the refusal
            return None

        async def load() -> V | None:
            saved = await self._store.load(key, state.generation)
            if saved is None or saved.ttl > self._policy.lifetime:  # the clock of the store went back
                return None
            started_at = now + saved.ttl - self._policy.lifetime
            value = self._kind.from_bytes(saved.content)
            self._put(key, _Entry(Loaded(value), state.generation, started_at))
            return value

        return await self._loading.run((key, state.generation, "saved"), self._policy.ttl, load)

    async def load(self, key: Key, state: OwnerState | None, loader: Loader[V, D]) -> V:
        """Load a value; requests for the same one share the loading while its result would be fresh."""

        async def load() -> V:
            started_at, last = self._clock(), self._entries.get(key)
            loaded = await loader(last.loaded if last else None)
            now = await self._store.state(key.owner) if self._policy.ttl else None
            is_current = state is not None and now == (state.generation, True)
            if state and is_current and started_at > self._refused_at[key.slot]:
                self._put(key, _Entry(loaded, state.generation, started_at))
                self._save(key, state.generation, loaded.value, started_at)
            else:
                self._put(key, _Entry(loaded, None, started_at))
            return loaded.value

        if state is None or not self._policy.ttl:
            return await load()
        return await self._loading.run(self._flight(key, state), self._policy.ttl, load)

    def _flight(self, key: Key, state: OwnerState) -> Hashable:
        """Name a loading: requests after a write or a refusal join none that began before it."""
        return key, state.generation, self._refused_at[key.slot]

    def _put(self, key: Key, entry: _Entry[V, D]) -> None:
        newest = self._entries.get(key)
        if _size(entry) <= self._policy.max_bytes and (
            newest is None or newest.started_at <= entry.started_at
        ):
            self._entries[key] = entry

    def _save(self, key: Key, generation: Generation, value: V, started_at: float) -> None:
        ttl = started_at + self._policy.lifetime - self._clock()
        if self._store.saves_lists and ttl > 0:
            self._in_background(self._store.save(key, generation, SavedList(value.to_bytes(), ttl)))

    def _reload(self, key: Key, state: OwnerState, loader: Loader[V, D]) -> None:
        async def reload() -> None:
            try:
                await self.load(key, state, loader)
            except LegacyError as error:  # a request after the stale TTL gets the fault
                if error.refuses_credentials:
                    self.revoke(key)

        if self._flight(key, state) not in self._loading:
            self._in_background(reload())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)  # the loop holds only weak references to tasks
        task.add_done_callback(self._background.discard)
        return task


class CacheView(Generic[V, D]):
    """What is cached of one owner's data at one moment."""

    def __init__(self, lists: ListCache[V, D], state: OwnerState | None) -> None:
        """Look at `lists` with the state that the owner's data has now."""
        self._lists = lists
        self._state = state

    async def find(self, key: Key, reload: Loader[V, D] | None = None) -> V | None:
        """Return a cached list, of this worker or of another replica; `reload` loads a stale one again."""
        if self._state is None:
            return None
        found = self._lists.lookup(key, self._state, reload)
        return await self._lists.lookup_shared(key, self._state) if found is None else found

    async def get_or_load(self, key: Key, loader: Loader[V, D]) -> V:
        """Return a cached list, or load it; requests for the same key share the loading."""
        found = await self.find(key, loader)
        return await self._lists.load(key, self._state, loader) if found is None else found


def _size(entry: _Entry[Any, Any]) -> int:
    size: int = entry.loaded.value.nbytes + 1024  # and its key
    return size
