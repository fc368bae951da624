"""Heartbeats: how the supervisor notices a worker whose event loop has stopped.

Silence adds up only while the supervisor runs: a machine that sleeps, a container that is paused or a group
of processes that is stopped costs no worker its life. No clock is compared between processes.
"""

import mmap
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

# In seconds
BEAT_PERIOD = 1.0
_MAX_STEP = 2 * BEAT_PERIOD  # more between two checks: the supervisor did not run, nor may a worker have
_MAX_SILENCE = 10.0
_MAX_SILENCE_AT_START = 60.0  # of a worker that does not serve yet: a large configuration takes its time


class Heartbeats:
    """The heartbeats of all workers, in memory that they inherit, and how long each has been silent."""

    def __init__(self, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Create the memory, before any worker is forked."""
        self._beats = memoryview(mmap.mmap(-1, workers * 8)).cast("Q")
        self._heard = [0] * workers
        self.silence = [0.0] * workers
        """Seconds by worker."""
        self._clock = clock
        self._checked_at = clock()

    def beat(self, worker: int) -> None:
        """Give a heartbeat, as this worker."""
        self._beats[worker] += 1

    def check(self) -> None:
        """Add the time since the last check to the silence of each worker that has not beaten meanwhile."""
        now = self._clock()
        passed, self._checked_at = now - self._checked_at, now
        step = passed if passed <= _MAX_STEP else 0
        for worker, beats in enumerate(self._beats):
            is_silent = beats == self._heard[worker]
            self.silence[worker] = self.silence[worker] + step if is_silent else 0
            self._heard[worker] = beats

    def reset(self, worker: int) -> None:
        """Count the silence of a worker anew."""
        self.silence[worker] = 0

    def is_too_long(self, worker: int, *, has_started: bool) -> bool:
        """Whether a worker has been silent for too long."""
        return self.silence[worker] >= (_MAX_SILENCE if has_started else _MAX_SILENCE_AT_START)


class ProcessState(NamedTuple):
    """What the system says of a process."""

    name: str
    """A letter and a word, as `R (running)`."""
    is_traced: bool
    """Whether a debugger holds it."""

    @property
    def is_stopped(self) -> bool:
        """Whether a signal has stopped it."""
        return self.name.startswith("T")


def read_process_state(pid: int) -> ProcessState:
    """Return the state of a process, which is unknown without Linux's /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        status = b""
    name = re.search(rb"^State:\t(.*)", status, re.MULTILINE)
    is_traced = re.search(rb"^TracerPid:\t[1-9]", status, re.MULTILINE) is not None
    return ProcessState(name[1].decode() if name else "unknown", is_traced)
