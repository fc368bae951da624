"""The connections of one worker: a bounded number in use, and as many idle ones.

Law: a connection carries the requests of one caller. An answer that comes twice, the second time when the
next request is out, would be taken for the answer to that.
"""

import asyncio

from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.route import Origin

_MAX_IN_USE = _MAX_IDLE = 100
_IDLE = 15.0  # seconds
_ACQUIRING = 10.0  # seconds for a connection, the wait for a slot included

IdleConnections = list[UpstreamConnection]
"""Those to one origin that are one caller's."""


class ConnectionPool:
    """Opens connections, and keeps those that may carry another request."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(_MAX_IN_USE)
        self._open: set[UpstreamConnection] = set()
        self._idle: dict[UpstreamConnection, tuple[IdleConnections, float]] = {}
        """Where each lies and when its time is over, the one that has been idle for longest first."""
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, origin: Origin, idle: IdleConnections | None) -> UpstreamConnection:
        """Return one of the `idle` connections, a new one where there is none; it has to be released.

        TimeoutError after ten seconds, and after five for an address; OSError or ValueError where it fails.
        """
        deadline = self._loop.time() + _ACQUIRING
        if self._slots.locked():
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        else:
            await self._slots.acquire()
        try:
            while idle:
                connection = idle.pop()
                del self._idle[connection]
                if not connection.is_closing:
                    return connection
            async with asyncio.timeout_at(deadline):
                connection = await origin.connect(lambda: UpstreamConnection(self._forget))
        except BaseException:
            self._slots.release()
            raise
        if connection.is_closing:
            self._slots.release()
            raise ConnectionError("closed as soon as it was made")
        self._open.add(connection)
        return connection

    def release(self, connection: UpstreamConnection, idle: IdleConnections | None) -> None:
        """Keep a connection among those of its caller; close it without any, or if it may not be reused."""
        self._slots.release()
        if idle is None or not connection.may_reuse:
            connection.close()
            return
        if len(self._idle) >= _MAX_IDLE:  # callers are many, and each has its own
            self._close_idle(next(iter(self._idle)))
        idle.append(connection)
        self._idle[connection] = idle, self._loop.time() + _IDLE
        if self._timer is None:
            self._timer = self._loop.call_later(_IDLE, self._close_expired)

    async def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        for connection in tuple(self._open):
            connection.close()
        await asyncio.sleep(0)  # which is when the transports close their sockets

    def _forget(self, connection: UpstreamConnection) -> None:
        self._open.discard(connection)
        if found := self._idle.pop(connection, None):
            found[0].remove(connection)

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
