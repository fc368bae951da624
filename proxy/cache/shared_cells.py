"""Cells in memory that the workers of one host share: their number and size never change, each has a key.

Laws: no cell is evicted, so that no flood of keys makes room for another one: a cell is free again when its
time has passed. Where none is free, nothing is stored. Keys are digests with a secret of this start: memory
holds none of the texts, and a client cannot choose keys that share cells. The kernel releases the lock of a
worker that is killed.
"""

import fcntl
import hashlib
import mmap
import os
import secrets
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

_WAYS = 8
"""Cells in which a key may be; with a quarter of all cells in use, one key in five thousand finds none."""
_PATIENCE = 0.05  # seconds; each worker holds the lock for some microseconds, unless it is stopped meanwhile
_PAUSE = 0.0002  # seconds


class CellsLockedError(Exception):
    """Another worker holds the lock for too long: it is being stopped or debugged."""


class SharedCells:
    """Cells, each with a key, the time until which it is in use, and contents."""

    def __init__(self, regions: int, sets: int, size: int) -> None:
        """Create `regions` of `sets` of eight cells, before any worker is forked; each holds `size` bytes."""
        count = regions * sets * _WAYS
        self._sets = sets
        self._size = size
        self._secret = secrets.token_bytes(32)
        self._keys = memoryview(mmap.mmap(-1, count * 8)).cast("Q")
        self.until = memoryview(mmap.mmap(-1, count * 8)).cast("d")
        """By cell: until when it is in use, by the clock of the caller."""
        self.marks = memoryview(mmap.mmap(-1, regions * 8)).cast("d")
        """By region: a time that its keys share."""
        self._contents = memoryview(mmap.mmap(-1, count * size))
        self._is_stuck = False
        """Whether another worker has held the lock for too long, as of the last attempt of this one."""
        self._lock = os.memfd_create("callerid-proxy-cells")
        weakref.finalize(self, os.close, self._lock)

    def contents(self, cell: int) -> memoryview:
        return self._contents[cell * self._size : (cell + 1) * self._size]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Exclude other workers; CellsLockedError where that takes too long.

        While it does, only the first one waits: the event loop must not wait for each request anew.
        """
        give_up_at = time.monotonic() + (0 if self._is_stuck else _PATIENCE)
        while True:
            try:
                fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > give_up_at:
                    self._is_stuck = True
                    raise CellsLockedError from None
                time.sleep(_PAUSE)
        self._is_stuck = False
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def digest(self, text: str) -> int:
        """Return 64 bits that stand for a text."""
        encoded = text.encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(encoded, key=self._secret, digest_size=8).digest(), "big")

    def ways(self, region: int, group: int) -> range:
        """Return the cells in which keys of a group may be."""
        start = (region * self._sets + group % self._sets) * _WAYS
        return range(start, start + _WAYS)

    def find(self, ways: range, key: int, now: float) -> int | None:
        """Return the cell of a key that is in use."""
        return next((each for each in ways if self._keys[each] == key and self.until[each] > now), None)

    def claim(self, ways: range, key: int, now: float) -> int | None:
        """Return the cell of a key, or a free one that is its cell from now on; None where all are in use.

        The cell is in use once its time is set.
        """
        cell = self.find(ways, key, now)
        if cell is None:
            cell = next((each for each in ways if self.until[each] <= now), None)
            if cell is not None:
                self._keys[cell] = key
        return cell
