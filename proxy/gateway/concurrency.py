"""How much is asked of the upstreams at a time, in all and for each caller.

A request that finds every slot taken waits, in the order of arrival and not for long: a late answer helps no
client, and a client that is refused at once can turn to another replica. No caller has so many slots that
others would notice: one that has more than are free waits, so requests that hang leave slots to other
callers. Answers from the cache need no slot, nor do requests that join a listing under way.
"""

import asyncio
from collections import Counter
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from proxy.errors import DECLINED, TOO_MANY_REQUESTS, LegacyError

W = TypeVar("W")


class SlotLimits(NamedTuple):
    """How many slots there are."""

    in_all: int = 256
    waiting: int = 128
    per_caller: int = 32
    """Those that wait included."""


_MAX_WAIT = 1  # seconds
_RETRY = "Retry-After", "1"
BUSY = DECLINED.saying("Too many requests are being carried out at the moment").with_header(*_RETRY)
TOO_MANY = TOO_MANY_REQUESTS.with_header(*_RETRY)


class Slots(Generic[W]):
    """Which slots are taken, and what waits for one. Pure.

    A caller takes another slot as long as it has no more than are free: of n callers whose requests all hang,
    each gets one part in n + 1, and one part stays free.
    """

    def __init__(self, limits: SlotLimits) -> None:
        self._limits = limits
        self._taken = 0
        self._waiting: dict[W, Hashable] = {}  # and their callers, in the order of arrival
        self._per_caller: Counter[Hashable] = Counter()  # slots, and waiting for one
        self._slots: Counter[Hashable] = Counter()

    def enter(self, caller: Hashable, waiter: W) -> bool:
        """Take a slot, or wait for one; return whether it is taken. LegacyError 429 or 503 for neither."""
        if self._per_caller[caller] >= self._limits.per_caller:
            raise LegacyError(TOO_MANY)
        if has_slot := self._may_take(caller):
            self._take(caller)
        elif len(self._waiting) < self._limits.waiting:
            self._waiting[waiter] = caller
        else:
            raise LegacyError(BUSY)
        self._per_caller[caller] += 1
        return has_slot

    def leave(self, caller: Hashable, waiter: W) -> W | None:
        """Give a slot back, or stop waiting for one; return the next in line, which has a slot now."""
        _decrement(self._per_caller, caller)
        if waiter in self._waiting:
            del self._waiting[waiter]
            return None
        self._taken -= 1
        _decrement(self._slots, caller)
        for following, each in self._waiting.items():
            if self._may_take(each):
                self._take(each)
                del self._waiting[following]
                return following
        return None

    def _may_take(self, caller: Hashable) -> bool:
        free = self._limits.in_all - self._taken
        return free > 0 and self._slots[caller] <= free

    def _take(self, caller: Hashable) -> None:
        self._taken += 1
        self._slots[caller] += 1


def _decrement(counts: Counter[Hashable], caller: Hashable) -> None:
    counts[caller] -= 1
    if not counts[caller]:
        del counts[caller]


class ConcurrencyLimiter:
    """The slots of one event loop."""

    def __init__(self, limits: SlotLimits | None = None) -> None:
        self._slots: Slots[Slot] = Slots(limits or SlotLimits())

    async def acquire(self, caller: Hashable) -> "Slot":
        """Return a slot for a request of `caller`; LegacyError 429 or 503 where there is none in time."""
        slot = Slot(self._slots, caller)
        if not self._slots.enter(caller, slot):
            await slot.wait()
        return slot


class Slot:
    """A context manager, to be used once: the slot is free again at the end of the block."""

    __slots__ = ("_caller", "_granted", "_slots")

    def __init__(self, slots: "Slots[Slot]", caller: Hashable) -> None:
        self._slots = slots
        self._caller = caller
        self._granted: asyncio.Future[None] | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        following = self._slots.leave(self._caller, self)
        if following:
            following.grant()

    async def wait(self) -> None:
        """Wait until the slot is granted, for a second at most."""
        self._granted = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_MAX_WAIT):
                await self._granted
        except BaseException as error:
            self.__exit__()
            if isinstance(error, TimeoutError):
                raise LegacyError(BUSY) from None
            raise

    def grant(self) -> None:
        """End the wait; a request that gives up at this moment passes the slot on when it leaves."""
        if self._granted and not self._granted.done():
            self._granted.set_result(None)
