"""How much is asked of upstreams at a time, for everybody together and for each caller.

What comes when every place is taken waits, in the order of arrival and not for long: an answer that comes
late helps nobody, and who is sent away at once can turn to another replica, or come again. One caller never
has so many places that others would notice. What is remembered needs none, nor does who joins a walk that is
under way.
"""

import asyncio
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from proxy.errors import DECLINED, TOO_MANY_REQUESTS, LegacyError

W = TypeVar("W")


class Limits(NamedTuple):
    """How many there may be."""

    at_a_time: int = 256
    waiting: int = 128
    of_one_caller: int = 32
    """Those that wait included."""


_PATIENCE = 1  # seconds
_AGAIN = "Retry-After", "1"
_BUSY = DECLINED.saying("Too many requests are being carried out at the moment").with_header(*_AGAIN)
_TOO_MANY = TOO_MANY_REQUESTS.with_header(*_AGAIN)


class Table(Generic[W]):
    """Who has a place and who waits for one. Pure."""

    def __init__(self, limits: Limits) -> None:
        """Begin with every place free."""
        self._limits = limits
        self._taken = 0
        self._waiting: dict[W, None] = {}  # in the order of arrival; nobody waits while a place is free
        self._theirs: dict[Hashable, int] = {}  # of each caller: places, and waiting for one

    def come(self, caller: Hashable, who: W) -> bool:
        """Take a place, or wait for one; return whether it is there. LegacyError 429 or 503 for neither."""
        theirs = self._theirs.get(caller, 0)
        if theirs >= self._limits.of_one_caller:
            raise LegacyError(_TOO_MANY)
        if has_place := self._taken < self._limits.at_a_time:
            self._taken += 1
        elif len(self._waiting) < self._limits.waiting:
            self._waiting[who] = None
        else:
            raise LegacyError(_BUSY)
        self._theirs[caller] = theirs + 1
        return has_place

    def go(self, caller: Hashable, who: W) -> W | None:
        """Leave, with a place or without one yet; return who has got a place thereby."""
        theirs = self._theirs[caller] - 1
        if theirs:
            self._theirs[caller] = theirs
        else:
            del self._theirs[caller]
        if not self._waiting:
            self._taken -= 1
            return None
        if who in self._waiting:
            del self._waiting[who]
            return None
        following = next(iter(self._waiting))
        del self._waiting[following]
        return following


class ConcurrencyLimiter:
    """The places of one event loop."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Have so many."""
        self._table: Table[Place] = Table(limits or Limits())

    async def of(self, caller: Hashable) -> "Place":
        """Return a place for something that `caller` wants; LegacyError 429 or 503 where there is none."""
        place = Place(self._table, caller)
        if not self._table.come(caller, place):
            await place.wait()
        return place


class Place:
    """A context manager, for once: whoever has a place leaves it at the end of the block."""

    __slots__ = ("_caller", "_is_there", "_table")

    def __init__(self, table: "Table[Place]", caller: Hashable) -> None:
        """Be a place that the table knows of."""
        self._table = table
        self._caller = caller
        self._is_there: asyncio.Future[None] | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        following = self._table.go(self._caller, self)
        if following:
            following.take()

    async def wait(self) -> None:
        """Wait until the place is there, but not for long."""
        self._is_there = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._is_there
        except BaseException as error:
            self.__exit__()
            if isinstance(error, TimeoutError):
                raise LegacyError(_BUSY) from None
            raise

    def take(self) -> None:
        """Know that the place is there; who gives up in this very moment passes it on when it leaves."""
        if self._is_there and not self._is_there.done():
            self._is_there.set_result(None)
