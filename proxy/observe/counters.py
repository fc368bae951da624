"""What is counted while a proxy runs. Other packages report events; only this one knows metrics."""

import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from proxy.errors import Reason

EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of Prometheus' text format, in which `proxy.observe.exposition` writes."""

TLS_LISTENERS = ("tls", "legacy_tls")
TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

UpstreamOperation = Literal["list", "fetch", "rename", "delete", "validate", "call", "verify", "forward"]
LimitName = Literal["per_number", "per_account", "per_peer"]
Rejection = Literal[
    "wrong_token",
    "locked_out",
    "caller_limit",
    "busy",
    "no_memory",
    "per_number",
    "per_account",
    "per_peer",
    "codes",
]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its name without `_total`, what it says, and each label with all of its values."""

    name: str
    help: str
    labels: Mapping[str, Sequence[str]]
    is_gauge: bool = False


FAMILIES = (
    TLS_CONNECTIONS := Family(
        "callerid_proxy_tls_connections",
        "TLS connections accepted, by listener and TLS version.",
        {"listener": TLS_LISTENERS, "version": TLS_VERSIONS},
    ),
    REPLACED_NAMES := Family(
        "callerid_proxy_replaced_names",
        "Names and numbers read from an upstream with characters that XML cannot hold, shown as U+FFFD.",
        {},
    ),
    UPSTREAM_FAILURES := Family(
        "callerid_proxy_upstream_failures",
        "Operations that failed because an upstream gave no usable answer, by reason.",
        {"operation": get_args(UpstreamOperation), "reason": tuple(Reason)},
    ),
    REJECTED_REQUESTS := Family(
        "callerid_proxy_rejected_requests",
        "Requests answered 401, 429 or 503 without the upstream being asked, by reason.",
        {"reason": get_args(Rejection)},
    ),
    FORWARDED_REQUESTS := Family(
        "callerid_proxy_forwarded_requests",
        "Requests handed on by legacy.forward, by the class of the answer's status.",
        {"status": ("2xx", "3xx", "4xx", "5xx", "failed")},
    ),
    FAILED_HANDSHAKES := Family(
        "callerid_proxy_tls_handshake_failures",
        "TLS handshakes of clients that failed, by listener.",
        {"listener": TLS_LISTENERS},
    ),
    BREAKER_OPENINGS := Family(
        "callerid_proxy_circuit_breaker_openings",
        "Times that a circuit breaker has opened, of a caller or of all callers of an upstream.",
        {},
    ),
    OPEN_BREAKERS := Family(
        "callerid_proxy_circuit_breakers_open", "Circuit breakers that are open now.", {}, is_gauge=True
    ),
    DROPPED_LINES := Family(
        "callerid_proxy_log_lines_dropped", "Log lines that standard error had no room for.", {}
    ),
    STALLED_WORKERS := Family(
        "callerid_proxy_stalled_workers", "Workers that were replaced since they gave no heartbeat.", {}
    ),
)
# All combinations exist from the start, so that a rate sees the first event of each too
_PLACES: Mapping[tuple[str, tuple[str, ...]], int] = {
    key: place
    for place, key in enumerate(
        (family.name, labels) for family in FAMILIES for labels in product(*family.labels.values())
    )
}


class CounterMemory:
    """Counters in memory that the workers of one machine share; each counts in a row of its own."""

    def __init__(self, workers: int = 1) -> None:
        """Create the memory, before any worker is forked."""
        size = workers * len(_PLACES)
        self._counts = memoryview(mmap.mmap(-1, size * 8)).cast("q")
        self._rows = range(0, size, len(_PLACES))

    def count(self, worker: int, counter: int, times: int) -> None:
        self._counts[self._rows[worker] + counter] += times

    def total(self, counter: int) -> int:
        """Return what all workers have counted, workers that have died included."""
        return sum(self._counts[row + counter] for row in self._rows)

    def remove_worker(self, worker: int) -> None:
        """Forget what a worker that has died had open."""
        for family in FAMILIES:
            if family.is_gauge:
                self._counts[self._rows[worker] + _PLACES[family.name, ()]] = 0


class Counters:
    """The counters of a proxy, as one of its workers counts."""

    def __init__(self, memory: CounterMemory | None = None, worker: int = 0) -> None:
        """Count in `memory`, from 0 where there is none yet."""
        self._memory = memory or CounterMemory()
        self._worker = worker

    def count(self, family: Family, *labels: str, times: int = 1) -> None:
        """Count an event; one with labels that the family does not have is not counted."""
        if (place := _PLACES.get((family.name, labels))) is not None:
            self._memory.count(self._worker, place, times)

    def totals(self, family: Family) -> Iterator[tuple[Sequence[str], int]]:
        """Yield what all workers have counted: the values of the labels, and the count."""
        for labels in product(*family.labels.values()):
            yield [str(each) for each in labels], self._memory.total(_PLACES[family.name, labels])
