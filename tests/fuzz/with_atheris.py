"""Targets under libFuzzer, guided by coverage: python -m fuzz.with_atheris [TARGET…].

Each target runs for FUZZ_SECONDS, in a process of its own, until its first failure. Inputs that reached
new code are kept under build/fuzz for the next run, and so are failures.
"""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import click

BUILT = Path(__file__).parents[2] / "build" / "fuzz"
LONGEST = 4096  # bytes: failures need few, and whole bodies are tested elsewhere
SLOWEST = 5  # seconds that one input may take
MEMORY = 1024  # MiB


def run_alone(name: str, options: list[str]) -> None:
    """Fuzz one target; this ends the process."""
    import atheris  # noqa: PLC0415 - is not there for every platform

    with atheris.instrument_imports(include=["proxy", "python_multipart"]):
        from fuzz.targets import TARGETS  # noqa: PLC0415 - instrumented as it is imported
    logging.disable()  # refusals are frequent
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


def fuzz(name: str, seeds: list[bytes], seconds: str) -> tuple[int, bool]:
    """Fuzz one target in another process; return how many inputs it was given, and whether all went well."""
    folders = [BUILT / kind / name for kind in ("corpus", "seeds")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(seeds):
        (folders[1] / str(index)).write_bytes(seed)
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST,
        "timeout": SLOWEST,
        "rss_limit_mb": MEMORY,
        "print_final_stats": 1,
        "artifact_prefix": f"{BUILT}/{name}-",
    }
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "fuzz.with_atheris", "--alone", name),
            *(f"-{key}={value}" for key, value in options.items()),
            *folders,
        ],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    given = re.search(r"stat::number_of_executed_units: (\d+)", ended.stderr)
    is_well = ended.returncode == 0 and given is not None
    if not is_well:
        click.echo(f"{ended.stdout}\n{ended.stderr}", err=True)
    return int(given[1]) if given else 0, is_well


def main(names: list[str]) -> int:
    """Fuzz targets one after the other; return an exit status."""
    from fuzz.seeds import seeds  # noqa: PLC0415 - not where what it imports is instrumented

    known, seconds = seeds(), os.environ.get("FUZZ_SECONDS", "60")
    total, failed = 0, 0
    for name in names or known:
        given, is_well = fuzz(name, list(known[name]), seconds)
        total, failed = total + given, failed + (not is_well)
        rate = given / int(seconds)
        click.echo(f"{name:14}{given:>10} inputs {rate:>8.0f}/s{'' if is_well else '  FAILED'}")
    click.echo(f"{'all':14}{total:>10} inputs, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        run_alone(sys.argv[2], sys.argv[3:])
    sys.exit(main(sys.argv[1:]))
