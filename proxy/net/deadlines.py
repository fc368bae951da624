"""Time limits: of a whole request, and of many tasks at little cost, since one timer serves them all."""

import asyncio
from contextvars import ContextVar
from math import inf

TOTAL = 25.0
"""Seconds that a request may take, all upstream calls and retries included."""
GRACE = 0.25
"""Seconds after that in which the part that waits can still say what was too slow."""

_request_deadline: ContextVar[float] = ContextVar("request_deadline", default=inf)


def begin_request(seconds: float = TOTAL) -> None:
    """Start the time of a request: of this task, and of the tasks that it creates."""
    _request_deadline.set(asyncio.get_running_loop().time() + seconds)


def seconds_left() -> float:
    """Return how long the request of this task may still wait, its grace included."""
    return max(0.0, _request_deadline.get() + GRACE - asyncio.get_running_loop().time())


class Deadlines:
    """A context manager that many tasks may be in at the same time; TimeoutError as from asyncio.timeout."""

    def __init__(self, seconds: float = TOTAL, grace: float = 0) -> None:
        """Give each task `seconds`, or what its request has left, and `grace`; on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._grace = grace
        self._running: dict[asyncio.Task[object], tuple[float, int]] = {}
        """The deadline of each task, and how often it had been cancelled before."""
        self._expired: dict[asyncio.Task[object], int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def __enter__(self) -> float:
        """Return the deadline of this task, in seconds of the loop's clock."""
        deadline = min(self._loop.time() + self._seconds, _request_deadline.get()) + self._grace
        task = _current_task()
        self._running[task] = deadline, task.cancelling()
        if deadline < self._timer_at:
            self._set_timer(deadline)
        return deadline

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        task = _current_task()
        if self._running.pop(task, None):
            return
        if task.uncancel() <= self._expired.pop(task) and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def has_expired(self) -> bool:
        """Whether this task is being cancelled because of its deadline, and for nothing else."""
        task = _current_task()
        return task in self._expired and task.cancelling() == self._expired[task] + 1

    def _set_timer(self, deadline: float) -> None:
        self.close()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        """Cancel the tasks whose deadline has passed; set the timer for the first of the others."""
        self._timer_at = inf
        now, first = self._loop.time(), inf
        for task, (deadline, cancelling) in list(self._running.items()):
            if deadline > now:
                first = min(first, deadline)
                continue
            del self._running[task]
            self._expired[task] = cancelling
            task.cancel()
        if first < inf:
            self._set_timer(first)


def _current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a deadline is for tasks")
    return task
