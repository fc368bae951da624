"""The supervisor: forks the workers, replaces one that dies or stops, and passes signals on.

What the workers share is created before they are forked: listening sockets and shared memory.
"""

import logging
import mmap
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple, NoReturn

from proxy.process.heartbeats import BEAT_PERIOD, Heartbeats, read_process_state

_log = logging.getLogger("proxy.process")


class Lifeline(NamedTuple):
    """What connects a worker with its supervisor."""

    ends: int
    """A file descriptor that becomes readable when the supervisor has died."""
    report_start: Callable[[], None]
    """Tells the supervisor that the worker has started."""
    beat: Callable[[], None]
    """Tells the supervisor that the event loop of the worker runs; due each BEAT_PERIOD."""


Work = Callable[[Lifeline], None]
"""What a worker runs until it is told to stop. It unblocks SIGTERM and SIGINT once it can handle them."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""Signals that stop a process; of two at the same time the first counts."""
REPEAT_PERIOD = 1.0
"""Seconds within which a second stop signal counts as the first one sent again."""
# In seconds
_RESTART_PAUSE = 1.0  # at least, between two starts of a worker: one that fails at once takes little CPU time
_SIGNAL_DELAY = 0.2  # a signal to all processes may reach a worker before it reaches the supervisor
_MAX_FAILED_STARTS = 5  # in a row, of one worker


def supervise(  # noqa: PLR0913 - each is a callback
    works: Sequence[Work],
    *,
    ready: Callable[[], None],
    died: Callable[[int], None],
    stopping: Callable[[], None],
    reload: Callable[[], bool] | None = None,
    stalled: Callable[[int], None] = lambda _: None,
) -> int:
    """Run a worker for each of `works` until SIGINT or SIGTERM; return the exit status.

    The status is not 0 after a worker that repeatedly failed to start, which stops the others too.

    `ready` is called once signals are handled, `died` with the number of a dead worker before it is replaced,
    and `stopping` once no worker is replaced any more. `stalled` is called with the number of a worker that
    is killed since its heartbeat has stopped. SIGHUP is passed on to the workers if `reload`
    returns True; a worker that is forked later inherits what `reload` has changed.
    """
    signals = (signal.SIGCHLD, *STOP_SIGNALS, *((signal.SIGHUP,) if reload else ()))
    with _received(signals) as wakeups:
        supervisor = _Supervisor(works, died, stopping, stalled, signals)
        ready()
        while supervisor.start_due():
            supervisor.kill_stalled()
            if select.select([wakeups], [], [], supervisor.seconds_to_wake())[0]:
                received = wakeups.recv(4096)
                supervisor.reap()
                if how := next((each for each in STOP_SIGNALS if each in received), None):
                    supervisor.stop(how)
                if reload and signal.SIGHUP in received and reload():
                    supervisor.send(signal.SIGHUP)
    return supervisor.status


class _Supervisor:
    """The state of the supervising process."""

    def __init__(
        self,
        works: Sequence[Work],
        died: Callable[[int], None],
        stopping: Callable[[], None],
        stalled: Callable[[int], None],
        signals: Sequence[signal.Signals],
    ) -> None:
        self.status = 0
        self._works = works
        self._died = died
        self._stopping = stopping
        self._stalled = stalled
        self._signals = signals
        self._stopping_since: float | None = None
        self._numbers: dict[int, int] = {}
        """Process id → number of the worker."""
        self._start_at = dict.fromkeys(range(len(works)), 0.0)
        """Number of each worker that is to be started → when."""
        self._started_at: dict[int, float] = {}
        self._has_started = memoryview(mmap.mmap(-1, len(works)))
        """By number of the worker, which sets it: 1 once it has started."""
        self._heartbeats = Heartbeats(len(works))
        self._failed_starts = [0] * len(works)
        """By number of the worker: how many in a row until now."""
        self._lifeline, self._held_end = os.pipe()

    @property
    def _is_stopping(self) -> bool:
        return self._stopping_since is not None

    def start_due(self) -> bool:
        """Start the workers whose time has come; False once all have stopped."""
        now = time.monotonic()
        due = [number for number, at in self._start_at.items() if at <= now and not self._is_stopping]
        for number in due:
            del self._start_at[number]
            self._start(number)
        return bool(self._numbers) or not self._is_stopping

    def seconds_to_wake(self) -> float:
        """Return the seconds until the next start, or until the next check of heartbeats."""
        starts = () if self._is_stopping else self._start_at.values()
        return max(0, min([at - time.monotonic() for at in starts] + [BEAT_PERIOD]))

    def kill_stalled(self) -> None:
        """Kill the workers that have given no heartbeat for too long, unless a debugger holds them."""
        has_started = bytes(self._has_started)  # before the heartbeats: a worker gives one before it starts
        self._heartbeats.check()
        for pid, number in self._numbers.items():
            if not self._heartbeats.is_too_long(number, has_started=True):
                continue
            state, silence = read_process_state(pid), self._heartbeats.silence[number]
            starts = not has_started[number] and not state.is_stopped
            if starts and not self._heartbeats.is_too_long(number, has_started=False):
                continue
            self._heartbeats.reset(number)
            if state.is_traced:
                continue
            line = "worker %d (process %d) has given no heartbeat for %d s and is killed; its state: %s"
            _log.error(line, number, pid, silence, state.name)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._stalled(number)

    def stop(self, how: signal.Signals) -> None:
        """Stop all workers; the second time at once, unless that is the first signal sent again."""
        now = time.monotonic()
        if self._stopping_since is None:
            self._stopping_since = now
            _log.info("%s received: requests in progress finish", how.name)
            self.send(how)
            self._stopping()
        elif now - self._stopping_since > REPEAT_PERIOD:
            self.send(signal.SIGKILL)  # a worker may not handle signals yet

    def send(self, what: signal.Signals) -> None:
        for pid in self._numbers:
            with suppress(ProcessLookupError):
                os.kill(pid, what)

    def reap(self) -> None:
        """Collect the workers that have ended, and plan their replacement."""
        with suppress(ChildProcessError):
            while ended := os.waitpid(-1, os.WNOHANG):
                pid, code = ended[0], os.waitstatus_to_exitcode(ended[1])
                if pid == 0:
                    return
                number = self._numbers.pop(pid, None)
                if number is None:  # an orphan that this process inherits as the first one of a container
                    continue
                if self._is_stopping:
                    self.status = self.status or abs(code)
                else:
                    self._replace(number, pid, code)

    def _replace(self, number: int, pid: int, code: int) -> None:
        """Plan the replacement of a worker; stop all where it has failed to start too often."""
        self._died(number)
        has_failed = code not in (0, -signal.SIGKILL) and not self._has_started[number]
        failed = self._failed_starts[number] = self._failed_starts[number] + 1 if has_failed else 0
        if failed == _MAX_FAILED_STARTS:
            _log.error("worker %d failed to start %d times in a row; the program stops", number, failed)
            self.status = abs(code)
            self.stop(signal.SIGTERM)
            return
        _log.error("worker %d (process %d) ended with %d and is replaced", number, pid, code)
        soonest = time.monotonic() + (_SIGNAL_DELAY if code == 0 else 0)
        self._start_at[number] = max(soonest, self._started_at[number] + _RESTART_PAUSE)

    def _start(self, number: int) -> None:
        self._started_at[number] = time.monotonic()
        self._has_started[number] = 0
        self._heartbeats.reset(number)
        # A signal that a worker gets before it can handle it stays pending
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        pid = os.fork()
        if pid == 0:
            os.close(self._held_end)
            report_start = partial(self._has_started.__setitem__, number, 1)
            beat = partial(self._heartbeats.beat, number)
            _run_worker(self._works[number], Lifeline(self._lifeline, report_start, beat), before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._numbers[pid] = number


def _run_worker(work: Work, lifeline: Lifeline, mask: set[int | signal.Signals]) -> NoReturn:
    """Run `work` in a process that has just been forked, and end the process."""
    status = 1
    try:
        os.setpgid(0, 0)  # Ctrl-C goes to the supervisor alone, which tells the workers
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # The event loop of the worker unblocks these once it has handlers for them
        signal.pthread_sigmask(signal.SIG_SETMASK, mask | {signal.SIGHUP, *STOP_SIGNALS})
        work(lifeline)
        status = 0
    except BaseException:  # noqa: BLE001 - no exception may reach the code of the supervisor
        _log.exception("a worker failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@contextmanager
def _received(signals: Sequence[signal.Signals]) -> Iterator[socket.socket]:
    """Turn signals into bytes on a socket, which select can wait for."""
    wakeups, waking = socket.socketpair()
    with wakeups, waking:
        waking.setblocking(False)  # noqa: FBT003 - the name says it
        before = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        handlers = {each: signal.signal(each, lambda *_: None) for each in signals}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)  # one may be pending already
        try:
            yield wakeups
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # one sent again keeps the exit status
            signal.set_wakeup_fd(before)
            for each, handler in handlers.items():
                signal.signal(each, handler)
