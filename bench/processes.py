"""Measured processes: each on its own core, with its CPU time and memory."""

import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "build" / "bench"

_PATIENCE = 15  # seconds
_PROC = Path("/proc")
_PAGE, _TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")

Cores = frozenset[int]


@cache  # before anything is pinned
def cores() -> tuple[Cores, Cores]:
    """Return the core of the proxy, and the core of load and upstream: two if there are two."""
    ours = sorted(os.sched_getaffinity(0))
    return frozenset(ours[:1]), frozenset(ours[1:2] or ours)


@contextmanager
def pinned(to: Cores) -> Iterator[None]:
    """Pin this process and its children to some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """Return a port that is free, and stays so: no connection gets one of this range from the kernel."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", random.randint(20_000, 32_000))) as found:
            return int(found.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens, with all that it started."""

    pid: int
    port: int

    def cpu(self) -> float:
        """Return the CPU time so far, in seconds: user and system, of the whole tree."""
        return sum(_cpu(pid) for pid in _tree(self.pid))

    def memory(self) -> int:
        """Return the resident bytes of the whole tree."""
        return sum(int(_read(_PROC / str(pid) / "statm").split()[1]) * _PAGE for pid in _tree(self.pid))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in (_PROC / str(pid) / "task").iterdir():
        for child in _read(task / "children").split():
            yield from _tree(int(child))


def _cpu(pid: int) -> float:
    """Take the scheduler's nanoseconds where it counts them; utime and stime are far coarser."""
    tasks = (_PROC / str(pid) / "task").iterdir()
    if nanoseconds := sum(int(_read(task / "schedstat").split()[0]) for task in tasks):
        return nanoseconds / 1e9
    after_the_name = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return sum(map(int, after_the_name[11:13])) / _TICKS


def _read(file: Path) -> str:
    """Read a file of /proc about a process or thread; empty if that has ended."""
    try:
        return file.read_text(encoding="ascii")
    except OSError:
        return "0 0" if file.name != "children" else ""


@contextmanager
def running(
    command: Sequence[str | Path], port: int, on: Cores, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a server until the block ends; what it said stays in build/bench if the block fails."""
    BUILT.mkdir(parents=True, exist_ok=True)
    said = BUILT / f"server-{port}.log"
    variables = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with said.open("wb") as log, pinned(on):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env={**variables, **(environment or {})},
        )
    try:
        _until_it_listens(process, port)
        yield Server(process.pid, port)
    except BaseException:
        _stop(process)
        raise
    _stop(process)
    said.unlink()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not listen: see build/bench/server-{port}.log")
