"""Short records that workers and replicas share, each under a group and a key, for some minutes.

Nothing is evicted: where there is no room, nothing is stored.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from proxy.cache.shared_cells import CellsLockedError, SharedCells

_SETS, _SIZE = 512, 9 * 1024
_HEAD = 8 + 2  # bytes: a digest of the group, and the length of the content


class SharedRecords(Protocol):
    """Records by group and key."""

    def has_room(self, group: str) -> bool:
        """Whether one more record of this group can be stored on this host."""

    async def put(self, group: str, key: str, content: bytes, ttl: float) -> bool:
        """Store a record for so many seconds, in the place of an earlier one; False without room."""

    async def find(self, group: str) -> Mapping[str, bytes]:
        """Return the records of a group by key."""

    async def remove(self, group: str, key: str) -> None:
        """Remove a record."""


def create_record_cells(sets: int = _SETS) -> SharedCells:
    """Create the memory of eight times as many records, before any worker is forked."""
    return SharedCells(1, sets, _SIZE)


class MemoryRecords:
    """Records in memory that the workers of one host share."""

    def __init__(
        self,
        cells: SharedCells | None = None,
        clock: Callable[[], float] = lambda: asyncio.get_running_loop().time(),
    ) -> None:
        """Take the memory that all workers share; they share the clock too."""
        self._cells = cells or create_record_cells()
        self._clock = clock

    def has_room(self, group: str) -> bool:
        now = self._clock()
        return any(self._cells.until[cell] <= now for cell in self._ways(group))

    async def put(self, group: str, key: str, content: bytes, ttl: float) -> bool:
        now, named = self._clock(), key.encode() + b"\0" + content
        if len(named) + _HEAD > _SIZE:
            return False
        try:
            with self._cells.locked():
                cell = self._cells.claim(self._ways(group), self._key(group, key), now)
                if cell is None:
                    return False
                self._cells.until[cell] = 0  # a worker that is killed here leaves a free cell
                head = self._cells.digest(group).to_bytes(8, "big") + len(named).to_bytes(2, "big")
                self._cells.contents(cell)[: _HEAD + len(named)] = head + named
                self._cells.until[cell] = now + ttl
        except CellsLockedError:
            return False
        return True

    async def find(self, group: str) -> Mapping[str, bytes]:
        now, digest, found = self._clock(), self._cells.digest(group).to_bytes(8, "big"), dict[str, bytes]()
        try:
            with self._cells.locked():
                for cell in self._ways(group):
                    held = self._cells.contents(cell)
                    if self._cells.until[cell] > now and held[:8] == digest:
                        end = _HEAD + int.from_bytes(held[8:_HEAD], "big")
                        key, _, content = bytes(held[_HEAD:end]).partition(b"\0")
                        found[key.decode()] = content
        except CellsLockedError:
            pass
        return found

    async def remove(self, group: str, key: str) -> None:
        try:
            with self._cells.locked():
                cell = self._cells.find(self._ways(group), self._key(group, key), self._clock())
                if cell is not None:
                    self._cells.until[cell] = 0
        except CellsLockedError:
            pass

    def _ways(self, group: str) -> range:
        return self._cells.ways(0, self._cells.digest(group))

    def _key(self, group: str, key: str) -> int:
        return self._cells.digest(f"{group}\0{key}")
