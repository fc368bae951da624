"""The program in a process of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.processes import free_port

PROXY = (sys.executable, "-m", "proxy")
_TIMEOUT = 30  # seconds
_LOG_LINE = re.compile(r"\A[0-9TZ:.-]{24} [a-z]+ +[a-z.]+: ")
"""What stands before the message of a log line."""


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
    """Remove variables of HTTP proxies, which would redirect the tests' connections."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


@dataclass
class Running:
    """A command that serves until it is stopped."""

    process: subprocess.Popen[str]
    output: IO[str]

    def until(self, line: str) -> str:
        """Read the output up to a line, or a message of the log, that matches; return its group."""
        for each in self.output:
            text = each.rstrip("\n")
            message = _LOG_LINE.sub("", text)
            if found := re.fullmatch(line, text) or re.fullmatch(line, message):
                return found[1]
        raise AssertionError(f"the program ended and never wrote {line!r}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Return the exit status."""
        self.process.send_signal(how)
        return self.process.wait(_TIMEOUT)


@contextmanager
def running(*arguments: str | Path, shows_log: bool = False, inside: Sequence[str] = ()) -> Iterator[Running]:
    """Run a command in the background, `inside` another one; it is gone when the block ends.

    Its log is part of the output, or else goes where the test's goes.
    """
    with subprocess.Popen(
        [*inside, *PROXY, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if shows_log else None,
        stdin=subprocess.DEVNULL,
        text=True,
        env=_environment(),
    ) as process:
        try:
            assert process.stdout is not None
            yield Running(process, process.stdout)
        finally:
            process.kill()


@contextmanager
def starting(folder: Path, *options: str, inside: Sequence[str] = ()) -> Iterator[tuple[Running, int]]:
    """Start a proxy; yields it and its port at the moment when that is open."""
    port = free_port()
    file = folder / "proxy.yaml"
    file.write_text(f"listen: {{address: '127.0.0.1:{port}', drain: 0}}\n", encoding="utf-8")
    with running("serve", "--config", file, *options, inside=inside) as server:
        until = time.monotonic() + 20
        while not is_open(port):
            assert time.monotonic() < until, "nothing listens"
        yield server, port


def is_open(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def processes_of(server: Running) -> list[int]:
    """Return the process ids of a command and of its workers."""
    return [server.process.pid, *sorted(children(server.process.pid))]


def workers_of(server: Running, number: int, other_than: Sequence[int] = ()) -> list[int]:
    """Wait until there are so many workers; return their process ids."""
    until = time.monotonic() + 20
    while len(found := children(server.process.pid) - {*other_than}) != number:
        assert time.monotonic() < until, f"{len(found)} workers"
        time.sleep(0.02)
    return sorted(found)
