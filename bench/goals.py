"""Goals, and whether they are reached. CPU ratios and counters decide; wall time is reported only."""

from collections.abc import Sequence
from typing import NamedTuple

from bench.measuring import CHANGED, COLD, INSTANCE, LIST, Case, Metrics, Row
from bench.peers.table import CONSTANT, OURS, SNAPSHOT, Peer

_QUARTER = 0.25  # CPU time of the same program differs by nearly this much between runs


class Goal(NamedTuple):
    """A figure and its limit."""

    what: str
    figure: str
    limit: float
    at_least: bool = False
    allowance: float | None = _QUARTER
    """The tolerated excess, as a share of the limit; None if the gate ignores this goal."""
    held_at: float | None = None
    """The gate's own limit, for a goal that is not reached yet."""

    def excess(self, value: float) -> float:
        """Return how far a value is beyond the limit, as a share of it; 0 or less within it."""
        return _excess(value, self.limit, at_least=self.at_least)

    def fails(self, value: float) -> bool:
        """Tell whether the gate fails with a value."""
        if self.allowance is None:
            return False
        held = self.limit if self.held_at is None else self.held_at
        return _excess(value, held, at_least=self.at_least) > self.allowance

    @property
    def wanted(self) -> str:
        """The limit as text."""
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


def _excess(value: float, limit: float, *, at_least: bool) -> float:
    beyond = limit - value if at_least else value - limit
    return beyond / limit if limit else beyond


_EXACTLY = 0.0
_ONLY_REPORTED = None

GOALS = (
    Goal("cached, instance", f"{SNAPSHOT.name}: instance", 0.27),
    Goal("cached, list of 50", f"{SNAPSHOT.name}: list", 0.30),
    Goal(
        "CPU of a constant against cached, instance",
        "constant against cached: instance",
        0.85,
        at_least=True,
    ),
    Goal("CPU of a constant against cached, list", "constant against cached: list", 0.85, at_least=True),
    Goal("instance, upstream asked", f"{OURS.name}: instance", 1.0),
    Goal("list of 50, upstream asked, unchanged", f"{OURS.name}: list", 1.4),
    Goal(
        "list of 50, upstream asked, a name changed",
        f"{OURS.name}: list, changed",
        2.2,
        allowance=_ONLY_REPORTED,
    ),
    Goal("list of 50, upstream asked, all new", f"{OURS.name}: list, new dates", 2.9, held_at=3.3),
    Goal("translation of 50 alone, all new", "translation of 50, cold", 0.30, held_at=0.33),
    Goal("translation of 50 alone, unchanged", "translation of 50, warm", 0.05, held_at=0.10),
    Goal("translation of 1000 alone, all new", "translation of 1000, cold", 0.20),
    Goal("translation of 1000 alone, unchanged", "translation of 1000, warm", 0.10),
    Goal(
        "10,000 items: upstream calls for 32 requests",
        "calls for a shared listing",
        10,
        allowance=_EXACTLY,
    ),
    Goal(
        "10,000 items: calls for other pages, filters, instances",
        "calls for cached data",
        0,
        allowance=_EXACTLY,
    ),
    Goal("10,000 items: bytes an item", "bytes an item", 550),
    Goal("10,000 items: loop stall, ms", "loop stall, ms", 8, allowance=_ONLY_REPORTED),
    Goal("cached page, first, µs", "cached page, first, us", 600, allowance=_ONLY_REPORTED),
    Goal("cached page, after, µs", "cached page, after, us", 100, allowance=_ONLY_REPORTED),
    Goal("two workers against one, throughput", "two workers", 1.85, at_least=True, allowance=_ONLY_REPORTED),
    Goal("p99 against the pass-through's, instance", "p99: instance", 1.0, allowance=_ONLY_REPORTED),
    Goal("p99 against the pass-through's, list", "p99: list", 1.15, allowance=_ONLY_REPORTED),
)


class Verdict(NamedTuple):
    """A goal and its measured value."""

    goal: Goal
    value: float | None
    """None if it was not measured."""

    @property
    def reached(self) -> bool:
        """Whether the value is within the limit itself."""
        return self.value is not None and self.goal.excess(self.value) <= 0

    @property
    def fails(self) -> bool:
        """Whether the gate fails."""
        return self.value is not None and self.goal.fails(self.value)

    @property
    def words(self) -> str:
        """The result as text."""
        if self.value is None:
            return "not measured"
        if self.reached:
            return "reached"
        by = self.goal.excess(self.value)
        missed = f"missed by {by:.0%}" if self.goal.limit else f"missed by {by:g}"
        if self.goal.allowance is None:
            return f"{missed} (not gated)"
        if self.goal.held_at is not None and not self.fails:
            return f"{missed}, held at {self.goal.held_at:g}"
        return missed if self.fails else f"{missed}, which is allowed"


def figures(rows: Sequence[Row]) -> Metrics:
    """Return the figures of the goals from the rows of the peers."""
    by = {(row.peer, row.case): row for row in rows}

    def ratio(peer: Peer, case: Case) -> float | None:
        row = by.get((peer.name, case.name))
        return row.ratio if row else None

    found: Metrics = {}
    for case in (INSTANCE, LIST, CHANGED, COLD):
        found[f"{OURS.name}: {case.name}"] = ratio(OURS, case)
        found[f"{SNAPSHOT.name}: {case.name}"] = snapshot = ratio(SNAPSHOT, case)
        constant = ratio(CONSTANT, case)
        found[f"constant against cached: {case.name}"] = (
            constant / snapshot if constant and snapshot else None
        )
        asked = by.get((OURS.name, case.name))
        found[f"p99: {case.name}"] = asked.p99_ratio if asked else None
    return found


def judge(metrics: Metrics) -> list[Verdict]:
    """Compare every goal with its figure."""
    return [Verdict(goal, metrics[goal.figure]) for goal in GOALS]
