"""Whose turn it is to take a connection, where several processes take from the same socket.

Whoever wakes first would take all that wait, and keep-alive connections stay for long.
"""

import mmap

_NOT_THERE = 2**62


class AcceptShares:
    """How many connections each worker has, in memory that all of them inherit."""

    def __init__(self, workers: int) -> None:
        """Make the table, before any worker starts."""
        self.workers = workers
        self.counts = memoryview(mmap.mmap(-1, workers * 8)).cast("q")
        for worker in range(workers):
            self.gone(worker)

    def gone(self, worker: int) -> None:
        """Take note that nobody need wait for a worker."""
        self.counts[worker] = _NOT_THERE


class AcceptShare:
    """The turns of one worker."""

    def __init__(self, turns: AcceptShares, worker: int) -> None:
        """Be one of the workers, from 0."""
        self._counts = turns.counts
        self._worker = worker
        self.is_alone = turns.workers == 1

    def begin(self) -> None:
        """Be there, without a connection."""
        self._counts[self._worker] = 0

    def took(self) -> None:
        """Take note of a connection."""
        self._counts[self._worker] += 1

    def lost(self) -> None:
        """Take note of its end."""
        self._counts[self._worker] -= 1

    @property
    def is_mine(self) -> bool:
        """Whether another one has hardly fewer connections, and need not be waited for."""
        return self._counts[self._worker] <= min(self._counts) + 1
