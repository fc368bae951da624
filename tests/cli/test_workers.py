"""`serve --workers`: several processes, and what happens when one of them ends."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import pytest
from lxml import etree
from support.code_on_phone import passing_credentials_on
from support.processes import Running, run, running, workers_of
from support.running import running_sandbox
from support.seed import BOB, LIST, basic
from support.valkey import running_valkey
from support.wire import Message, RawClient, ask, connect, json_answer, scripted_upstream

from proxy.process.supervisor import REPEAT_PERIOD
from proxy.sandbox import Store

PORT = r"legacy API +http://127\.0\.0\.1:(\d+)/2008-08-01"
ASKED = (("Host", "x"), ("Authorization", basic()))


@contextmanager
def serving(folder: Path, upstream: str, workers: int = 2, more: str = "") -> Iterator[tuple[Running, int]]:
    file = folder / "proxy.yaml"
    text = f"listen: {{address: 127.0.0.1:0, drain: 0}}\nupstream: {{base_url: {upstream}}}\n{more}"
    file.write_text(text, encoding="utf-8")
    with running("serve", "--config", file, "--workers", str(workers)) as server:
        port = int(server.until(PORT))
        workers_of(server, workers)
        yield server, port


@asynccontextmanager
async def sandbox() -> AsyncIterator[str]:
    with closing(Store()) as store:
        async with running_sandbox(store) as url:
            yield url


def get(target: str) -> bytes:
    return Message(f"GET {target} HTTP/1.1", (*ASKED, ("Connection", "close"))).encode()


async def names(port: int) -> list[str]:
    listed = etree.fromstring((await ask(port, get(LIST))).body)[0]
    return [str(item.findtext("FriendlyName")) for item in listed]


async def test_a_write_through_one_worker_shows_on_the_others(tmp_path: Path) -> None:
    async with sandbox() as upstream:
        with serving(tmp_path, upstream, more="snapshots: {fresh: 3600}\n") as (_, port):
            for number in range(30):
                await asyncio.gather(*(names(port) for _ in range(8)))
                form = f"FriendlyName=Name+{number}".encode()
                headers = (*ASKED, ("Connection", "close"), ("Content-Length", str(len(form))))
                put = Message(f"PUT {LIST}/{BOB} HTTP/1.1", headers, form)
                assert (await ask(port, put.encode())).status == 200
                shown = await asyncio.gather(*(names(port) for _ in range(8)))
                assert all(f"Name {number}" in each for each in shown)


@pytest.mark.parametrize("redis", [False, True])
async def test_no_worker_shows_lists_of_refused_credentials(tmp_path: Path, *, redis: bool) -> None:
    item = b'{"sid": "%b", "phone_number": "+14155551212", "friendly_name": "Bob"}' % BOB.encode()
    answer = json_answer(200, b'{"outgoing_caller_ids": [%b], "next_page_uri": null}' % item)
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_upstream())
        upstream.otherwise = lambda _: answer.encode()
        server = stack.enter_context(running_valkey()) if redis else None
        remembered = f"{{fresh: 10, redis: {server.url}}}" if server else "{fresh: 3600}"
        _, port = stack.enter_context(serving(tmp_path, upstream.url, more=f"snapshots: {remembered}\n"))
        request = Message(f"GET {LIST} HTTP/1.1", ASKED).encode()
        clients: list[RawClient] = []

        async def statuses() -> set[int]:
            return {(await client.ask(request)).status for client in clients}

        async with asyncio.timeout(30):
            while len(clients) < (16 if redis else 2):  # one connection to each worker
                client, asked = await stack.enter_async_context(connect(port)), len(upstream.received)
                assert (await client.ask(request)).status == 200
                if redis or len(upstream.received) > asked:
                    clients.append(client)
        refusal = json_answer(401, b'{"code": 20003}')
        upstream.otherwise = lambda _: refusal.encode()
        missing = Message(f"GET {LIST}/PN{'0' * 32} HTTP/1.1", ASKED).encode()
        assert (await clients[0].ask(missing)).status == 401
        assert await statuses() == {401}
        upstream.otherwise = lambda _: answer.encode()
        assert await statuses() == {200}


async def test_workers_share_connections(tmp_path: Path) -> None:
    async with sandbox() as upstream:
        with serving(tmp_path, upstream) as (server, port):
            pids = workers_of(server, 2)
            await asyncio.gather(*(names(port) for _ in range(8)))
            for _ in range(10):  # for a busy machine may have no time for one of them
                if min(await shares_of(40, port, pids)) >= 5:  # about 20
                    return
            raise AssertionError("one of them takes them all")


async def shares_of(connections: int, port: int, pids: Sequence[int]) -> list[int]:
    """Open so many connections; return how many of them each process has."""
    before = [sockets(pid) for pid in pids]
    async with AsyncExitStack() as stack:
        clients = await asyncio.gather(
            *(stack.enter_async_context(connect(port)) for _ in range(connections))
        )
        for client in clients:
            assert (await client.ask(Message("GET /nowhere HTTP/1.1", ASKED).encode())).status == 404
        return [sockets(pid) - count for pid, count in zip(pids, before, strict=True)]


def sockets(pid: int) -> int:
    count = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed in this moment
            count += str(each.readlink()).startswith("socket:")
    return count


async def test_a_dead_worker_is_replaced(tmp_path: Path) -> None:
    async with sandbox() as upstream:
        with serving(tmp_path, upstream) as (server, port):
            for _ in range(3):
                before = workers_of(server, 2)
                await asyncio.sleep(1)  # a worker that ends right after its start is replaced later
                os.kill(before[0], signal.SIGKILL)
                workers_of(server, 1, [before[0]])
                assert await names(port)  # the other one goes on
                after = workers_of(server, 2, [before[0]])
                assert before[1] in after
                assert all(await asyncio.gather(*(names(port) for _ in range(8))))
            assert server.stop() == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_requests_in_flight_are_answered_before_workers_stop(
    tmp_path: Path, how: signal.Signals
) -> None:
    item = b'{"sid": "%b", "phone_number": "+14155551212"}' % BOB.encode()
    async with scripted_upstream(json_answer(200, item)) as upstream:
        upstream.released.clear()
        with serving(tmp_path, upstream.url) as (server, port):
            async with connect(port) as client:
                await client.send(get(f"{LIST}/{BOB}"))
                await upstream.is_asked(1)
                server.process.send_signal(how)
                await asyncio.sleep(0.3)
                upstream.released.set()
                answer = await client.receive()
            assert answer
            assert answer.status == 200
            assert await asyncio.to_thread(server.process.wait, 20) == 0


async def test_a_second_signal_ends_them_at_once(tmp_path: Path) -> None:
    async with scripted_upstream(json_answer(200, b"{}")) as upstream:
        upstream.released.clear()
        with serving(tmp_path, upstream.url) as (server, port):
            pids = workers_of(server, 2)
            async with connect(port) as client:
                await client.send(get(f"{LIST}/{BOB}"))
                await upstream.is_asked(1)
                server.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(REPEAT_PERIOD + 0.1)
                server.process.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(server.process.wait, 10) != 0
            assert not any(alive(pid) for pid in pids)
        upstream.released.set()


def alive(pid: int) -> bool:
    try:
        state = re.search(r"\) (\S)", Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return False
    return state is not None and state[1] != "Z"


async def test_workers_stop_without_their_supervisor(tmp_path: Path) -> None:
    async with sandbox() as upstream:
        with serving(tmp_path, upstream) as (server, _):
            pids = workers_of(server, 2)
            server.process.kill()
            server.process.wait()
            async with asyncio.timeout(20):
                while any(alive(pid) for pid in pids):
                    await asyncio.sleep(0.05)


async def test_the_demos_workers_share_a_sandbox() -> None:
    arguments = ("--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0", "--workers", "2")
    with running("serve", "--demo", *arguments) as server:
        port = int(server.until(PORT))
        workers_of(server, 3)
        assert {len(shown) for shown in await asyncio.gather(*(names(port) for _ in range(10)))} == {2}
        assert server.stop() == 0


def test_code_on_phone_without_accounts_needs_a_single_worker(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_text(
        "listen: 127.0.0.1:0\n"
        f"upstream: {{profile: {passing_credentials_on(tmp_path)}, validation: code_on_phone}}\n",
        encoding="utf-8",
    )
    done = run("serve", "--config", file, "--workers", "2")
    assert done.returncode == 2
    assert "code_on_phone without accounts works with one worker only: --workers must be 1" in done.stderr


def test_no_workers_at_all() -> None:
    assert run("serve", "--demo", "--workers", "0").returncode == 2


TOLD_TOO_EARLY = """
import asyncio, os, signal
from contextlib import asynccontextmanager
from proxy.process.signals import run_workers

@asynccontextmanager
async def part():
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.1)
    os.kill(os.getppid(), signal.SIGTERM)
    yield

run_workers([part], "", died=print, stopping=lambda: None)
"""


def test_a_worker_stopped_while_starting_stops_once_started() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TOLD_TOO_EARLY], check=False, capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
