"""The connections of one worker: a bounded number of each origin in use, and as many idle ones in all.

Law: a connection carries the requests of one caller. An answer that comes twice, the second time when the
next request is out, would be taken for the answer to that.
"""

import asyncio
from collections.abc import Callable

from proxy.errors import Reason
from proxy.profile.calls import NoReplyError
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.route import Origin

_MAX_IN_USE = _MAX_IDLE = 100
_RESERVE = 28  # more in use, for callers that have few
_RESERVE_SHARE = 4  # of what is left, a caller may have this part in use
_IDLE = 15.0  # seconds
_MAX_WAIT = 3.0  # seconds for a slot


MakeConnection = Callable[[Callable[[UpstreamConnection], None]], UpstreamConnection]
"""Takes what has to be called when the connection is lost."""


class CallerConnections:
    """The connections of one caller to one origin."""

    __slots__ = ("idle", "in_use")

    def __init__(self) -> None:
        self.idle: list[UpstreamConnection] = []
        self.in_use = 0


class ConnectionSlots:
    """How many connections to one origin are in use, and what waits for one.

    The last slots are for callers that have few connections: those that wait for an upstream which hangs do
    not keep it from the others.
    """

    def __init__(self) -> None:
        self._taken = 0
        self._waiting: dict[asyncio.Future[None], CallerConnections] = {}  # in the order of arrival

    def take(self, caller: CallerConnections) -> bool:
        """Take a slot if there is room; return whether there was."""
        left = _MAX_IN_USE + _RESERVE - self._taken
        has_room = left > _RESERVE or caller.in_use * _RESERVE_SHARE < left
        if has_room:
            self._taken += 1
            caller.in_use += 1
        return has_room

    async def wait(self, caller: CallerConnections) -> None:
        """Wait for a slot; NoReplyError after three seconds."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[granted] = caller
        try:
            async with asyncio.timeout(_MAX_WAIT):
                await granted
        except BaseException as error:
            if self._waiting.pop(granted, None) is None:  # granted at the same moment
                self.release(caller)
            if isinstance(error, TimeoutError):
                limit = f"{_MAX_IN_USE + _RESERVE} connections to an upstream"
                raise NoReplyError(Reason.CAPACITY, was_sent=False, limit=limit) from None
            raise

    def release(self, caller: CallerConnections) -> None:
        """Give a slot back; grant what is free now to those that wait."""
        self._taken -= 1
        caller.in_use -= 1
        while self._waiting and (
            following := next((each for each, of in self._waiting.items() if self.take(of)), None)
        ):
            del self._waiting[following]
            if not following.done():  # else it has just been cancelled, and gives the slot back itself
                following.set_result(None)


class ConnectionPool:
    """Opens connections, and keeps those that may carry another request."""

    def __init__(self, make: MakeConnection = UpstreamConnection) -> None:
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._open: set[UpstreamConnection] = set()
        self._idle: dict[UpstreamConnection, tuple[CallerConnections, float]] = {}
        """Whose each is and when its time is over, the one that has been idle for longest first."""
        self._timer: asyncio.TimerHandle | None = None
        self._routes_version = 0

    async def acquire(
        self, origin: Origin, caller: CallerConnections, deadline: float, *, reuse: bool
    ) -> UpstreamConnection:
        """Return an idle connection, a new one where there is none or `reuse` is false; release it later.

        TimeoutError at the deadline, and after five seconds for an address; OSError or ValueError where it
        fails.
        """
        while reuse and caller.idle:
            connection = caller.idle.pop()
            del self._idle[connection]
            if not connection.is_closing:
                if connection.ends > self._loop.time():
                    return connection
                connection.close()
        version = self._routes_version
        async with asyncio.timeout_at(deadline):
            connection = await origin.connect(lambda: self._make(self._forget))
        if connection.is_closing:
            raise ConnectionError("closed as soon as it was made")
        connection.routes_version = version
        connection.ends = self._loop.time() + origin.max_age
        self._open.add(connection)
        return connection

    def release(self, connection: UpstreamConnection, caller: CallerConnections, *, keep: bool) -> None:
        """Keep a connection among those of its caller; close it if it may not be reused."""
        now = self._loop.time()
        is_current = connection.routes_version == self._routes_version and connection.ends > now
        if not (keep and connection.may_reuse and is_current):
            connection.close()
            return
        if len(self._idle) >= _MAX_IDLE:  # callers are many, and each has its own
            self._close_idle(next(iter(self._idle)))
        caller.idle.append(connection)
        self._idle[connection] = caller, now + _IDLE
        if self._timer is None:
            self._timer = self._loop.call_later(_IDLE, self._close_expired)

    def change_routes(self) -> None:
        """Close idle connections, and those in use behind their answers: the ways to upstreams are others."""
        self._routes_version += 1
        for connection in tuple(self._idle):
            self._close_idle(connection)

    async def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        for connection in tuple(self._open):
            connection.close()
        await asyncio.sleep(0)  # which is when the transports close their sockets

    def _forget(self, connection: UpstreamConnection) -> None:
        self._open.discard(connection)
        if found := self._idle.pop(connection, None):
            found[0].idle.remove(connection)

    def _close_idle(self, connection: UpstreamConnection) -> None:
        self._forget(connection)
        connection.close()

    def _close_expired(self) -> None:
        self._timer = None
        for connection, (_, ends) in tuple(self._idle.items()):
            if ends > self._loop.time():
                self._timer = self._loop.call_at(ends, self._close_expired)
                return
            self._close_idle(connection)
