"""The raw, hostile and upstream suites under the oldest and the newest aiohttp that pyproject.toml admits.

Run by `make range`. The release in requirements.lock is left out, for `make test` runs under it. Each other
one is installed into a folder of its own, which stands before the environment.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import click
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
SUITES = ("tests/server", "tests/hardening", "tests/upstream")
_PIP = (sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check")


def main() -> int:
    """Run what there is to run; return the worst status."""
    admitted = admitted_releases(required(), released())
    locked = locked_release()
    ends = [version for version in dict.fromkeys((admitted[0], admitted[-1])) if version != locked]
    click.echo(f"aiohttp: {admitted[0]} to {admitted[-1]} are admitted, {locked} is locked.")
    if not ends:
        click.echo("Nothing to run: the locked release is both the oldest and the newest one.")
    return max([run(version) for version in ends], default=0)


def required() -> Requirement:
    """Return the range that pyproject.toml gives."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return next(each for each in map(Requirement, project["dependencies"]) if each.name == "aiohttp")


def locked_release() -> Version:
    """Return the release that requirements.lock names."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found = re.search(r"^aiohttp==(\S+)", lock, re.MULTILINE)
    if found is None:
        raise SystemExit("requirements.lock names no aiohttp: run `make lock`")
    return Version(found[1])


def released() -> Sequence[Version]:
    """Return the releases that pip finds."""
    told = subprocess.run([*_PIP, "index", "versions", "aiohttp"], capture_output=True, text=True, check=True)
    found = re.search(r"^Available versions: (.+)$", told.stdout, re.MULTILINE)
    return [Version(text) for text in found[1].split(", ")] if found else []


def admitted_releases(requirement: Requirement, releases: Sequence[Version]) -> Sequence[Version]:
    """Return those that the range admits, the oldest first; SystemExit where there are none."""
    admitted = sorted(each for each in releases if each in requirement.specifier)
    if not admitted:
        raise SystemExit(f"pip finds no release of aiohttp within {requirement.specifier}")
    return admitted


def run(version: Version) -> int:
    """Run the suites under one release; return pytest's status."""
    folder = ROOT / "build" / f"aiohttp-{version}"
    if not (folder / "aiohttp").is_dir():
        subprocess.run([*_PIP, "--quiet", "install", "--target", folder, f"aiohttp=={version}"], check=True)
    click.echo(f"aiohttp {version}:")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider", *SUITES]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(folder)}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
