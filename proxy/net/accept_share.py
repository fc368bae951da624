"""Balance of accepts between workers that take connections from the same socket.

The worker that wakes first would take all that wait, and keep-alive connections stay for long.
"""

import mmap

_ABSENT = 2**62


class AcceptShares:
    """How many connections each worker has, in memory that all of them inherit."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.counts = memoryview(mmap.mmap(-1, workers * 8)).cast("q")
        for worker in range(workers):
            self.remove_worker(worker)

    def remove_worker(self, worker: int) -> None:
        """Let no worker wait for one that has died."""
        self.counts[worker] = _ABSENT


class AcceptShare:
    """The share of one worker."""

    def __init__(self, shares: AcceptShares | None = None, worker: int = 0) -> None:
        """Be one of the workers, from 0; without `shares` the only one."""
        shares = shares or AcceptShares(1)
        self._counts = shares.counts
        self._worker = worker
        self.is_alone = shares.workers == 1

    def join(self) -> None:
        """Take part, without a connection yet."""
        self._counts[self._worker] = 0

    def add_connection(self) -> None:
        self._counts[self._worker] += 1

    def remove_connection(self) -> None:
        self._counts[self._worker] -= 1

    @property
    def is_due(self) -> bool:
        """Whether no other worker has clearly fewer connections, so that the next one is this worker's."""
        return self._counts[self._worker] <= min(self._counts) + 1
