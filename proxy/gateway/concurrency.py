"""How much is asked of the upstreams at a time, in all and for each caller.

A request that finds every slot taken waits, in the order of arrival and not for long: a late answer helps no
client, and a client that is refused at once can turn to another replica. No caller has so many slots that
others would notice: one that has more than are free waits, so requests that hang leave slots to other
callers, however many callers have such requests. Answers from the cache need no slot, nor do requests that
join a listing under way; but the number of all requests that wait for an upstream, in whatever way, is
bounded.

Where only the upstream can judge credentials, made-up user names cost nothing. Until it has accepted those of
a caller once, its requests count for its peer as well, and all such requests leave slots to the others.
"""

import asyncio
from collections.abc import Hashable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Generic, NamedTuple, TypeVar

from cachetools import FIFOCache

from proxy.errors import BUSY as DECLINED
from proxy.errors import TOO_MANY_REQUESTS, LegacyError

W = TypeVar("W")


class SlotLimits(NamedTuple):
    """How many slots there are."""

    in_all: int = 256
    waiting: int = 128
    per_caller: int = 32
    """Those that wait included."""


_STRANGERS = SlotLimits(in_all=96, waiting=96, per_caller=128)
"""Slots for callers that no upstream has accepted yet, per peer instead of per caller.

They are fewer than the connections that a worker opens to one upstream.
"""
_REQUESTS = SlotLimits(in_all=1024, waiting=0, per_caller=512)
"""Requests that wait for an upstream, those included that join a listing under way."""
_MAX_WAIT = 1  # seconds
_MAX_ACCEPTED = 4096  # callers
_RETRY = "Retry-After", "1"
BUSY = DECLINED.with_header(*_RETRY)
TOO_MANY = TOO_MANY_REQUESTS.with_header(*_RETRY)


class _Share:
    """What one caller has: slots, and requests that wait for one."""

    __slots__ = ("taken", "waiting")

    def __init__(self) -> None:
        self.taken = self.waiting = 0


class Slots(Generic[W]):
    """Which slots are taken, and what waits for one. Pure.

    A caller takes another slot as long as it has no more than are free: of n callers whose requests all hang,
    each gets one part in n + 1, and one part stays free.
    """

    def __init__(self, limits: SlotLimits) -> None:
        self._limits = limits
        self._taken = 0
        self._waiting: dict[W, _Share] = {}  # in the order of arrival
        self._shares: dict[Hashable, _Share] = {}

    def enter(self, caller: Hashable, waiter: W) -> bool:
        """Take a slot, or wait for one; return whether it is taken. LegacyError 429 or 503 for neither."""
        if (share := self._shares.get(caller)) is None:
            share = _Share()
        elif share.taken + share.waiting >= self._limits.per_caller:
            raise LegacyError(TOO_MANY)
        if not (has_slot := self._take(share)):
            if len(self._waiting) >= self._limits.waiting:
                raise LegacyError(BUSY)
            self._waiting[waiter] = share
            share.waiting += 1
        self._shares[caller] = share
        return has_slot

    def leave(self, caller: Hashable, waiter: W) -> W | None:
        """Give a slot back, or stop waiting for one; return the next in line, which has a slot now."""
        share, following = self._shares[caller], None
        if waiter in self._waiting:
            del self._waiting[waiter]
            share.waiting -= 1
        else:
            self._taken -= 1
            share.taken -= 1
            following = self._grant()
        if not share.taken and not share.waiting:
            del self._shares[caller]
        return following

    def _take(self, share: _Share) -> bool:
        """Take a slot if the caller may have one more; return whether it may."""
        free = self._limits.in_all - self._taken
        if free <= 0 or share.taken > free:
            return False
        self._taken += 1
        share.taken += 1
        return True

    def _grant(self) -> W | None:
        """Give a free slot to the first in line that may take it."""
        for waiter, share in self._waiting.items():
            if self._take(share):
                share.waiting -= 1
                del self._waiting[waiter]
                return waiter
        return None


class UnjudgedCaller(NamedTuple):
    """A caller whose credentials only its upstream can judge."""

    credential: Hashable


current_peer: ContextVar[str] = ContextVar("current_peer", default="")
"""The peer whose request is carried out."""


class ConcurrencyLimiter:
    """The slots of one event loop."""

    def __init__(self, limits: SlotLimits | None = None) -> None:
        self._slots: Slots[Slot] = Slots(limits or SlotLimits())
        self._requests: Slots[Slot] = Slots(_REQUESTS)
        self._strangers: Slots[Slot] = Slots(_STRANGERS)
        self._accepted: FIFOCache[Hashable, None] = FIFOCache(_MAX_ACCEPTED)

    def accept(self, caller: Hashable) -> None:
        """Take note that the upstream has accepted the credentials of a caller."""
        if isinstance(caller, UnjudgedCaller) and caller not in self._accepted:
            self._accepted[caller] = None

    def refuse(self, caller: Hashable) -> None:
        """Take note that the upstream has refused them."""
        self._accepted.pop(caller, None)

    def has_accepted(self, caller: UnjudgedCaller) -> bool:
        """Whether the last that the upstream said of its credentials was yes."""
        return caller in self._accepted

    def admit(self, caller: Hashable) -> "Slot":
        """Return a context in which a request of `caller` waits; LegacyError 503 where too many do."""
        peer = self._peer_of(caller)
        key = caller if peer is None else peer
        slot = Slot(self._requests, key)
        self._requests.enter(key, slot)
        return slot

    async def acquire(self, caller: Hashable) -> AbstractContextManager[None]:
        """Return a slot for a request of `caller`; LegacyError 429 or 503 where there is none in time."""
        if (peer := self._peer_of(caller)) is None:
            return await _acquire(self._slots, caller)
        among_strangers = await _acquire(self._strangers, peer)
        try:
            return _BothSlots(await _acquire(self._slots, caller), among_strangers)
        except BaseException:
            among_strangers.__exit__()
            raise

    def _peer_of(self, caller: Hashable) -> Hashable | None:
        """Return the peer that a request counts for, with all strangers there; None where it does not."""
        if not isinstance(caller, UnjudgedCaller) or caller in self._accepted:
            return None
        return current_peer, current_peer.get()


async def _acquire(slots: "Slots[Slot]", key: Hashable) -> "Slot":
    slot = Slot(slots, key)
    if not slots.enter(key, slot):
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


class _BothSlots:
    """The slots of a stranger: among all, and among strangers."""

    __slots__ = ("_slots",)

    def __init__(self, *slots: Slot) -> None:
        self._slots = slots

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for each in self._slots:
            each.__exit__()
