"""What differs between machines: versions of Python, and how many files may be open."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from support import leap, wire_text

ROOT = Path(__file__).parents[1]
OTHERS = sorted(
    python
    for python in ROOT.glob(".venv*/bin/python")
    if os.access(python, os.X_OK)
    and (python.parents[1] / ".dev").exists()
    and python.parents[1] != Path(sys.prefix)
)
"""The other environments that `make setup PYTHON=…` has made here."""


@pytest.fixture(scope="module")
def own_texts() -> dict[str, str]:
    return dict(leap.run(wire_text.texts()))


@pytest.mark.parametrize("python", OTHERS or [Path(sys.executable)], ids=lambda python: python.parts[-3])
def test_found_e10_each_python_sends_the_same(python: Path, own_texts: dict[str, str]) -> None:
    program = ROOT / "tests" / "support" / "wire_text.py"
    done = subprocess.run([python, program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == own_texts


STATUS_LINES = {
    "490 levels": "200 OK",
    "500 levels": "502 Bad Gateway",
    "900 levels": "502 Bad Gateway",
    "490 levels, half a character": "200 OK",
    "500 levels, half a character": "502 Bad Gateway",
    "1200 levels, half a character": "502 Bad Gateway",
    "status 413": "502 Bad Gateway",
    "sandbox: a body that is too large": "413 Request Entity Too Large",
    "a body of 64 KiB and one byte": "413 Request Entity Too Large",
}
"""What versions of Python answer differently, if left to themselves."""


def test_found_e10_the_text_of_each_python(own_texts: dict[str, str]) -> None:
    for name, status in STATUS_LINES.items():
        assert own_texts[name].startswith(f"HTTP/1.1 {status}\r\n"), name
    for character in wire_text.NEWER:
        shown = own_texts[f"message with {character!a}"]
        assert character.encode().decode("latin-1") in shown
    assert not [name for name, text in own_texts.items() if "Python" in text]


def test_found_e9_this_process_may_have_1024_files() -> None:
    """The suite lowers its own limit, so that a test that needs more fails on each machine."""
    assert 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 1024


HUNGRIEST = (
    "tests/hardening/test_concurrency.py::test_callers_that_hang_leave_places_and_connections_to_others",
    "tests/hardening/test_connections.py::test_half_of_the_files_are_for_connections_and_more_are_closed_at_once",
)


def test_found_e9_a_hard_limit_of_1024_files_suffices() -> None:
    done = subprocess.run(
        ["bash", "-c", 'ulimit -n 1024 && exec "$@"', "-", sys.executable, "-m", "pytest", "-q", *HUNGRIEST],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
