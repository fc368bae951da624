"""What is counted while a proxy runs.

The program tells what happens; only this module knows what becomes of it.
"""

from collections.abc import Mapping
from itertools import product

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

EXPOSITION_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_TLS_LISTENERS = ("tls", "legacy_tls")
_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


class Observers:
    """The counters of one proxy."""

    def __init__(self) -> None:
        """Start to count from 0."""
        self._registry = CollectorRegistry()
        tls = Counter(
            "callerid_proxy_tls_connections",
            "TLS connections accepted, by listener and TLS version.",
            ("listener", "version"),
            registry=self._registry,
        )
        # Made in advance: the labels stay a closed set, and a rate sees the first connection of each kind too
        self._tls: Mapping[tuple[str, str | None], Counter] = {
            labels: tls.labels(*labels) for labels in product(_TLS_LISTENERS, _TLS_VERSIONS)
        }

    def connected(self, listener: str, tls_version: str | None) -> None:
        """Take note of a connection that has been accepted, and of its TLS version if it has one."""
        if (listener, tls_version) in self._tls:
            self._tls[listener, tls_version].inc()

    def exposition(self) -> bytes:
        """Return all counters in Prometheus' text format, of the type EXPOSITION_TYPE."""
        return generate_latest(self._registry)
