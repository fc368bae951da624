"""The counters in Prometheus' text format."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from proxy.observe.counters import FAMILIES, Counters


class _Families(Collector):
    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for family in FAMILIES:
            kind = GaugeMetricFamily if family.is_gauge else CounterMetricFamily
            metric = kind(family.name, family.help, labels=tuple(family.labels))
            for labels, count in self._counters.totals(family):
                metric.add_metric(labels, count)
            yield metric


def expose(counters: Counters) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Families(counters))
    return generate_latest(registry)
