"""make bench: measure and report; with --quick check the gate."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

import click
import uvloop

from bench import report, tools
from bench.deep import Size, Wait, deep, growth
from bench.goals import Verdict, figures, judge
from bench.measuring import Extent, Metrics, Row, compared, upstream, workers
from bench.peers.table import FULL, QUICK
from bench.processes import BUILT, ROOT, cores, pinned
from bench.tools import UnavailableError
from bench.translation import Translation

_SITTINGS, _ROUNDS = 3, 3
_ROUNDS_OF_WORKERS = 5


@click.command()
@click.option(
    "--quick", is_flag=True, help="Only what decides, in less than 3 minutes; exit status 1 if it is missed."
)
def main(*, quick: bool) -> None:
    """Measure what a request costs."""
    found = uvloop.run(_measure(quick=quick))
    verdicts = judge(found.metrics)
    if quick:
        click.echo(report.goals(verdicts))
        sys.exit(any(verdict.fails for verdict in verdicts))
    _write(found, verdicts)


class Found(NamedTuple):
    """All results."""

    rows: Sequence[Row]
    metrics: Metrics
    sizes: Sequence[Size]
    waits: Sequence[Wait]


async def _measure(*, quick: bool) -> Found:
    _, beside = cores()
    since = time.monotonic()

    def step(name: str) -> None:
        click.echo(f"--- {name} (at {time.monotonic() - since:.0f} s)", err=True)

    with pinned(beside), upstream(beside) as modern:
        step("translation alone")
        translation = Translation()
        await translation.measure()
        step("long lists")
        metrics, waits = await deep(modern)
        await translation.measure()
        step("requests")
        extent = Extent(_SITTINGS, _ROUNDS, 0.3 if quick else 0.8)
        rows = await compared(QUICK if quick else FULL, modern, extent)
        await translation.measure()
        metrics |= translation.figures() | figures(rows) | {"two workers": None}
        sizes: list[Size] = []
        if not quick:
            step("growth")
            sizes = await growth(modern)
            step("workers")
            metrics["two workers"] = await workers(modern, _ROUNDS_OF_WORKERS)
        step("done")
    return Found(rows, metrics, sizes, waits)


def _write(found: Found, verdicts: Sequence[Verdict]) -> None:
    text = report.markdown(found.rows, found.sizes, verdicts)
    click.echo(text)
    report.write(text)
    results = BUILT / "results.json"
    plotted = {
        "rows": [asdict(row) for row in found.rows],
        "sizes": [asdict(size) for size in found.sizes],
        "waits": found.waits,
    }
    results.write_text(json.dumps(plotted), encoding="utf-8")
    try:
        subprocess.run([tools.python(), "-m", "bench.plots", results], check=True, cwd=ROOT)
    except UnavailableError as error:
        click.echo(f"No plots: {error}", err=True)


if __name__ == "__main__":
    main()
