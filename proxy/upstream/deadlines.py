"""One time limit for many tasks at next to no cost: who begins first ends first, and one timer serves all."""

import asyncio
from types import TracebackType


class Deadlines:
    """A context manager that many tasks may be in at once; TimeoutError as from asyncio.timeout."""

    def __init__(self, seconds: float) -> None:
        """Give each task so many seconds, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._running: dict[asyncio.Task[object], tuple[float, int]] = {}
        """In the order of their ends: when, and how often the task had been cancelled before."""
        self._ended: dict[asyncio.Task[object], int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Leave no timer behind."""
        if self._timer:
            self._timer.cancel()

    def __enter__(self) -> float:
        """Return when the time of this task is over."""
        when = self._loop.time() + self._seconds
        task = _this_task()
        self._running[task] = when, task.cancelling()
        if self._timer is None:
            self._timer = self._loop.call_at(when, self._end)
        return when

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = _this_task()
        if self._running.pop(task, None):
            return
        if task.uncancel() <= self._ended.pop(task) and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _end(self) -> None:
        """Cancel the tasks whose time is over; the timer is set for the first of the others."""
        self._timer = None
        for task, (when, cancelling) in list(self._running.items()):
            if when > self._loop.time():
                self._timer = self._loop.call_at(when, self._end)
                break
            del self._running[task]
            self._ended[task] = cancelling
            task.cancel()


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a deadline is for tasks")
    return task
