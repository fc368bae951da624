"""The tables of docs/performance.md and of the terminal."""

import os
import platform
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.deep import Size
from bench.goals import Verdict
from bench.measuring import CHANGED, COLD, INSTANCE, LIST, Row
from bench.processes import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
_NOTHING = "\N{EN DASH}"
_BEGIN, _END = "<!-- make bench writes from here -->", "<!-- to here -->"

_TITLES = {
    INSTANCE.name: "One caller ID",
    LIST.name: "A list of 50",
    CHANGED.name: "A list of 50 of which one name has changed",
    COLD.name: "A list of 50 that is all new, with dates that have not been seen before",
}


def markdown(rows: Sequence[Row], sizes: Sequence[Size], verdicts: Sequence[Verdict]) -> str:
    """Return all tables."""
    return "\n\n".join(
        [
            f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())}, {_machine()}.",
            "### Goals",
            goals(verdicts),
            *(part for name, title in _TITLES.items() for part in (f"### {title}", _peers(rows, name))),
            "### Growth",
            _growth(sizes),
        ]
    )


def goals(verdicts: Iterable[Verdict]) -> str:
    """Return the table of goals."""
    lines = [
        (it.goal.what, it.goal.wanted, _NOTHING if it.value is None else f"{it.value:.3g}", it.words)
        for it in verdicts
    ]
    return _table(("goal", "limit", "measured", ""), lines)


def _peers(rows: Iterable[Row], case: str) -> str:
    chosen = sorted((row for row in rows if row.case == case), key=lambda row: row.ratio or float("inf"))
    return _table(("", "CPU ratio", "CPU µs", "requests/s", "p50 ms", "p99 ms"), map(_peer, chosen))


def _peer(row: Row) -> Sequence[str]:
    name = f"**{row.peer}**" if row.ours else row.peer
    if row.run is None or row.ratio is None:
        return (name, row.why_not, "", "", "", "")
    run = row.run
    return (
        name,
        f"{row.ratio:.2f}",
        f"{run.cpu * 1e6:.0f}",
        f"{run.throughput:.0f}",
        f"{run.p50 * 1e3:.1f}",
        f"{run.p99 * 1e3:.1f}",
    )


def _growth(sizes: Iterable[Size]) -> str:
    lines = [
        (
            f"{size.items:,}",
            f"{size.listing * 1e3:.1f}",
            f"{size.listing / size.items * 1e6:.1f}",
            f"{size.page * 1e6:.0f}",
            f"{size.grown / 1e6:.1f}",
        )
        for size in sizes
    ]
    return _table(
        (
            "items",
            "first answer, CPU ms",
            "per item, µs",
            "cached page, CPU µs",
            "memory, MB",
        ),
        lines,
    )


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    aligned = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, aligned, *lines))


def _machine() -> str:
    kind = ""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            kind = line.partition(":")[2].strip()
    number = len(os.sched_getaffinity(0))
    return f"{number} cores ({kind or platform.machine()}), Python {platform.python_version()}"


def write(text: str) -> None:
    """Replace the tables in docs/performance.md."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    DOCUMENT.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")
