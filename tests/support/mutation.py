"""Mutation testing and its results: python tests/support/mutation.py [NAME…].

Each mutant runs before those tests that reach what it changes. One that hangs is killed, and what its tests
have started stays behind; so everything runs in a session of its own, which ends as a whole.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import click

MUTMUT = [sys.executable, "-m", "mutmut"]
EVERYTHING = "proxy.*"
"""Named, unlike none at all, it has mutmut try first whether the tests can be picked out by their names: each
mutant that meets one that cannot would count as killed."""
LEAST = 80
"""Per cent of a module's mutants that tests have to kill."""


def run(names: Sequence[str]) -> None:
    """Run mutants until all are done or the user interrupts."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        mutmut = subprocess.Popen(
            [*MUTMUT, "run", *names], start_new_session=True, env={**os.environ, "TMPDIR": folder}
        )
        try:
            if status := mutmut.wait():
                sys.exit(status)
        finally:
            with contextlib.suppress(ProcessLookupError):  # the session has ended
                os.killpg(mutmut.pid, signal.SIGKILL)


def outcomes() -> dict[str, str]:
    """Return the result of each mutant that has run."""
    listed = subprocess.run([*MUTMUT, "results", "--all", "true"], check=True, capture_output=True, text=True)
    each = (line.strip().rpartition(": ") for line in listed.stdout.splitlines())
    return {name: outcome for name, _, outcome in each if outcome != "not checked"}


def tell(outcomes: Mapping[str, str]) -> bool:
    """Print surviving mutants and a table; return whether enough were killed in every module."""
    modules: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, outcome in outcomes.items():
        modules[name.rpartition(".")[0]][outcome] += 1
        if outcome not in ("killed", "timeout"):
            click.echo(f"{outcome:10} {name}")
    click.echo(f"\n{'module':26} killed timeout survived other  noticed")
    are_enough = True
    for module, counts in sorted(modules.items()):
        killed, timeout, survived = (counts[outcome] for outcome in ("killed", "timeout", "survived"))
        total = counts.total()
        noticed, other = killed + timeout, total - killed - timeout - survived
        click.echo(f"{module:26} {killed:6} {timeout:7} {survived:8} {other:5} {noticed / total:8.1%}")
        are_enough &= noticed * 100 >= LEAST * total
    return are_enough


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    shutil.rmtree("mutants", ignore_errors=True)
    run(sys.argv[1:] or [EVERYTHING])
    if killed := [name for name, outcome in outcomes().items() if outcome == "killed"]:
        run(killed)  # once more: on a busy machine tests may fail by themselves
    sys.exit(not tell(outcomes()))
