"""How often the data of each account has been written: what was read at another generation is out of date."""

import mmap
from typing import NamedTuple
from zlib import crc32

from proxy.model import Account

_SLOTS = 65_536


class Owner(NamedTuple):
    """Whose data it is: a write with whatever credentials changes it for all of them."""

    upstream: str
    account: str


def owner_of(account: Account) -> Owner:
    """Return whose data `account` asks for."""
    return Owner(account.upstream, account.upstream_id)


class Generations:
    """A table of counters in memory that the workers of one machine inherit; its size never changes.

    Owners that share a slot only make each other's snapshots out of date. Each worker counts in its own row,
    so that no count is lost between two of them.
    """

    def __init__(self, workers: int = 1) -> None:
        """Make the table, before any worker starts."""
        self._rows = range(0, workers * _SLOTS, _SLOTS)
        self._counts = memoryview(mmap.mmap(-1, workers * _SLOTS * 8)).cast("Q")
        self._unsettled = memoryview(mmap.mmap(-1, workers * _SLOTS * 8)).cast("d")

    def of(self, owner: Owner) -> int:
        """Return the generation of an owner's data; it only grows."""
        slot = _slot(owner)
        return sum([self._counts[row + slot] for row in self._rows])

    def next(self, owner: Owner, worker: int = 0) -> None:
        """Make everything that was read of an owner's data out of date."""
        self._counts[self._rows[worker] + _slot(owner)] += 1

    def unsettle(self, owner: Owner, until: float, worker: int = 0) -> None:
        """Say that an owner's data may change by itself until then, in seconds of the monotonic clock."""
        self._unsettled[self._rows[worker] + _slot(owner)] = until

    def is_settled(self, owner: Owner, now: float) -> bool:
        """Whether an owner's data changes by writes through the proxy alone, as far as it knows."""
        slot = _slot(owner)
        return all(self._unsettled[row + slot] <= now for row in self._rows)


def _slot(owner: Owner) -> int:
    return crc32("\0".join(owner).encode("utf-8", "surrogatepass")) % _SLOTS
