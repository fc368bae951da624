"""Console blocks of a document, run as they are: commands behind `$ `, and their output."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.processes import free_port
from support.dialogues import assert_found

ROOT = Path(__file__).parents[2]
_TIMEOUT = 60  # seconds


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a block, each with its output."""
    _, *parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    for part in parts:
        command, _, output = part.partition("\n")
        yield command, output


def _normalize(output: str) -> str:
    """Return an output without the spaces of its columns, which differ with the ports."""
    return re.sub(" +", " ", output.rstrip("\n"))


def assert_output(expected: str, came: str, command: str) -> None:
    """Compare an output; an ellipsis stands for any text."""
    expected, came = _normalize(expected), _normalize(came)
    if "…" in expected:
        assert_found([expected], came)
    else:
        assert came == expected, command


_SERVERS = {"old_api.py": "9008", "walkthrough.py": "9100"}
"""Servers that take their port as an argument, and the one that documents show."""


class Console:
    """A folder that looks like a checkout, in which commands run with ports of their own."""

    def __init__(self, folder: Path, stack: ExitStack, ports: tuple[str, ...]) -> None:
        """Give each of `ports` a free one; background processes end with `stack`."""
        for name in ("config", "tests"):
            (folder / name).symlink_to(ROOT / name)
        self.folder = folder
        self._stack = stack
        self._ports = {port: str(free_port()) for port in ports}
        self._variables: dict[str, str] = {}
        self._jobs: dict[str, subprocess.Popen[str]] = {}

    def localize(self, text: str) -> str:
        """Replace the ports and the commands in a text by those of this test."""
        for port, free in self._ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
        programs: Mapping[str, str] = {
            "python": sys.executable,
            "callerid-proxy": f"{sys.executable} -m proxy",
        }
        return re.sub(r"\.venv/bin/([a-z-]+)", lambda found: programs[found[1]], text)

    def run(self, command: str, output: str) -> None:
        """Run a command and compare its output; pkill reaches only what this console has started."""
        expected = self.localize(output)
        if found := re.fullmatch(r"export (\w+)=(.*)", self.localize(command)):
            self._variables[found[1]] = self._output(f'printf %s "{found[2]}"')
        elif found := re.fullmatch(r"pkill -HUP -f '(.*)'", command):
            (job,) = (job for text, job in self._jobs.items() if re.search(found[1], text))
            job.send_signal(signal.SIGHUP)
        elif command.endswith(" &"):
            assert_output(expected, self._start(command.removesuffix(" &")), command)
        else:
            assert_output(expected, self._output(self.localize(command)), command)

    def _start(self, command: str) -> str:
        text = self.localize(command)
        for program, port in _SERVERS.items():
            if program in text:
                text = f"{text} {self._ports[port]}"
        job = self._stack.enter_context(
            subprocess.Popen(["bash", "-c", f"exec {text}"], stdout=subprocess.PIPE, text=True, **self._how())
        )
        self._stack.callback(job.kill)
        self._jobs[command] = job
        assert job.stdout is not None
        line: str = job.stdout.readline()
        return line

    def _output(self, command: str) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            ["bash", "-c", command],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT,
            **self._how(),
        )
        return done.stdout

    def _how(self) -> dict[str, Any]:
        outside = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return {"cwd": self.folder, "env": outside | {"PYTHONPATH": str(ROOT)} | self._variables}
