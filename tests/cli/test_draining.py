"""`serve` at SIGTERM: load balancers get time to notice, requests in flight get time to end."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.processes import Running, running, workers_of
from support.running import running_sandbox
from support.seed import ACCOUNT, BOB, LIST, TOKEN, basic
from support.wire import Message, ask, connect, json_answer, scripted_upstream

from proxy.process.supervisor import REPEAT_PERIOD
from proxy.sandbox import Store

GET = Message(f"GET {LIST} HTTP/1.1", (("Host", "x"), ("Authorization", basic()))).encode()
NEVER = 3600


@dataclass(frozen=True)
class Served:
    """A proxy, and the address of its health checks."""

    server: Running
    port: int
    metrics: int

    async def is_ready(self) -> bool:
        status = (await ask(self.metrics, b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).status
        assert status in (200, 503)
        return status == 200

    async def retires(self) -> None:
        """Send the signal, and wait for the log line."""
        assert await self.is_ready()
        self.server.process.send_signal(signal.SIGTERM)
        while await self.is_ready():
            pass


@contextmanager
def served(folder: Path, upstream: str, drain: float, *options: str) -> Iterator[Served]:
    file = folder / "proxy.yaml"
    file.write_text(
        f"listen: {{address: 127.0.0.1:0, metrics: 127.0.0.1:0, drain: {drain}}}\n"
        f"upstream: {{base_url: '{upstream}'}}\nsnapshots: {{fresh: {NEVER}}}\n",
        encoding="utf-8",
    )
    with running("serve", "--config", file, *options) as server:
        port = server.until(r"legacy API +http://127\.0\.0\.1:(\d+)/2008-08-01")
        metrics = server.until(r"metrics +http://127\.0\.0\.1:(\d+)/metrics")
        yield Served(server, int(port), int(metrics))


@asynccontextmanager
async def sandbox() -> AsyncIterator[str]:
    with closing(Store()) as store:
        store.add_account(ACCOUNT, TOKEN)
        async with running_sandbox(store) as url:
            yield url


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "two"])
async def test_draining_is_not_ready_and_closes_after_each_answer(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    async with sandbox() as upstream:
        with served(tmp_path, upstream, NEVER, *options) as proxy:
            if options:
                workers_of(proxy.server, 2)
            async with connect(proxy.port) as asked, connect(proxy.port) as idle:
                for _ in range(2):  # the second from the cache
                    answer = await asked.ask(GET)
                    assert (answer.status, answer.header("Connection")) == (200, None)
                await proxy.retires()
                proxy.server.process.send_signal(signal.SIGHUP)  # a reload does not end the drain
                for client in (asked, idle):  # idle connections stay open too
                    answer = await client.ask(GET)
                    while answer.header("Connection") is None:  # of a worker that the signal has yet to reach
                        answer = await client.ask(GET)
                    assert (answer.status, answer.header("Connection")) == (200, "close")
                    assert await client.is_closed()
                async with connect(proxy.port) as late:
                    answer = await late.ask(GET + GET)
                    assert (answer.status, answer.header("Connection")) == (200, "close")
                    assert await late.is_closed()
            assert not await proxy.is_ready()
            await asyncio.sleep(REPEAT_PERIOD)
            proxy.server.process.send_signal(signal.SIGTERM)  # a second one ends it at once
            assert proxy.server.process.wait(20) != 0


async def test_it_ends_after_the_last_answer(tmp_path: Path) -> None:
    item = b'{"sid": "%b", "phone_number": "+14155551212"}' % BOB.encode()
    async with scripted_upstream(json_answer(200, item)) as upstream:
        upstream.released.clear()
        with served(tmp_path, upstream.url, 0.5) as proxy:
            async with connect(proxy.port) as client, connect(proxy.port) as idle:
                await client.send(GET.replace(b"OutgoingCallerIds", f"OutgoingCallerIds/{BOB}".encode()))
                await upstream.is_asked(1)
                await proxy.retires()
                assert await idle.is_closed(within=10)  # at the end of the drain
                assert not await proxy.is_ready()  # which can still be asked
                upstream.released.set()
                answer = await client.receive()
                assert answer
                assert (answer.status, answer.header("Connection")) == (200, "close")
            assert proxy.server.process.wait(20) == 0


@pytest.mark.parametrize("at", [GET.index(b"Authorization"), -9], ids=["head", "body"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_half_sent_requests_are_answered(tmp_path: Path, how: signal.Signals, at: int) -> None:
    headers = (("Host", "x"), ("Authorization", basic()))
    request = Message(f"PUT {LIST}/{BOB} HTTP/1.1", headers, b"FriendlyName=Late").encode()
    async with sandbox() as upstream:
        with served(tmp_path, upstream, 0) as proxy:
            async with connect(proxy.port) as client, connect(proxy.port) as idle:
                await client.send(request[:at])
                await ask(proxy.port, GET.replace(b"Host", b"Connection: close\r\nHost"))  # it has come in
                proxy.server.process.send_signal(how)
                assert await idle.is_closed(within=10)
                answer = await client.ask(request[at:])
                assert (answer.status, answer.header("Connection")) == (200, "close")
                assert b"<FriendlyName>Late<" in answer.body
            assert await asyncio.to_thread(proxy.server.process.wait, 20) == 0


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "two"])
async def test_no_connection_waits_in_a_closed_backlog(tmp_path: Path, options: tuple[str, ...]) -> None:
    item = b'{"sid": "%b", "phone_number": "+14155551212"}' % BOB.encode()
    async with scripted_upstream(json_answer(200, item)) as upstream:
        upstream.released.clear()
        with served(tmp_path, upstream.url, 0, *options) as proxy:
            if options:
                workers_of(proxy.server, 2)
            async with connect(proxy.port) as client:
                await client.send(GET.replace(b"OutgoingCallerIds", f"OutgoingCallerIds/{BOB}".encode()))
                await upstream.is_asked(1)
                proxy.server.process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(20):
                    while await is_let_in(proxy.port):
                        await asyncio.sleep(0.05)
                upstream.released.set()
                answer = await client.receive()
                assert answer
                assert answer.status == 200
            assert await asyncio.to_thread(proxy.server.process.wait, 20) == 0


async def is_let_in(port: int) -> bool:
    """Tell whether a connection is accepted, even if only to be closed."""
    try:
        async with connect(port):
            return True
    except ConnectionRefusedError:
        return False


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "two"])
def test_ctrl_c_skips_the_drain(tmp_path: Path, options: tuple[str, ...]) -> None:
    with served(tmp_path, "https://unused.example", NEVER, *options) as proxy:
        assert proxy.server.stop(signal.SIGINT) == 0


async def test_liveness(tmp_path: Path) -> None:
    with served(tmp_path, "https://unused.example", NEVER) as proxy:
        for path in ("/healthz", "/readyz", "/metrics"):
            for method in ("GET", "HEAD"):
                request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                assert (await ask(proxy.metrics, request.encode())).status == 200
            assert (
                await ask(proxy.metrics, f"POST {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            ).status == 405
            led_here = f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n"
            assert (await ask(proxy.metrics, led_here.encode())).status == 403
