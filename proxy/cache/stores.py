"""Where workers and replicas tell each other of writes.

A store is shared by the processes that serve the same accounts: the workers of one machine share memory,
replicas share Redis (`proxy.cache.redis_store`). Refused credentials are told to the workers of one machine
only; with replicas a list ends within seconds anyway.
"""

import mmap
import time
from array import array
from collections.abc import Callable
from math import inf
from typing import NamedTuple, Protocol, Self

from proxy.cache.keys import SLOTS, Key, Owner

Generation = int | bytes


class OwnerState(NamedTuple):
    """The state of an owner's data."""

    generation: Generation
    """Another one after each write: what was read at one generation is out of date at the next."""
    is_quiescent: bool
    """Whether the data changes by writes through the proxy alone, as far as the proxy knows."""


class SavedList(NamedTuple):
    """A list as a store holds it."""

    content: bytes
    ttl: float
    """Seconds for which it is still held."""


class Store(Protocol):
    """What caches share."""

    saves_lists: bool
    """Whether lists are saved for other replicas."""
    refused_at: "memoryview[float]"
    """When the upstream last refused a credential, monotonic seconds by the slot of its keys."""

    def with_schema(self, schema: str) -> Self:
        """Return the same store, in which only lists of the same schema are seen."""

    def peek(self, owner: Owner) -> OwnerState | None:
        """Return the state of an owner's data, None where it takes awaiting to know."""

    async def state(self, owner: Owner) -> OwnerState | None:
        """Return the state of an owner's data, None where that is unknown: then nothing cached is shown."""

    async def advance(self, owner: Owner, unsettled_for: float = 0) -> bool:
        """Begin another generation of `every` owner; False where that could not be told to others.

        The data may change once more by itself within `unsettled_for` seconds.
        """

    async def load(self, key: Key, generation: Generation) -> SavedList | None:
        """Return a saved list."""

    async def save(self, key: Key, generation: Generation, saved: SavedList) -> None:
        """Save a list for other replicas, for as long as its TTL says."""

    async def close(self) -> None:
        """Close the connections of the store."""


class GenerationTable:
    """Generations in memory that the workers of one machine share; its size never changes.

    Owners in the same slot invalidate each other's lists, and nothing worse. Each worker counts in a row of
    its own, so that no two workers write to one number: SLOTS for the data of owners, and as many for the
    writes that have begun. Of refusals only the last one matters.
    """

    def __init__(self, workers: int = 1) -> None:
        """Create the table, before any worker is forked."""
        self.rows = range(0, workers * 2 * SLOTS, 2 * SLOTS)
        self.counts = memoryview(mmap.mmap(-1, workers * 2 * SLOTS * 8)).cast("Q")
        self.unsettled_until = memoryview(mmap.mmap(-1, workers * 2 * SLOTS * 8)).cast("d")
        self.refused_at = memoryview(mmap.mmap(-1, SLOTS * 8)).cast("d")
        self.refused_at[:] = array("d", [-inf]) * SLOTS  # a saved list may be older than the clock's zero

    def advance_all(self, worker: int) -> None:
        """Invalidate every list, for a worker that has died: nothing tells what it was writing."""
        for at in range(self.rows[worker], self.rows[worker] + SLOTS):
            self.counts[at] += 1


class SharedMemoryStore:
    """A store in shared memory: workers share generations, and each caches lists for itself."""

    saves_lists = False

    def __init__(
        self,
        table: GenerationTable | None = None,
        worker: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count as one of the workers, from 0; all of them share the clock."""
        self._table = table or GenerationTable()
        self.refused_at = self._table.refused_at
        self._row = self._table.rows[worker]
        self._clock = clock

    def with_schema(self, schema: str) -> Self:
        del schema
        return self

    def peek(self, owner: Owner) -> OwnerState:
        """Read the table; the sum of the workers' counts only grows."""
        slot, now, table = owner.slot, self._clock(), self._table
        if len(table.rows) == 1:
            return OwnerState(table.counts[slot], table.unsettled_until[slot] <= now)
        slots = [row + slot for row in table.rows]
        is_quiescent = all(table.unsettled_until[at] <= now for at in slots)
        return OwnerState(sum([table.counts[at] for at in slots]), is_quiescent)

    async def state(self, owner: Owner) -> OwnerState:
        return self.peek(owner)

    async def advance(self, owner: Owner, unsettled_for: float = 0) -> bool:
        for each in owner.every:
            at = self._row + each.slot
            if unsettled_for:
                self._table.unsettled_until[at] = self._clock() + unsettled_for
            self._table.counts[at] += 1
        return True

    async def load(self, key: Key, generation: Generation) -> None:
        """Find nothing."""

    async def save(self, key: Key, generation: Generation, saved: SavedList) -> None:
        """Save nothing."""

    async def close(self) -> None:
        """Leave the table to the other workers."""
