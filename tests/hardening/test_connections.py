"""How many connections a worker has, and for how long it has those over which nothing goes."""

import asyncio
import gc
import resource
import select
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import pytest
from support import leap
from support.callers import CANNOT_WAIT, get
from support.proxied import LISTED, Proxied, now, timed
from support.running import running_proxy
from support.seed import ACCOUNT, LIST
from support.streams import stream_server
from support.wire import ScriptedUpstream, connect, json_answer, read_message, scripted_upstream

from proxy.net.connection_limit import max_connections
from proxy.server.connection import Connection

# How many


PEERS = "limits: {{connections_per_peer: {}}}\n"


@contextmanager
def few_files(number: int) -> Iterator[None]:
    """Let this process have but so many files while the block begins something."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_half_of_the_files_are_for_connections_and_more_are_closed_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_upstream())
        upstream.released.clear()
        with few_files(80):
            port = await stack.enter_async_context(running_proxy(upstream.url, PEERS.format(41)))
        clients = [await stack.enter_async_context(connect(port)) for _ in range(40)]
        for number, client in enumerate(clients):
            await client.send(get(f"token {number}"))
        await asyncio.sleep(0.2)
        for _ in range(3):
            async with connect(port) as late:
                assert await late.is_closed()
        assert caplog.messages == [
            "server: new connections are closed, as 40 are open; raise ulimit -n, or add workers"
        ]
        clients[0].writer.close()
        await clients[0].writer.wait_closed()
        await asyncio.sleep(0.1)
        async with connect(port) as next_one:
            assert (await next_one.ask(CANNOT_WAIT)).status == 404
        upstream.released.set()


@pytest.mark.parametrize(
    ("files", "most"), [(9_998, 4_999), (10_002, 5_000), (1_048_576, 5_000), (resource.RLIM_INFINITY, 5_000)]
)
def test_a_worker_has_room_for_5000_at_most(files: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert max_connections() == most


# Those who take nothing

PAGE, REQUESTS = 1000, 40


def many(number: int) -> bytes:
    item = b'{"sid": "PN%032x", "account_sid": "%b", "friendly_name": "%b", "phone_number": "+1415%07d"}'
    items = b", ".join(item % (n, ACCOUNT.encode(), b"x" * 64, n) for n in range(number))
    return b'{"outgoing_caller_ids": [%b], "next_page_uri": null}' % items


@asynccontextmanager
async def who_reads_nothing(port: int) -> AsyncIterator[socket.socket]:
    """Ask for so much that no kernel holds it, and leave it there."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        asked = get("x", f"{LIST}?num={PAGE}") * (REQUESTS - 1)
        asked += get("x", f"{LIST}?num={PAGE}", b"Connection: close")
        await asyncio.get_running_loop().sock_sendall(client, asked)
        yield client


def is_broken(client: socket.socket) -> bool:
    poll = select.poll()
    poll.register(client, select.POLLERR)
    return bool(poll.poll(0))


REMEMBERING = "snapshots: {fresh: 3600}\n"


def test_who_takes_nothing_for_30_seconds_is_closed() -> None:
    async def wait() -> None:
        clock = asyncio.get_running_loop().time
        async with (
            scripted_upstream(json_answer(200, many(PAGE))) as upstream,
            running_proxy(upstream.url, REMEMBERING) as port,
            who_reads_nothing(port) as client,
        ):
            begun = clock()
            while not is_broken(client):
                await asyncio.sleep(1)
            assert 31 <= clock() - begun <= 40  # it is looked at every five seconds

    leap.run(wait())


def test_who_reads_slowly_gets_all_of_it() -> None:
    """So slowly that for minutes nothing of it shows in this process."""

    async def read() -> None:
        loop = asyncio.get_running_loop()
        async with (
            scripted_upstream(json_answer(200, many(PAGE))) as upstream,
            running_proxy(upstream.url, REMEMBERING) as port,
            who_reads_nothing(port) as client,
        ):
            begun, got = loop.time(), bytearray()
            for _ in range(20):
                await asyncio.sleep(25)
                for _ in range(4):
                    got += await loop.sock_recv(client, 65_536)
            assert loop.time() - begun >= 500
            assert not is_broken(client)
            while data := await loop.sock_recv(client, 1_000_000):
                got += data
            assert got.count(b"</TwilioResponse>") == REQUESTS

    leap.run(read())


# Those to the upstream


@pytest.mark.parametrize(("seconds", "connections"), [(14.5, 1), (15.5, 2)])
def test_what_was_idle_for_15_seconds_is_not_used_again(seconds: float, connections: int) -> None:
    async def ask(between: Proxied) -> int:
        await between.ask()
        await asyncio.sleep(seconds)
        await between.ask()
        return between.upstream.accepted

    assert timed(ask, LISTED, LISTED) == connections


def test_what_was_idle_for_15_seconds_is_closed() -> None:
    async def wait() -> None:
        closed = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_message(reader)
            writer.write(LISTED)
            assert await reader.read() == b""
            closed.set()

        upstream = ScriptedUpstream()
        async with stream_server(serve) as upstream.port, running_proxy(upstream.url) as port:
            begun = now()
            assert (await Proxied(port, upstream).ask()).status == 200
            async with asyncio.timeout(100):
                await closed.wait()
            assert 15 <= now() - begun <= 17

    leap.run(wait())


# What is left of those who have gone


async def _takes_nothing(port: int, upstream: ScriptedUpstream) -> None:
    async with who_reads_nothing(port):
        await upstream.is_asked(1)
        await asyncio.sleep(0.2)


async def _sends_half_a_body(port: int, _: ScriptedUpstream) -> None:
    async with connect(port) as client:
        await client.send(get("x", LIST, b"Content-Length: 60000") + bytes(50_000))
        async with connect(port) as other:  # by the time it is answered, the half has been read
            assert (await other.ask(CANNOT_WAIT)).status == 404


async def _does_not_wait(port: int, upstream: ScriptedUpstream) -> None:
    upstream.released.clear()
    async with connect(port) as client:
        await client.send(get("x", LIST))
        await upstream.is_asked(1)


GOING: Mapping[str, Callable[[int, ScriptedUpstream], Awaitable[None]]] = {
    "who takes nothing": _takes_nothing,
    "who sends half a body": _sends_half_a_body,
    "who does not wait for an answer": _does_not_wait,
}


def connections() -> int:
    return sum(isinstance(each, Connection) for each in gc.get_objects())


@pytest.mark.parametrize("who", GOING)
async def test_nothing_is_left_of_who_has_gone(who: str) -> None:
    """What only the collector frees stays for long, with all that was to be sent or has been received."""
    async with (
        scripted_upstream(json_answer(200, many(PAGE))) as upstream,
        running_proxy(upstream.url, REMEMBERING) as port,
    ):
        gc.collect()
        gc.disable()
        try:
            await GOING[who](port, upstream)
            async with asyncio.timeout(10):
                while connections():
                    await asyncio.sleep(0.05)
        finally:
            gc.enable()
            upstream.released.set()
