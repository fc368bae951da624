"""What is counted while a proxy runs.

The program tells what happens; only this module knows what becomes of it.
"""

import mmap
from collections.abc import Iterator, Mapping
from itertools import product

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

EXPOSITION_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_TLS_LISTENERS = ("tls", "legacy_tls")
_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# All there are: the labels are a closed set, and a rate sees the first connection of each kind too
_TLS: Mapping[tuple[str, str | None], int] = {
    labels: place for place, labels in enumerate(product(_TLS_LISTENERS, _TLS_VERSIONS))
}

_REPLACED = len(_TLS)
_PLACES = _REPLACED + 1


class CounterMemory:
    """GenerationTable in memory that the workers of one machine inherit: each counts in a row of its own."""

    def __init__(self, workers: int = 1) -> None:
        """Make them, before any worker starts."""
        size = workers * _PLACES
        self._counts = memoryview(mmap.mmap(-1, size * 8)).cast("Q")
        self._rows = range(0, size, _PLACES)

    def count(self, worker: int, place: int, times: int = 1) -> None:
        """Count one more, or several."""
        self._counts[self._rows[worker] + place] += times

    def total(self, place: int) -> int:
        """Return what all workers have counted, those before them that died included."""
        return sum(self._counts[row + place] for row in self._rows)


class Counters(Collector):
    """The counters of one proxy, as one of its workers counts them."""

    def __init__(self, memory: CounterMemory | None = None, worker: int = 0) -> None:
        """Start to count, from 0 where there are no memory yet."""
        self._tallies = memory or CounterMemory()
        self._worker = worker
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def connected(self, listener: str, tls_version: str | None) -> None:
        """Take note of a connection that has been accepted, and of its TLS version if it has one."""
        if (place := _TLS.get((listener, tls_version))) is not None:
            self._tallies.count(self._worker, place)

    def replaced(self, texts: int) -> None:
        """Take note of names and numbers that were read and cannot be shown as they are."""
        self._tallies.count(self._worker, _REPLACED, texts)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counters of all workers."""
        tls = CounterMetricFamily(
            "callerid_proxy_tls_connections",
            "TLS connections accepted, by listener and TLS version.",
            labels=("listener", "version"),
        )
        for labels, place in _TLS.items():
            tls.add_metric([str(label) for label in labels], self._tallies.total(place))
        yield tls
        yield CounterMetricFamily(
            "callerid_proxy_replaced_names",
            "Names and numbers read from an upstream with characters that XML cannot hold, shown as U+FFFD.",
            self._tallies.total(_REPLACED),
        )

    def exposition(self) -> bytes:
        """Return all counters in Prometheus' text format, of the type EXPOSITION_TYPE."""
        return generate_latest(self._registry)
