"""Requests that need the same result share one piece of work: single-flight."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from proxy.net.deadlines import begin_request

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]


class _InFlight(Generic[T]):
    """Work under way and the requests that wait for it; it is cancelled when the last one stops waiting.

    It has a deadline of its own: the request that began it may have had little time left.
    """

    def __init__(self, work: Work[T], started_at: float, done: Callable[[], None]) -> None:
        self.started_at = started_at
        self._task = asyncio.create_task(_run(work))
        self._waiting = 0
        self._done = done
        self._task.add_done_callback(lambda _: done())

    async def wait(self) -> T:
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting and not self._task.done():
                self._done()  # before it ends, so that no request joins what is being cancelled
                self._task.cancel()


async def _run(work: Work[T]) -> T:
    begin_request()
    return await work()


class SingleFlight:
    """The work under way of one event loop, by a name of its result."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._in_flight: dict[Hashable, _InFlight[Any]] = {}

    def __contains__(self, result: Hashable) -> bool:
        """Whether work for this result is under way."""
        return result in self._in_flight

    async def run(self, result: Hashable, max_age: float, work: Work[T]) -> T:
        """Join the work for `result` if it started less than `max_age` seconds ago, else start it."""
        in_flight: _InFlight[T] | None = self._in_flight.get(result)
        if in_flight is None or self._clock() - in_flight.started_at >= max_age:
            in_flight = self._start(result, work)
        return await in_flight.wait()

    def _start(self, result: Hashable, work: Work[T]) -> _InFlight[T]:
        def done() -> None:
            if self._in_flight.get(result) is in_flight:
                del self._in_flight[result]

        in_flight = self._in_flight[result] = _InFlight(work, self._clock(), done)
        return in_flight
