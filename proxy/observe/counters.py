"""What is counted while a proxy runs. Other packages report events; only this one knows metrics."""

import mmap
from collections.abc import Mapping, Sequence
from itertools import product

EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of Prometheus' text format, in which `proxy.observe.exposition` writes."""

TLS_LISTENERS = ("tls", "legacy_tls")
TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# All combinations exist from the start, so that a rate sees the first connection of each too
_TLS: Mapping[tuple[str, str | None], int] = {
    labels: place for place, labels in enumerate(product(TLS_LISTENERS, TLS_VERSIONS))
}
_REPLACED = len(_TLS)
_COUNTERS = _REPLACED + 1


class CounterMemory:
    """Counters in memory that the workers of one machine share; each counts in a row of its own."""

    def __init__(self, workers: int = 1) -> None:
        """Create the memory, before any worker is forked."""
        size = workers * _COUNTERS
        self._counts = memoryview(mmap.mmap(-1, size * 8)).cast("Q")
        self._rows = range(0, size, _COUNTERS)

    def count(self, worker: int, counter: int, times: int = 1) -> None:
        self._counts[self._rows[worker] + counter] += times

    def total(self, counter: int) -> int:
        """Return what all workers have counted, workers that have died included."""
        return sum(self._counts[row + counter] for row in self._rows)


class Counters:
    """The counters of a proxy, as one of its workers counts."""

    def __init__(self, memory: CounterMemory | None = None, worker: int = 0) -> None:
        """Count in `memory`, from 0 where there is none yet."""
        self._memory = memory or CounterMemory()
        self._worker = worker

    def connected(self, listener: str, tls_version: str | None) -> None:
        """Count an accepted connection, with its TLS version if it has one."""
        if (counter := _TLS.get((listener, tls_version))) is not None:
            self._memory.count(self._worker, counter)

    def replaced(self, texts: int) -> None:
        """Count names and numbers from an upstream that cannot be shown as they are."""
        self._memory.count(self._worker, _REPLACED, texts)

    @property
    def tls_connections(self) -> Sequence[tuple[Sequence[str], int]]:
        """Connections of all workers, by listener and TLS version."""
        return [([str(each) for each in labels], self._memory.total(at)) for labels, at in _TLS.items()]

    @property
    def replaced_texts(self) -> int:
        """Names and numbers that all workers have counted."""
        return self._memory.total(_REPLACED)
