"""Workers whose event loop has stopped, and workers that only look like that for a while."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.debugger import traced
from support.processes import Running, children, processes_of, running, workers_of
from support.wire import ask

STOP, CONT, TERM, KILL = signal.SIGSTOP, signal.SIGCONT, signal.SIGTERM, signal.SIGKILL
NOWHERE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LIMIT = 10  # seconds without a heartbeat


@contextmanager
def serving(folder: Path, workers: int = 2) -> Iterator[tuple[Running, int, int]]:
    """Run a proxy; yields it, its port and the port of its metrics. No process stays stopped."""
    file = folder / "proxy.yaml"
    file.write_text("listen: {address: 127.0.0.1:0, metrics: 127.0.0.1:0, drain: 0}\n", encoding="utf-8")
    with running("serve", "--config", file, "--workers", str(workers), shows_log=True) as server:
        line = server.until(r"(legacy API .*)")
        metrics, port = re.findall(r":(\d+)/", server.output.readline())[0], re.findall(r":(\d+)/", line)[0]
        workers_of(server, workers)
        pids = processes_of(server)
        try:
            yield server, int(port), int(metrics)
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, CONT)


async def stalled_workers(port: int) -> int:
    exposed = (await ask(port, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")).body
    found = re.search(rb"^callerid_proxy_stalled_workers_total (\d+)", exposed, re.MULTILINE)
    assert found
    return int(found[1])


async def replaced(server: Running, pid: int) -> None:
    """Wait until the supervisor has another worker in the place of `pid`."""
    async with asyncio.timeout(40):
        while pid in (found := children(server.process.pid)) or len(found) < 2:
            await asyncio.sleep(0.1)


async def test_found_g15_a_stopped_worker_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, port, metrics):
        stopped, other = workers_of(server, 2)
        os.kill(stopped, STOP)
        waiting = asyncio.create_task(replaced(server, stopped))
        while not waiting.done():  # the other one serves meanwhile
            async with asyncio.timeout(20):
                with suppress(TimeoutError, ConnectionError, AssertionError):
                    async with asyncio.timeout(1):  # the stopped one may have accepted it before
                        assert (await ask(port, NOWHERE)).status == 404
            await asyncio.sleep(0.2)
        await waiting
        assert other in children(server.process.pid)
        assert await stalled_workers(metrics) == 1
        for _ in range(20):
            assert (await ask(port, NOWHERE)).status == 404
        assert server.stop(TERM) == 0
        log = server.output.read()
    said = rf"worker \d \(process {stopped}\) has given no heartbeat for 1\d s and is killed; its state: T "
    assert len(re.findall(said, log)) == 1
    assert len(re.findall(rf"worker \d \(process {stopped}\) ended with -9 and is replaced", log)) == 1


async def test_found_g15_processes_that_are_suspended_together_go_on(tmp_path: Path) -> None:
    """The supervisor goes on first, as its workers may seconds later; and it is stopped alone."""
    with serving(tmp_path) as (server, port, metrics):
        pids = processes_of(server)
        for pid in pids:
            os.kill(pid, STOP)
        await asyncio.sleep(LIMIT + 3)
        os.kill(pids[0], CONT)
        await asyncio.sleep(LIMIT / 2)
        for pid in pids:
            os.kill(pid, CONT)
        await asyncio.sleep(2.5)
        assert processes_of(server) == pids
        os.kill(pids[0], STOP)
        await asyncio.sleep(LIMIT + 3)
        os.kill(pids[0], CONT)
        await asyncio.sleep(2.5)
        assert processes_of(server) == pids
        assert (await ask(port, NOWHERE)).status == 404
        assert await stalled_workers(metrics) == 0
        assert server.stop(TERM) == 0


async def test_found_g15_a_stopped_worker_does_not_keep_the_program_from_ending(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, _, _):
        os.kill(workers_of(server, 2)[0], STOP)
        server.process.send_signal(TERM)
        assert await asyncio.to_thread(server.process.wait, 40) == KILL


PARTS = """
import asyncio, os, sys, time
from contextlib import asynccontextmanager
from pathlib import Path
from proxy.observe import log
from proxy.process.signals import Service, run_workers

folder = Path(sys.argv[1])

async def drain(): ...

def part(name, hang=None, starting=None):
    @asynccontextmanager
    async def run():
        with (folder / name).open("a") as starts:
            starts.write(f"{os.getpid()}\\n")
        if starting:
            starting()
        if hang and len((folder / name).read_text().split()) == 1:
            asyncio.get_running_loop().call_later(0.5, hang)
        yield Service(drain)
    return run

def spin():
    while True:
        pass

def be_slow():
    time.sleep(6)
    asyncio.get_running_loop().call_later(0.01, be_slow)

log.log_to_stderr()
parts = [part("good"), part("spins", spin), part("sleeps", lambda: time.sleep(3600)), part("slow", be_slow),
         part("traced"), part("starts", starting=lambda: time.sleep(14))]
run_workers(parts, "serving", died=lambda number: print("died", number, flush=True), stopping=lambda: None,
            stalled=lambda number: print("stalled", number, flush=True))
"""


def pids_in(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def test_found_g15_which_workers_are_replaced(tmp_path: Path) -> None:
    """A busy loop and a call that blocks are; what is slow, starts slowly or is debugged is not."""
    names = ("good", "spins", "sleeps", "slow", "traced", "starts")
    command = [sys.executable, "-c", PARTS, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(90, process.kill)
        timer.start()
        try:
            until = time.monotonic() + 60
            while len(pids_in(tmp_path / "traced")) < 1:
                assert time.monotonic() < until
                time.sleep(0.05)
            (held,) = pids_in(tmp_path / "traced")
            with traced(held):
                while min(len(pids_in(tmp_path / name)) for name in ("spins", "sleeps")) < 2:
                    assert time.monotonic() < until
                    time.sleep(0.1)
                time.sleep(LIMIT)
            starts = {name: len(pids_in(tmp_path / name)) for name in names}
            process.send_signal(TERM)
            said, log = process.communicate(timeout=30)
        finally:
            timer.cancel()
            process.kill()
    assert starts == {"good": 1, "spins": 2, "sleeps": 2, "slow": 1, "traced": 1, "starts": 1}
    assert sorted(re.findall(r"stalled \d|died \d", said)) == ["died 1", "died 2", "stalled 1", "stalled 2"]
    states = dict(re.findall(r"worker (\d) \(process \d+\) has given no heartbeat .*; its state: (\w)", log))
    assert states == {"1": "R", "2": "S"}
