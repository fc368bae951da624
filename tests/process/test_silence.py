"""How long a worker has been silent, as far as the supervisor runs, and the state of a process."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence

import pytest
from support.debugger import traced

from proxy.process.heartbeats import Heartbeats, read_process_state


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def seconds_until_stopped(steps: Sequence[float], *, beats_every: int = 0, has_started: bool = True) -> float:
    """Check after each of these steps; return the time until a worker counts as stopped, 0 for never."""
    clock = Clock()
    heartbeats = Heartbeats(2, clock)
    for number, step in enumerate(steps, 1):
        heartbeats.beat(1)
        if beats_every and number % beats_every == 0:
            heartbeats.beat(0)
        clock.now += step
        heartbeats.check()
        assert not heartbeats.is_too_long(1, has_started=True)
        if heartbeats.is_too_long(0, has_started=has_started):
            return clock.now - 1000
    return 0


@pytest.mark.parametrize(
    ("steps", "beats_every", "has_started", "seconds"),
    [
        ([1.0] * 30, 0, True, 10),
        ([0.25] * 80, 0, True, 10),  # signals wake the supervisor more often
        ([1.0] * 100, 0, False, 60),
        ([1.0] * 100, 9, True, 0),  # slow
        ([3600.0] * 50, 0, True, 0),  # the supervisor was suspended again and again
        ([1.0] * 9 + [86_400.0], 0, True, 0),
        ([*[1.0] * 9, 86_400.0, 1.0], 0, True, 86_410),
        ([2.0] * 5, 0, True, 10),  # a busy machine
    ],
)
def test_found_g15_only_time_in_which_the_supervisor_runs_counts(
    steps: Sequence[float], beats_every: int, has_started: bool, seconds: float
) -> None:
    assert seconds_until_stopped(steps, beats_every=beats_every, has_started=has_started) == seconds


def test_found_g15_a_worker_that_is_replaced_has_not_been_silent() -> None:
    clock = Clock()
    heartbeats = Heartbeats(2, clock)
    for _ in range(10):
        clock.now += 1
        heartbeats.check()
    assert heartbeats.silence == [10, 10]
    heartbeats.reset(1)
    assert [heartbeats.is_too_long(worker, has_started=True) for worker in (0, 1)] == [True, False]
    heartbeats.beat(0)
    clock.now += 1
    heartbeats.check()
    assert heartbeats.silence == [0, 1]


def test_found_g15_the_state_of_a_process() -> None:
    own = read_process_state(os.getpid())
    assert own == ("R (running)", False)
    assert not own.is_stopped
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            with traced(process.pid):
                assert read_process_state(process.pid) == ("t (tracing stop)", True)
            os.kill(process.pid, signal.SIGSTOP)
            until = time.monotonic() + 10
            while not (found := read_process_state(process.pid)).is_stopped:
                assert time.monotonic() < until, found
                time.sleep(0.01)
            assert found == ("T (stopped)", False)
        finally:
            process.kill()
    assert read_process_state(process.pid) == ("unknown", False)
