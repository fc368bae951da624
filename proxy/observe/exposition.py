"""The counters in Prometheus' text format."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from proxy.observe.counters import Counters


class _Families(Collector):
    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[CounterMetricFamily]:
        tls = CounterMetricFamily(
            "callerid_proxy_tls_connections",
            "TLS connections accepted, by listener and TLS version.",
            labels=("listener", "version"),
        )
        for labels, count in self._counters.tls_connections:
            tls.add_metric(labels, count)
        yield tls
        yield CounterMetricFamily(
            "callerid_proxy_replaced_names",
            "Names and numbers read from an upstream with characters that XML cannot hold, shown as U+FFFD.",
            self._counters.replaced_texts,
        )


def expose(counters: Counters) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Families(counters))
    return generate_latest(registry)
