"""Processes that work side by side, and one above them that does nothing but replace those that die.

What they share is made before: open sockets, and memory that is mapped for all of them.
"""

import logging
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

_log = logging.getLogger("proxy.process")

Work = Callable[[int], None]
"""What a worker does until it is told to stop; it lets SIGTERM and SIGINT through once it heeds them.

The file descriptor it gets ends when nobody is above it.
"""

ENDS = (signal.SIGTERM, signal.SIGINT)
"""What tells a process to stop; of two at the same time the first counts."""
_BETWEEN_STARTS = 1.0
"""Seconds at least between two starts of a worker: one that cannot live does not take all the time."""


def side_by_side(
    works: Sequence[Work],
    *,
    ready: Callable[[], None],
    died: Callable[[int], None],
    stops: Callable[[], None],
    reload: Callable[[], bool] | None = None,
) -> int:
    """Run a process for each of `works` until SIGINT or SIGTERM; return the exit status.

    `ready` is called once signals are heeded, `died` with the number of a worker before it is replaced, and
    `stops` once nobody is replaced any more.
    SIGHUP is passed on if `reload` returns True; who is started after that starts with what it has changed.
    """
    heeds = (signal.SIGCHLD, *ENDS, *((signal.SIGHUP,) if reload else ()))
    with _heeded(heeds) as wakeups:
        above = _Above(works, died, heeds)
        ready()
        while above.goes_on():
            if select.select([wakeups], [], [], above.pause())[0]:
                told = wakeups.recv(4096)
                above.reap()
                if how := next((each for each in ENDS if each in told), None):
                    above.stop(how)
                    stops()
                if reload and signal.SIGHUP in told and reload():
                    above.tell(signal.SIGHUP)
    return above.status


class _Above:
    """The process above the workers."""

    def __init__(
        self, works: Sequence[Work], died: Callable[[int], None], heeds: Sequence[signal.Signals]
    ) -> None:
        self.status = 0
        self._works = works
        self._died = died
        self._heeds = heeds
        self._is_stopping = False
        self._numbers: dict[int, int] = {}
        """Process id → number of the worker."""
        self._due = dict.fromkeys(range(len(works)), 0.0)
        """Number of each worker that is to be started → when."""
        self._started: dict[int, float] = {}
        self._lifeline, self._held = os.pipe()

    def goes_on(self) -> bool:
        """Start who is due; False once everybody has stopped."""
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now and not self._is_stopping]:
            del self._due[number]
            self._start(number)
        return bool(self._numbers) or not self._is_stopping

    def pause(self) -> float | None:
        """Return the seconds until somebody is due."""
        if self._is_stopping or not self._due:
            return None
        return max(0, min(self._due.values()) - time.monotonic())

    def stop(self, how: signal.Signals) -> None:
        """Tell everybody to stop; for the second time, at once."""
        self.tell(signal.SIGKILL if self._is_stopping else how)  # whether or not it heeds signals yet
        self._is_stopping = True

    def tell(self, what: signal.Signals) -> None:
        """Pass a signal on."""
        for pid in self._numbers:
            with suppress(ProcessLookupError):
                os.kill(pid, what)

    def reap(self) -> None:
        """Take note of who has ended."""
        with suppress(ChildProcessError):
            while ended := os.waitpid(-1, os.WNOHANG):
                pid, code = ended[0], os.waitstatus_to_exitcode(ended[1])
                if pid == 0:
                    return
                number = self._numbers.pop(pid, None)
                if number is None:  # an orphan that came to us as the first process of a container
                    continue
                if self._is_stopping:
                    self.status = self.status or abs(code)
                else:
                    _log.error("worker %d (process %d) ended with %d and is replaced", number, pid, code)
                    self._died(number)
                    self._due[number] = self._started[number] + _BETWEEN_STARTS

    def _start(self, number: int) -> None:
        self._started[number] = time.monotonic()
        # What is told to a worker before it listens waits until then
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._heeds)
        pid = os.fork()
        if pid == 0:
            os.close(self._held)
            _work(self._works[number], self._lifeline, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._numbers[pid] = number


def _work(work: Work, lifeline: int, mask: set[int | signal.Signals]) -> NoReturn:
    """Be a worker."""
    status = 1
    try:
        os.setpgid(0, 0)  # Ctrl-C is for the process above, which tells the others
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # Whoever heeds the others lets them through once he can
        signal.pthread_sigmask(signal.SIG_SETMASK, mask | {signal.SIGHUP, *ENDS})
        work(lifeline)
        status = 0
    except BaseException:  # noqa: BLE001 - nothing may get into the code of the process above
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@contextmanager
def _heeded(signals: Sequence[signal.Signals]) -> Iterator[socket.socket]:
    """Turn signals into bytes that can be waited for."""
    wakeups, waking = socket.socketpair()
    with wakeups, waking:
        waking.setblocking(False)  # noqa: FBT003 - the name says it
        before = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        handlers = {each: signal.signal(each, lambda *_: None) for each in signals}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)  # it may have been told before
        try:
            yield wakeups
        finally:
            signal.set_wakeup_fd(before)
            for each, handler in handlers.items():
                signal.signal(each, handler)
