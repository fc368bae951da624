"""Where it is told that data has been written, so that everybody who remembers some hears of it.

A store is shared by those who serve the same accounts: the workers of one machine inherit a table of
counters, replicas share Redis (`proxy.snapshots.redis`). That credentials were refused only the workers of
one machine hear of; with replicas a list ends soon anyhow.
"""

import mmap
import time
from array import array
from collections.abc import Callable
from math import inf
from typing import NamedTuple, Protocol, Self

from proxy.cache.keys import SLOTS, Key, Owner

Generation = int | bytes


class State(NamedTuple):
    """How an owner's data stands."""

    generation: Generation
    """Another one after each write: what was read at one generation is out of date at the next."""
    is_quiescent: bool
    """Whether the data changes by writes through the proxy alone, as far as it knows."""


class Kept(NamedTuple):
    """What a store has kept of a list."""

    content: bytes
    left: float
    """Seconds for which it is still kept."""


class Store(Protocol):
    """What is shared between those who remember lists."""

    keeps: bool
    """Whether lists are kept for others too."""
    refused: "memoryview[float]"
    """When the upstream refused a credential last, by the slot of its keys, whichever worker it told so."""

    def with_schema(self, dialect: str) -> Self:
        """Return the same store, but lists of another dialect are not seen."""

    def known(self, owner: Owner) -> State | None:
        """Return how an owner's data stands, None where somebody has to be asked first."""

    async def state(self, owner: Owner) -> State | None:
        """Return how an owner's data stands now, None where that cannot be told: then nothing is shown."""

    async def next(self, owner: Owner, settles_within: float = 0) -> bool:
        """Make everything that was read of an owner's data out of date; False where that could not be told.

        The data may change once more by itself within as many seconds as it `settles_within`.
        """

    async def load(self, key: Key, generation: Generation) -> Kept | None:
        """Return what has been kept."""

    async def keep(self, key: Key, generation: Generation, kept: Kept) -> None:
        """Keep a list for others, for as long as it has left."""

    async def close(self) -> None:
        """Let go of what the store holds on to."""


class GenerationTable:
    """A table in memory that the workers of one machine inherit; its size never changes.

    Owners that share a slot only make each other's lists out of date. Each worker counts in its own row, so
    that no count is lost between two of them. Of refusals only the last one matters, whoever tells of it.
    """

    def __init__(self, workers: int = 1) -> None:
        """Make the table, before any worker starts."""
        self.rows = range(0, workers * SLOTS, SLOTS)
        self.counts = memoryview(mmap.mmap(-1, workers * SLOTS * 8)).cast("Q")
        self.unsettled = memoryview(mmap.mmap(-1, workers * SLOTS * 8)).cast("d")
        self.refused = memoryview(mmap.mmap(-1, SLOTS * 8)).cast("d")
        self.refused[:] = array("d", [-inf]) * SLOTS  # what others kept may have begun before the clock did

    def count_all(self, worker: int) -> None:
        """Make everything out of date, for a worker that has died: what it was writing nobody knows."""
        for at in range(self.rows[worker], self.rows[worker] + SLOTS):
            self.counts[at] += 1


class SharedMemoryStore:
    """A store in memory: counters that workers share, while each remembers its own lists."""

    keeps = False

    def __init__(
        self,
        counters: GenerationTable | None = None,
        worker: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count as one of the workers, from 0; the clock is one that all of them share."""
        self._counters = counters or GenerationTable()
        self.refused = self._counters.refused
        self._row = self._counters.rows[worker]
        self._clock = clock

    def with_schema(self, dialect: str) -> Self:
        """Keep no lists."""
        del dialect
        return self

    def known(self, owner: Owner) -> State:
        """Read the counters; their sum only grows."""
        slot, now, table = owner.slot % SLOTS, self._clock(), self._counters
        if len(table.rows) == 1:
            return State(table.counts[slot], table.unsettled[slot] <= now)
        slots = [row + slot for row in table.rows]
        return State(sum([table.counts[at] for at in slots]), all(table.unsettled[at] <= now for at in slots))

    async def state(self, owner: Owner) -> State:
        """Read the counters."""
        return self.known(owner)

    async def next(self, owner: Owner, settles_within: float = 0) -> bool:
        """Count."""
        at = self._row + owner.slot % SLOTS
        if settles_within:
            self._counters.unsettled[at] = self._clock() + settles_within
        self._counters.counts[at] += 1
        return True

    async def load(self, key: Key, generation: Generation) -> None:
        """Keep no lists."""

    async def keep(self, key: Key, generation: Generation, kept: Kept) -> None:
        """Keep no lists."""

    async def close(self) -> None:
        """Leave the table to the other workers."""
