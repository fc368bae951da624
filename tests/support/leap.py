"""An event loop with virtual time: when no callback is ready, the clock leaps to the next deadline.

The proxy, the upstream and the clients of a test have to run on the loop. Deadlines are then exact, however
long they are and however busy the machine is.
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_QUIET = 0.02  # seconds; by then, bytes sent over the loopback interface have arrived


class _Selector(selectors.DefaultSelector):
    leapt = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(min(timeout, _QUIET))
        if not events:
            self.leapt += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = _Selector()
        super().__init__(self._leaping)

    def time(self) -> float:
        # CPU time, so that a stream without an end meets its deadline, but waiting for a core does not count
        return time.process_time() + self._leaping.leapt


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a loop with virtual time."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
