"""Token buckets: how often something may happen within a time, counted over the workers of a host.

Each token of a bucket comes back a fixed time after it was taken, so that no stretch of that time ever sees
more takes than tokens, wherever it begins. Takes are exact over workers. Without certainty a take is refused:
where the table is full, or where the lock is not to be had.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from proxy.cache.shared_cells import CellsLockedError, SharedCells

_SLOTS = 20
"""Tokens of a bucket that are told apart; of more, some come back together, with the last of them."""
_SETS = 1024
_UNSURE = 1.0  # seconds to wait where nothing is known
_TICK = 1e-6  # seconds


class Purpose(IntEnum):
    """What buckets protect; each has its own part of the table, which no flood of another one fills."""

    CALLS = 0
    LOGINS = 1
    CODES = 2
    PEERS = 3


class Limit(NamedTuple):
    """How many tokens a bucket has, and the seconds after which each comes back."""

    tokens: int
    within: float


class Bucket(NamedTuple):
    """The tokens of one key."""

    purpose: Purpose
    name: str
    """What the key is, for example `per_number`."""
    key: str
    limit: Limit


class Refusal(NamedTuple):
    """A bucket has no token."""

    bucket: Bucket
    seconds: float
    """Until it has one."""
    is_full: bool = False
    """Whether the table has no room for this bucket: how many tokens are out is unknown."""


class Ticket(NamedTuple):
    """Tokens that were taken, one out of each bucket."""

    buckets: Sequence[Bucket]
    slots: Sequence[tuple[int, int, float]]
    """Cell, slot, and when the token comes back."""
    member: str = ""
    """The name of the tokens in Redis."""


class TokenBuckets(Protocol):
    """What limits how often something may happen."""

    async def take(self, *buckets: Bucket) -> Ticket | Refusal:
        """Take a token out of each bucket, or none out of any."""

    async def give_back(self, ticket: Ticket) -> None:
        """Return the tokens of what did not happen."""

    def follow(self, hosts: int) -> None:
        """Share buckets with so many hosts from now on; buckets in memory are those of one host."""

    def may_refuse(self, purpose: Purpose) -> bool:
        """Whether any bucket may have no token, as far as this host knows, which is cheap to know."""

    def seconds_left(self, bucket: Bucket) -> float:
        """Return for how many seconds a bucket has no token, as far as this host knows; 0 if it has one."""


def create_token_cells() -> SharedCells:
    """Create the memory of buckets, before any worker is forked."""
    return SharedCells(len(Purpose), _SETS, 2 * _SLOTS * 8)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class SharedTokenBuckets:
    """Buckets in memory that the workers of one host share."""

    def __init__(self, cells: SharedCells | None = None, clock: Callable[[], float] = _loop_time) -> None:
        """Take the memory that all workers share; they share the clock too."""
        self._cells = cells or create_token_cells()
        self._clock = clock

    async def take(self, *buckets: Bucket) -> Ticket | Refusal:
        return self.take_now(*buckets)

    def take_now(self, *buckets: Bucket) -> Ticket | Refusal:
        """Do the same without awaiting anything."""
        now, taken = self._clock(), list[tuple[int, int, float]]()
        try:
            with self._cells.locked():
                for bucket in buckets:
                    slot = self._take_one(bucket, now)
                    if isinstance(slot, Refusal):
                        self._return(taken, now)
                        return slot
                    taken.append(slot)
        except CellsLockedError:
            return Refusal(buckets[0], _UNSURE)
        return Ticket(buckets, taken)

    async def give_back(self, ticket: Ticket) -> None:
        self.give_back_now(ticket)

    def give_back_now(self, ticket: Ticket) -> None:
        """Return tokens; those that cannot be returned come back by themselves."""
        try:
            with self._cells.locked():
                self._return(ticket.slots, self._clock())
        except CellsLockedError:
            pass

    def follow(self, hosts: int) -> None:
        del hosts

    def exhaust(self, bucket: Bucket, seconds: float) -> None:
        """Leave a bucket without tokens for some time: another host has found it so."""
        try:
            with self._cells.locked():
                now = self._clock()
                ways, key = self._place(bucket)
                if (cell := self._cells.claim(ways, key, now)) is not None:
                    times, counts = self._slots(cell)
                    slot = min(range(_SLOTS), key=times.__getitem__)
                    times[slot], counts[slot] = now + seconds, bucket.limit.tokens
                    self._note(bucket, cell, now)
        except CellsLockedError:
            pass

    def may_refuse(self, purpose: Purpose) -> bool:
        mark = self._cells.marks[purpose]
        return bool(mark) and mark > self._clock()

    def seconds_left(self, bucket: Bucket) -> float:
        now = self._clock()
        if self._cells.marks[bucket.purpose] <= now:
            return 0.0
        ways, key = self._place(bucket)
        cell = self._cells.find(ways, key, now)
        return 0.0 if cell is None else _seconds_left(*self._slots(cell), bucket.limit.tokens, now)

    def _take_one(self, bucket: Bucket, now: float) -> tuple[int, int, float] | Refusal:
        tokens, within = bucket.limit
        ways, key = self._place(bucket)
        if (cell := self._cells.claim(ways, key, now)) is None:
            return Refusal(bucket, _UNSURE, is_full=True)
        times, counts = self._slots(cell)
        for slot in range(_SLOTS):
            times[slot] = min(times[slot], now + within)  # the limit may have been a longer one
        if seconds := _seconds_left(times, counts, tokens, now):
            return Refusal(bucket, seconds)
        most = math.ceil(tokens / _SLOTS)
        latest = max(range(_SLOTS), key=lambda slot: (times[slot], -counts[slot]))
        if times[latest] <= now or counts[latest] >= most:
            latest = min(range(_SLOTS), key=times.__getitem__)
            if times[latest] > now:  # every slot has tokens left of an earlier limit
                return Refusal(bucket, times[latest] - now)
            counts[latest] = 0
        counts[latest] += 1
        times[latest] = max(times[latest], now + within)
        self._note(bucket, cell, now)
        return cell, latest, times[latest]

    def _note(self, bucket: Bucket, cell: int, now: float) -> None:
        """Keep the cell while a token is out, and the time until which a bucket has none."""
        times, counts = self._slots(cell)
        self._cells.until[cell] = max(times)
        if seconds := _seconds_left(times, counts, bucket.limit.tokens, now):
            self._cells.marks[bucket.purpose] = max(now + seconds, self._cells.marks[bucket.purpose])

    def _return(self, slots: Sequence[tuple[int, int, float]], now: float) -> None:
        for cell, slot, at in slots:
            times, counts = self._slots(cell)
            # Else it has come back, and the slot may be another take's
            if times[slot] >= at > now and counts[slot]:
                counts[slot] -= 1
                if not counts[slot]:
                    times[slot] = 0
                self._cells.until[cell] = max(times)

    def _place(self, bucket: Bucket) -> tuple[range, int]:
        key = self._cells.digest(f"{bucket.name}\0{bucket.key}")
        return self._cells.ways(bucket.purpose, key), key

    def _slots(self, cell: int) -> "tuple[memoryview[float], memoryview[float]]":
        """Return when the tokens of each slot come back, and how many they are."""
        numbers = self._cells.contents(cell).cast("d")
        return numbers[:_SLOTS], numbers[_SLOTS:]


def _seconds_left(times: "memoryview[float]", counts: "memoryview[float]", tokens: int, now: float) -> float:
    """Return how long a bucket has no token; 0 where it has one."""
    missing = [(at, count) for at, count in zip(times, counts, strict=True) if at > now]
    excess = sum(count for _, count in missing) - tokens + 1
    for at, count in sorted(missing):
        if excess <= 0:
            break
        excess -= count
        if excess <= 0:
            return max(_TICK, round(at - now, 6))  # a sum of floats may be larger than the time
    return 0.0
