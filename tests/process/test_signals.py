"""Signals that reach several processes, in any order and more than once, and signals in the first moments."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.processes import Running, children, processes_of, running, starting, workers_of
from support.running import UNLIMITED
from support.seed import ACCOUNT, LIST, basic
from support.wire import Answer, Message, ScriptedUpstream, ask, connect, json_answer, scripted_upstream

from proxy.process.supervisor import REPEAT_PERIOD

PORT = r"legacy API +http://127\.0\.0\.1:(\d+)/2008-08-01"
TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
STATUS = 20  # seconds at most until a process has ended


def code_for(request: Message) -> Answer:
    """Answer a validation: a code for the account of the request."""
    account = request.target.split("/")[3]
    body = json.dumps({"account_sid": account, "validation_code": "123456"})
    return json_answer(200, body.encode()).encode()


@dataclass(frozen=True)
class Served:
    """A proxy, and an upstream that holds its answers back."""

    server: Running
    port: int
    upstream: ScriptedUpstream

    async def validate(self, number: int, account: str = ACCOUNT) -> int:
        """Return the status of a validation, 0 where the connection was closed without an answer."""
        form = b"PhoneNumber=415555%04d" % number
        headers = (("Host", "x"), ("Authorization", basic(account)))
        target = LIST.replace(ACCOUNT, account)
        post = (*headers, ("Content-Type", "application/x-www-form-urlencoded"))
        request = Message(f"POST {target} HTTP/1.1", post, form)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            async with connect(self.port) as client:
                await client.send(request.encode())
                answer = await client.receive(within=30)
                return answer.status if answer else 0
        return 0

    async def status(self) -> int:
        return await asyncio.to_thread(self.server.process.wait, STATUS)


@asynccontextmanager
async def served(folder: Path, workers: int, drain: float = 0.1) -> AsyncIterator[Served]:
    async with scripted_upstream() as upstream:
        upstream.otherwise = code_for
        upstream.released.clear()
        file = folder / "proxy.yaml"
        file.write_text(
            f"listen: {{address: 127.0.0.1:0, drain: {drain}}}\nupstream: {{base_url: '{upstream.url}'}}\n",
            encoding="utf-8",
        )
        with running("serve", "--config", file, "--workers", str(workers)) as server:
            port = int(server.until(PORT))
            if workers > 1:
                workers_of(server, workers)
            yield Served(server, port, upstream)


# One signal, sent to every process


Order = Callable[[Sequence[int]], Sequence[int]]


def parent_first(pids: Sequence[int]) -> Sequence[int]:
    return pids


def workers_first(pids: Sequence[int]) -> Sequence[int]:
    return [*pids[1:], pids[0]]


def parent_twice(pids: Sequence[int]) -> Sequence[int]:
    return [pids[0], *pids]


def everyone_twice(pids: Sequence[int]) -> Sequence[int]:
    return [*pids, *reversed(pids)]


@pytest.mark.parametrize(
    ("workers", "order", "pause"),
    [
        (1, everyone_twice, 0),
        (1, everyone_twice, 0.3),
        (2, parent_first, 0.001),
        (2, workers_first, 0.001),
        (2, parent_twice, 0.02),
        (2, workers_first, 0.3),
        (3, everyone_twice, 0),
    ],
)
async def test_found_e1_a_signal_to_all_processes_is_one_signal(
    tmp_path: Path, workers: int, order: Order, pause: float
) -> None:
    async with served(tmp_path, workers) as proxy:
        validation = asyncio.create_task(proxy.validate(1))
        await proxy.upstream.is_asked(1)
        for pid in order(processes_of(proxy.server)):
            os.kill(pid, TERM)
            await asyncio.sleep(pause)
        await asyncio.sleep(0.3)
        proxy.upstream.released.set()
        assert await validation == 200
        assert await proxy.status() == 0
        assert len(proxy.upstream.received) == 1


@pytest.mark.parametrize(("workers", "how"), [(1, (INT, INT)), (2, (TERM, INT)), (1, (INT, TERM))])
async def test_found_e1_two_stop_signals_within_a_second_are_one(
    tmp_path: Path, workers: int, how: Sequence[signal.Signals]
) -> None:
    async with served(tmp_path, workers) as proxy:
        validation = asyncio.create_task(proxy.validate(1))
        await proxy.upstream.is_asked(1)
        for each in how:
            for pid in processes_of(proxy.server):
                os.kill(pid, each)
            await asyncio.sleep(REPEAT_PERIOD / 4)
        proxy.upstream.released.set()
        assert await validation == 200
        assert await proxy.status() == 0


async def test_found_e1_the_signal_of_the_supervisor_may_be_late(tmp_path: Path) -> None:
    """The worker gets the signal seconds before its supervisor, on a busy machine."""
    async with served(tmp_path, 2) as proxy:
        validation = asyncio.create_task(proxy.validate(1))
        await proxy.upstream.is_asked(1)
        supervisor, *workers = processes_of(proxy.server)
        for pid in workers:
            os.kill(pid, TERM)
        await asyncio.sleep(REPEAT_PERIOD + 0.3)
        os.kill(supervisor, TERM)
        await asyncio.sleep(0.3)
        proxy.upstream.released.set()
        assert await validation == 200
        assert await proxy.status() == 0


@pytest.mark.parametrize(
    ("workers", "how", "to_all"),
    [
        (1, (TERM, TERM), False),
        (1, (INT, INT), False),
        (1, (TERM, INT), False),
        (2, (TERM, TERM), True),
        (2, (INT, TERM), True),
        (2, (INT, INT), False),
    ],
)
async def test_found_e1_a_second_signal_after_a_second_is_immediate(
    tmp_path: Path, workers: int, how: Sequence[signal.Signals], *, to_all: bool
) -> None:
    async with served(tmp_path, workers, drain=3600) as proxy:
        validation = asyncio.create_task(proxy.validate(1))
        await proxy.upstream.is_asked(1)
        pids = processes_of(proxy.server)
        for each in how:
            for pid in pids if to_all else pids[:1]:
                with suppress(ProcessLookupError):  # an idle worker has ended at the first one
                    os.kill(pid, each)
            await asyncio.sleep(REPEAT_PERIOD + 0.1)
        assert await proxy.status() != 0
        assert await validation == 0
        assert not any(is_alive(pid) for pid in pids)


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    return False


async def test_found_e1_the_process_group_is_signalled(tmp_path: Path) -> None:
    """`kill -- -PGID`, as an init with its option for groups does, and a shell."""
    async with scripted_upstream() as upstream:
        upstream.otherwise = code_for
        file = tmp_path / "proxy.yaml"
        text = f"listen: {{address: 127.0.0.1:0, drain: 0.1}}\nupstream: {{base_url: '{upstream.url}'}}\n"
        file.write_text(text, encoding="utf-8")
        with running("serve", "--config", file, "--workers", "2", inside=("setsid",)) as server:
            port = int(server.until(PORT))
            workers_of(server, 2)
            upstream.released.clear()
            proxy = Served(server, port, upstream)
            validation = asyncio.create_task(proxy.validate(1))
            await upstream.is_asked(1)
            for _ in range(2):
                os.killpg(server.process.pid, TERM)
            await asyncio.sleep(0.3)
            upstream.released.set()
            assert await validation == 200
            assert await proxy.status() == 0


async def test_found_g3_no_answer_is_lost_at_a_signal_to_all(tmp_path: Path) -> None:
    accounts = [f"AC{number:032}" for number in range(4)]
    async with served(tmp_path, 2) as proxy:
        validations = [
            asyncio.create_task(proxy.validate(number, accounts[number % 4])) for number in range(40)
        ]
        await proxy.upstream.is_asked(40)
        pids = processes_of(proxy.server)
        random.Random(3).shuffle(pids)
        for pid in pids:
            os.kill(pid, TERM)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.5)
        proxy.upstream.released.set()
        assert await asyncio.gather(*validations) == [200] * 40
        assert len(proxy.upstream.received) == 40
        assert await proxy.status() == 0


# Reloads


@pytest.mark.parametrize("order", [parent_first, workers_first])
async def test_found_e1_a_hangup_to_all_processes_reloads_once(tmp_path: Path, order: Order) -> None:
    """Each worker takes the new configuration, and reads no file before the supervisor has checked it."""
    async with scripted_upstream() as old, scripted_upstream() as new:
        for upstream in (old, new):
            upstream.otherwise = code_for
        file = tmp_path / "proxy.yaml"
        text = f"listen: 127.0.0.1:0\nupstream: {{base_url: '{old.url}'}}\n{UNLIMITED}"
        file.write_text(text, encoding="utf-8")
        with running("serve", "--config", file, "--workers", "2", shows_log=True) as server:
            port = int(server.until(PORT))
            workers = workers_of(server, 2)
            for good in (False, True):
                file.write_text(text.replace(old.url, new.url) if good else "listen: {", encoding="utf-8")
                for pid in order(processes_of(server)):
                    os.kill(pid, HUP)
                    await asyncio.sleep(0.01)
                lines = [server.output.readline().rstrip() for _ in range(1 if good else 2)]
                told = "the configuration has been reloaded" if good else "the previous configuration stays"
                assert told in lines[-1]
                proxy = Served(server, port, new if good else old)
                async with asyncio.timeout(20):  # a worker reloads a moment later
                    while len(proxy.upstream.received) < 8:
                        await asyncio.gather(*(proxy.validate(number) for number in range(8)))
            assert workers_of(server, 2) == workers
            assert server.stop() == 0
            rest = server.output.read()
            assert "reload" not in rest.replace("the configuration has been reloaded", "", 1)


# The first moments


@pytest.mark.parametrize(
    ("workers", "how", "offset"),
    [
        ("1", (TERM,), 0),
        ("2", (TERM,), 0),
        ("1", (INT,), 0.01),
        ("2", (INT,), 0.02),
        ("1", (HUP, TERM), 0.03),
        ("2", (HUP, TERM), 0.05),
        ("1", (TERM, TERM), 0.1),
        ("2", (TERM,), 0.2),
        ("1", (INT,), 0.4),
    ],
)
def test_found_e12_a_signal_when_the_port_has_just_opened(
    tmp_path: Path, workers: str, how: Sequence[signal.Signals], offset: float
) -> None:
    with starting(tmp_path, "--workers", workers) as (server, _):
        time.sleep(offset)
        for each in how:
            server.process.send_signal(each)
        assert server.process.wait(STATUS) == 0


AT_THE_PORT = """
import os, signal, socket, sys
from proxy.__main__ import main

def listen(listener, *backlog, listen=socket.socket.listen):
    listen(listener, *backlog)
    for name in {names}:
        os.kill(os.getpid(), getattr(signal, name))

socket.socket.listen = listen
sys.argv = ["callerid-proxy", *{arguments}]
main()
"""


@pytest.mark.parametrize(
    ("workers", "names"),
    [("1", ("SIGTERM",)), ("2", ("SIGTERM",)), ("1", ("SIGINT",)), ("2", ("SIGHUP", "SIGINT"))],
)
def test_found_e12_a_signal_at_the_moment_the_port_opens(
    tmp_path: Path, workers: str, names: Sequence[str]
) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text("listen: 127.0.0.1:0\n", encoding="utf-8")
    arguments = ["serve", "--config", str(file), "--workers", workers]
    assert status_of(AT_THE_PORT.format(names=names, arguments=arguments)) == 0


def test_found_e12_the_sandbox_too() -> None:
    arguments = ["sandbox", "--listen", "127.0.0.1:0"]
    assert status_of(AT_THE_PORT.format(names=("SIGTERM",), arguments=arguments)) == 0


def status_of(program: str) -> int:
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, timeout=30)
    return done.returncode


# Workers that cannot start

CANNOT_START = """
import asyncio, os, signal, sys, time
from contextlib import asynccontextmanager
from proxy.process.signals import Service, run_workers

async def drain(): ...

@asynccontextmanager
async def good():
    yield Service(drain)

@asynccontextmanager
async def bad():
    {failure}
    yield Service(drain)

run_workers([good, bad], "serving", died=lambda _: None, stopping=lambda: print("stopping", flush=True))
"""


@pytest.mark.parametrize(
    "failure", ["raise ValueError('a secret')", "sys.exit(3)", "os._exit(7)", "os.kill(os.getpid(), 11)"]
)
def test_found_b1_a_worker_that_cannot_start_ends_the_program(failure: str) -> None:
    program = CANNOT_START.format(failure=failure)
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode > 0
    assert done.stdout == "serving\nstopping\n"
    assert "worker 1 failed to start 5 times in a row; the program stops" in done.stderr
    assert "worker 0" not in done.stderr


def test_found_b1_workers_that_are_killed_are_always_replaced(tmp_path: Path) -> None:
    """Even those that are killed before they have started."""
    with starting(tmp_path, "--workers", "2") as (server, port):
        killed: set[int] = set()
        until = time.monotonic() + 30
        while len(killed) < 16:
            assert time.monotonic() < until
            for pid in children(server.process.pid) - killed:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            time.sleep(0.005)
        workers_of(server, 2, [*killed])
        assert asyncio.run(answers(port))
        assert server.stop() == 0


async def answers(port: int) -> bool:
    return (await ask(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).status == 404


ONE_THAT_FAILS = """
import asyncio, os, sys
from contextlib import asynccontextmanager
from pathlib import Path
from proxy.process.signals import Service, run_workers

async def drain(): ...

@asynccontextmanager
async def part():
    starts = Path(sys.argv[1])
    starts.write_text(starts.read_text() + "x")
    if len(starts.read_text()) < 5:
        raise ValueError
    yield Service(drain)

run_workers([part], "serving", died=lambda _: None, stopping=lambda: None)
"""


def test_found_b1_a_worker_that_starts_at_last_is_kept(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    starts.write_text("")
    command = [sys.executable, "-c", ONE_THAT_FAILS, str(starts)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        timer = threading.Timer(20, process.kill)
        timer.start()
        while len(starts.read_text()) < 5 and process.poll() is None:
            time.sleep(0.02)
        time.sleep(1)
        process.send_signal(TERM)
        assert process.wait(STATUS) == 0
        timer.cancel()
