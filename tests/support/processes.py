"""The program as its users run it: in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PROXY = (sys.executable, "-m", "proxy")
_TIMEOUT = 30  # seconds


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the program to its end, with these environment variables on top."""
    return subprocess.run(
        [*PROXY, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        stdin=subprocess.DEVNULL,
        env=_environment() | variables,
    )


def _environment() -> dict[str, str]:
    """Keep out what would lead our own connections astray."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


@dataclass
class Running:
    """A command that serves until it is stopped."""

    process: subprocess.Popen[str]
    output: IO[str]

    def until(self, line: str) -> str:
        """Read the output up to a line that matches; return its group."""
        for each in self.output:
            if found := re.fullmatch(line, each.rstrip("\n")):
                return found[1]
        raise AssertionError(f"the program ended and never wrote {line!r}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Return the exit status."""
        self.process.send_signal(how)
        return self.process.wait(_TIMEOUT)


@contextmanager
def running(*arguments: str | Path) -> Iterator[Running]:
    """Run a command in the background; it is gone when the block ends. Its errors go where the test's go."""
    with subprocess.Popen(
        [*PROXY, *arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=_environment()
    ) as process:
        try:
            assert process.stdout is not None
            yield Running(process, process.stdout)
        finally:
            process.kill()
