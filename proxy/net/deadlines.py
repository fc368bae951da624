"""Time limits: of a whole request, and of many tasks at next to no cost, as one timer serves them all."""

import asyncio
from contextvars import ContextVar
from math import inf
from types import TracebackType

TOTAL = 25.0
"""Seconds that a request may take, with all that is asked for it and with retries."""
GRACE = 0.25
"""Seconds after that for whoever knows best what is to be said; then nothing is waited for any more."""

_request_ends: ContextVar[float] = ContextVar("request_ends", default=inf)


def begin_request(seconds: float = TOTAL) -> None:
    """Give whatever this task asks for from now on, and the tasks that it creates, so many seconds in all."""
    _request_ends.set(asyncio.get_running_loop().time() + seconds)


def seconds_left() -> float:
    """Return for how long the request of this task may still wait for something, its grace included."""
    return max(0.0, _request_ends.get() + GRACE - asyncio.get_running_loop().time())


class Deadlines:
    """A context manager that many tasks may be in at once; TimeoutError as from asyncio.timeout."""

    def __init__(self, seconds: float = TOTAL, grace: float = 0) -> None:
        """Give each task so many seconds, or what its request has left, and `grace`, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._grace = grace
        self._running: dict[asyncio.Task[object], tuple[float, int]] = {}
        """When each task's time is over, and how often it had been cancelled before."""
        self._ended: dict[asyncio.Task[object], int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = inf  # for which the timer is set

    def close(self) -> None:
        """Leave no timer behind."""
        if self._timer:
            self._timer.cancel()

    def __enter__(self) -> float:
        """Return when the time of this task is over."""
        when = min(self._loop.time() + self._seconds, _request_ends.get()) + self._grace
        task = _this_task()
        self._running[task] = when, task.cancelling()
        if when < self._next:
            self._set_timer(when)
        return when

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = _this_task()
        if self._running.pop(task, None):
            return
        if task.uncancel() <= self._ended.pop(task) and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def are_over(self) -> bool:
        """Whether this task is being cancelled because its time is over, and for nothing else."""
        task = _this_task()
        return task in self._ended and task.cancelling() == self._ended[task] + 1

    def _set_timer(self, when: float) -> None:
        self.close()
        self._next = when
        self._timer = self._loop.call_at(when, self._end)

    def _end(self) -> None:
        """Cancel the tasks whose time is over; the timer is set for the first of the others."""
        self._next = inf
        now, first = self._loop.time(), inf
        for task, (when, cancelling) in list(self._running.items()):
            if when > now:
                first = min(first, when)
                continue
            del self._running[task]
            self._ended[task] = cancelling
            task.cancel()
        if first < inf:
            self._set_timer(first)


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a deadline is for tasks")
    return task
