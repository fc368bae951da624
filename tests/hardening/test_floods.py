"""Floods: connections that are idle, silent, slow or that hang lock no others out, and cost little memory."""

import asyncio
import gc
import os
import resource
import socket
import ssl
import struct
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
import trustme
from aiohttp import EMPTY_PAYLOAD, StreamReader
from support import leap
from support.callers import CANNOT_WAIT, get
from support.processes import starting
from support.raw import CHUNKED, assert_last, assert_rest_exception, chunked, post
from support.running import running_listeners, running_proxy
from support.seed import ACCOUNT, LIST
from support.wire import Message, RawClient, ScriptedUpstream, connect, json_answer, scripted_upstream

from proxy.config import Address
from proxy.server.connection import Connection
from proxy.server.http_server import RequestHandler

NOWHERE = "http://127.0.0.1:1"
METRICS = "listen: {metrics: '127.0.0.1:0'}\n"


@contextmanager
def few_files(number: int) -> Iterator[None]:
    """Let this process have but so many files while the block begins something."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def small_proxy(url: str = NOWHERE, configuration: str = "") -> AsyncIterator[Mapping[str, Address]]:
    """Run a proxy with room for 100 connections, 25 of one peer."""
    async with AsyncExitStack() as stack:
        with few_files(200):
            bound = await stack.enter_async_context(running_listeners(url, configuration))
        yield bound


@asynccontextmanager
async def peer(port: int, number: int = 1) -> AsyncIterator[RawClient]:
    """Connect from an address of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.1.{number}", 0))
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def status(client: RawClient, data: bytes = CANNOT_WAIT) -> int:
    return (await client.ask(data)).status


async def page(port: int, target: str) -> Message:
    async with connect(port) as client:
        return await client.ask(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


# Connections that do nothing

HALF_HEAD = CANNOT_WAIT[:-2]
HALF_BODY = post(b"Content-Length: 100", body=b"PhoneNumber=")
FLOODS: Mapping[str, bytes] = {"silent": b"", "slow heads": HALF_HEAD, "slow bodies": HALF_BODY}


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("peers", [1, 50])
async def test_found_g1_a_flood_locks_no_other_out(flood: str, peers: int) -> None:
    async with AsyncExitStack() as stack:
        bound = await stack.enter_async_context(small_proxy(configuration=METRICS))
        port = bound["address"].port
        others = [await stack.enter_async_context(peer(port, 200 + number)) for number in range(3)]
        for number in range(300):
            attacker = await stack.enter_async_context(peer(port, 1 + number % peers))
            await attacker.send(FLOODS[flood])
            if number % 30 == 0:
                async with peer(port, 210) as new:
                    assert await status(new) == 404
                assert [await status(other) for other in others] == [404] * 3
                assert (await page(bound["metrics"].port, "/healthz")).status == 200
                assert (await page(bound["metrics"].port, "/readyz")).status == 200


async def test_found_g1_the_longest_idle_connection_gives_way() -> None:
    async with AsyncExitStack() as stack:
        port = (await stack.enter_async_context(small_proxy(configuration=PER_PEER.format(100))))[
            "address"
        ].port
        clients = [await stack.enter_async_context(connect(port)) for _ in range(100)]
        for client in reversed(clients):
            assert await status(client) == 404
        for number in range(10):
            assert await status(await stack.enter_async_context(connect(port))) == 404
            assert await clients[-1 - number].is_closed()
        assert [await status(client) for client in clients[:90]] == [404] * 90


PER_PEER = "limits: {{connections_per_peer: {}}}\n"


async def test_found_g1_readiness_says_full() -> None:
    """When every connection carries something out, a new one is closed."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_upstream())
        upstream.released.clear()
        bound = await stack.enter_async_context(small_proxy(upstream.url, METRICS))
        port, metrics = bound["address"].port, bound["metrics"].port
        clients = [await stack.enter_async_context(peer(port, 1 + number % 4)) for number in range(100)]
        for number, client in enumerate(clients):
            await client.send(get(f"token {number}"))
        while (ready := await page(metrics, "/readyz")).status == 200:
            await asyncio.sleep(0.05)
        assert ready.status == 503
        assert b"full" in ready.body
        assert (await page(metrics, "/healthz")).status == 200
        async with peer(port, 9) as late:
            assert await late.is_closed()
        clients[0].writer.transport.abort()
        while (await page(metrics, "/readyz")).status == 503:
            await asyncio.sleep(0.05)
        async with peer(port, 9) as next_one:
            assert await status(next_one) == 404
        upstream.released.set()


async def test_found_g1_the_metrics_listener_has_room_of_its_own() -> None:
    async with AsyncExitStack() as stack:
        bound = await stack.enter_async_context(small_proxy(configuration=METRICS))
        for number in range(200):
            await stack.enter_async_context(peer(bound["metrics"].port, 1 + number % 50))
        assert (await page(bound["metrics"].port, "/healthz")).status == 200
        async with connect(bound["address"].port) as other:
            assert await status(other) == 404


# One peer


async def test_found_f7_a_peer_has_a_quarter_of_the_connections() -> None:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_upstream())
        upstream.released.clear()
        port = (await stack.enter_async_context(small_proxy(upstream.url)))["address"].port
        for number in range(25):
            client = await stack.enter_async_context(peer(port, 1))
            await client.send(get(f"token {number}"))
        await asyncio.sleep(0.2)
        async with peer(port, 1) as late:
            assert await late.is_closed()
        async with peer(port, 2) as other:
            assert await status(other) == 404
        upstream.released.set()


async def test_found_f7_many_clients_at_one_address_are_served_in_turn() -> None:
    """As behind a NAT: the one that has been idle for longest gives way to the next one."""
    async with AsyncExitStack() as stack:
        port = (await stack.enter_async_context(small_proxy()))["address"].port
        for _ in range(150):
            assert await status(await stack.enter_async_context(peer(port, 1))) == 404


async def test_found_f7_a_trusted_proxy_has_no_share() -> None:
    trusting = "listen: {trusted_proxies: [127.0.1.0/24]}\n"
    async with AsyncExitStack() as stack:
        port = (await stack.enter_async_context(small_proxy(configuration=trusting)))["address"].port
        clients = [await stack.enter_async_context(peer(port, 1)) for _ in range(90)]
        assert [await status(client) for client in clients] == [404] * 90


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(file)
    return file


def tls_listeners(certificate: Path) -> str:
    each = f"{{address: '127.0.0.1:0', certificate: {certificate}}}"
    return f"listen: {{tls: {each}, legacy_tls: {each}}}\n"


@asynccontextmanager
async def tls_client(port: int, number: int = 1) -> AsyncIterator[RawClient]:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, local_addr=(f"127.0.1.{number}", 0), ssl=trusting
    )
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["silent", "half a hello"])
@pytest.mark.parametrize("peers", [1, 50])
async def test_found_g13_handshakes_give_way(certificate: Path, sent: bytes, peers: int) -> None:
    async with AsyncExitStack() as stack:
        bound = await stack.enter_async_context(small_proxy(configuration=tls_listeners(certificate)))
        plain = await stack.enter_async_context(peer(bound["address"].port, 200))
        kept = await stack.enter_async_context(tls_client(bound["tls"].port, 201))
        for number in range(300):
            name = ("tls", "legacy_tls")[number % 2]
            attacker = await stack.enter_async_context(peer(bound[name].port, 1 + number % peers))
            await attacker.send(sent)
            if number % 50 == 49:
                for each in ("tls", "legacy_tls"):
                    async with tls_client(bound[each].port, 210) as new:
                        assert await status(new) == 404
                assert await status(plain) == await status(kept) == 404


# Memory


async def filled(client: RawClient) -> None:
    """Send a request that hangs, and as much behind it as is taken."""
    client.writer.write(get("x") + post(b"Content-Length: 60000", body=b"x" * 60_000) * 20)
    await asyncio.sleep(0)


@asynccontextmanager
async def hanging_upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as upstream:
        upstream.released.clear()
        yield upstream
        upstream.released.set()


def connections() -> list[Connection]:
    return [each for each in gc.get_objects() if isinstance(each, Connection)]


async def test_found_f1_a_connection_holds_64_kib_of_what_follows() -> None:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(hanging_upstream())
        port = await stack.enter_async_context(running_proxy(upstream.url))
        for number in range(20):
            await filled(await stack.enter_async_context(peer(port, 1 + number)))
        await asyncio.sleep(0.3)
        held = [each.peer.held_bytes for each in connections()]
        assert len(held) == 20
        assert 16 * 1024 < max(held) <= (64 + 4) * 1024


BODY = post(b"Content-Length: 60000", body=b"x" * 50_000)


async def test_found_f1_beyond_the_budget_is_a_503() -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(running_proxy(NOWHERE, "limits: {request_bytes: 1048576}\n"))
        clients = [await stack.enter_async_context(connect(port)) for _ in range(30)]
        for client in clients:
            await client.send(BODY)
        refused = 0
        for client in clients:
            with suppress(TimeoutError):
                answer = await client.receive(within=0.1)
                assert answer is not None
                assert answer.status == 503
                assert_rest_exception(answer, 20503)
                assert answer.header("Retry-After") == "1"
                assert_last(answer)
                refused += 1
        assert 10 <= refused <= 20
        assert connections()[0].peer.held_bytes <= 1024 * 1024
        async with peer(port, 2) as other:  # what is left for others is enough for what is small
            assert await status(other, post(b"Content-Length: 13", body=b"PhoneNumber=1")) == 400
        for client in clients:
            client.writer.transport.abort()
        await asyncio.sleep(0.1)
        async with connect(port) as next_one:
            await next_one.send(BODY)
            with pytest.raises(TimeoutError):
                await next_one.receive(within=0.2)


# What is given back


class Scene:
    """A proxy, its listeners, and a connection to the plain one."""

    def __init__(self, port: int, tls: int, upstream: ScriptedUpstream, client: RawClient) -> None:
        self.port = port
        self.tls = tls
        self.upstream = upstream
        self.client = client


async def idle(scene: Scene) -> None:
    assert await status(scene.client) == 404


async def silent(scene: Scene) -> None:
    del scene


def sent(data: bytes, *, hangs: bool = False) -> Callable[[Scene], Awaitable[None]]:
    async def send(scene: Scene) -> None:
        if hangs:
            scene.upstream.released.clear()
        await scene.client.send(data)
        await asyncio.sleep(0.05)

    return send


async def answered_and_closed(scene: Scene) -> None:
    await scene.client.ask(CANNOT_WAIT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert await scene.client.is_closed()


async def half_closed(scene: Scene) -> None:
    await scene.client.send(CANNOT_WAIT)
    scene.client.writer.write_eof()
    assert await scene.client.receive()
    assert await scene.client.is_closed()


async def tls_idle(scene: Scene) -> None:
    async with tls_client(scene.tls) as client:
        assert await status(client) == 404


async def tls_with_a_body(scene: Scene) -> None:
    async with tls_client(scene.tls) as client:
        await client.send(HALF_BODY)
        await asyncio.sleep(0.05)


async def tls_silent(scene: Scene) -> None:
    async with connect(scene.tls):
        await asyncio.sleep(0.05)


async def tls_garbage(scene: Scene) -> None:
    async with connect(scene.tls) as client:
        await client.send(CANNOT_WAIT)
        assert await client.is_closed()


GARBAGE_CHUNK = post(CHUNKED, body=b"zz\r\n")
ENDS: Mapping[str, Callable[[Scene], Awaitable[None]]] = {
    "silent": silent,
    "idle": idle,
    "answered and closed": answered_and_closed,
    "half closed": half_closed,
    "half a head": sent(HALF_HEAD),
    "half a body": sent(HALF_BODY),
    "a large half of a body": sent(BODY),
    "half a chunked body": sent(post(CHUNKED, body=chunked(b"x" * 1000)[:-5])),
    "a read that hangs": sent(get("x"), hangs=True),
    "a read that hangs, and more": sent(get("x") + BODY * 3, hangs=True),
    "a write that hangs": sent(post(b"Content-Length: 22", body=b"PhoneNumber=4158675309"), hangs=True),
    "garbage": sent(b"garbage\r\n\r\n"),
    "garbage behind a request": sent(CANNOT_WAIT + b"garbage\r\n\r\n"),
    "a garbage chunk": sent(GARBAGE_CHUNK),
    "a garbage chunk later": sent(post(CHUNKED, body=b"5\r\nxxxxx\r\nzz\r\n")),
    "too many extensions": sent(post(CHUNKED, body=b"5;" + b"x" * 2000)),
    "a body that is too large": sent(post(b"Content-Length: 100000", body=b"x" * 70_000)),
    "a chunked body that is too large": sent(post(CHUNKED, body=chunked(b"x" * 70_000))),
    "a line that is too long": sent(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "an upgrade": sent(get("x", "/", b"Connection: Upgrade", b"Upgrade: h2c")),
    "an expectation": sent(post(b"Content-Length: 9", b"Expect: 100-continue", body=b"")),
    "another expectation": sent(post(b"Content-Length: 9", b"Expect: 200-ok", body=b"")),
    "TLS, idle": tls_idle,
    "TLS, half a body": tls_with_a_body,
    "TLS, silent": tls_silent,
    "TLS, garbage": tls_garbage,
}


def reset(client: RawClient) -> None:
    connection: socket.socket = client.writer.get_extra_info("socket")
    with suppress(OSError):  # it is closed already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


CLOSINGS: Mapping[str, Callable[[RawClient], object]] = {
    "closed": lambda client: client.writer.close(),
    "reset": reset,
}


@contextmanager
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


KINDS = (Connection, RequestHandler, StreamReader)


def kept() -> list[object]:
    return [each for each in gc.get_objects() if isinstance(each, KINDS) and each is not EMPTY_PAYLOAD]


@pytest.mark.parametrize("closing_", CLOSINGS)
@pytest.mark.parametrize("end", ENDS)
async def test_found_f1_no_cycle_keeps_a_connection(end: str, closing_: str, certificate: Path) -> None:
    listen = tls_listeners(certificate)
    async with scripted_upstream() as upstream, running_listeners(upstream.url, listen) as bound:
        port = bound["address"].port
        with without_collector():
            async with connect(port) as client:
                await ENDS[end](Scene(port, bound["tls"].port, upstream, client))
                alive = [weakref.ref(each) for each in connections()]
                CLOSINGS[closing_](client)
            upstream.released.set()
            for _ in range(100):
                await asyncio.sleep(0.01)
                if not any(each() for each in alive):
                    break
            assert not [each() for each in alive if each()]
            assert not kept()


@pytest.mark.parametrize("state", ["silent", "idle", "half a head", "half a body", "a read that hangs"])
async def test_found_f1_no_cycle_keeps_what_the_server_closes(state: str, certificate: Path) -> None:
    """What gives way, what is turned away, and what a server that stops has open."""
    with without_collector():
        async with AsyncExitStack() as stack:
            upstream = await stack.enter_async_context(scripted_upstream())
            bound = await stack.enter_async_context(small_proxy(upstream.url, tls_listeners(certificate)))
            port = bound["address"].port
            for _ in range(60):
                client = await stack.enter_async_context(peer(port))
                with suppress(ConnectionError):
                    await ENDS[state](Scene(port, bound["tls"].port, upstream, client))
            assert len(connections()) <= 30  # some have yet to go
            upstream.released.set()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not kept():
                break
        assert not kept()


def resident(pid: int) -> int:
    """Return the memory of a process in bytes, as far as it is no file."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")


def test_found_f1_memory_comes_back_after_1000_connections(tmp_path: Path) -> None:
    def fill(port: int, number: int) -> None:
        with ExitStack() as stack:
            for each in range(number):
                client = stack.enter_context(closing(socket.socket()))
                client.bind((f"127.0.1.{1 + each % 50}", 0))
                client.connect(("127.0.0.1", port))
                client.setblocking(False)
                with suppress(BlockingIOError, ConnectionError):
                    client.send(CANNOT_WAIT + BODY)
            time.sleep(0.5)

    with starting(tmp_path) as (server, port):
        for _ in range(2):
            fill(port, 100)
        time.sleep(0.5)
        before = resident(server.process.pid)
        for _ in range(10):
            fill(port, 100)
        time.sleep(1)
        assert resident(server.process.pid) - before <= 20 * 1024 * 1024
        assert server.stop() == 0


def many(number: int) -> bytes:
    item = b'{"sid": "PN%032x", "account_sid": "%b", "friendly_name": "%b", "phone_number": "+1415%07d"}'
    listed = b", ".join(item % (n, ACCOUNT.encode(), b"x" * 64, n) for n in range(number))
    return b'{"outgoing_caller_ids": [%b], "next_page_uri": null}' % listed


LONG = f"{LIST}?num=1000"
LITTLE = "snapshots: {fresh: 3600}\nlimits: {request_bytes: 4000000}\n"


@asynccontextmanager
async def slow_reader(port: int, number: int, *, is_tls: bool) -> AsyncIterator[None]:
    """Ask for more than a kernel holds, and leave it there."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.bind((f"127.0.1.{number}", 0))
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        terms = ssl.create_default_context()
        terms.check_hostname, terms.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection(
            sock=client, ssl=terms if is_tls else None, server_hostname="x" if is_tls else None, limit=1
        )
        cast(asyncio.Transport, writer.transport).pause_reading()
        writer.write(get("x", LONG) * 20)
        yield
        writer.transport.abort()


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "TLS"])
async def test_found_f1_answers_that_are_not_taken_count(is_tls: bool, certificate: Path) -> None:
    """Their readers give way after a second where there is no room for another answer."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(scripted_upstream(json_answer(200, many(1000))))
        configuration = tls_listeners(certificate) + LITTLE
        bound = await stack.enter_async_context(running_listeners(upstream.url, configuration))
        port = bound["address"].port
        one = await stack.enter_async_context(peer(port, 100))
        while b"OutgoingCallerId" not in (await one.ask(get("x", LONG))).body:
            pass
        for number in range(20):
            reader = slow_reader(bound["tls" if is_tls else "address"].port, 1 + number, is_tls=is_tls)
            await stack.enter_async_context(reader)
        await asyncio.sleep(0.5)
        held = {id(each.peer): each.peer.held_bytes for each in connections()}
        assert 1_000_000 < sum(held.values()) <= 4_000_000
        await asyncio.sleep(1)
        for _ in range(3):
            assert await status(one, get("x", LONG)) == 200


# Half a head behind a request

BEHIND: Mapping[str, bytes] = {
    "a GET": CANNOT_WAIT,
    "several": CANNOT_WAIT * 3,
    "a HEAD": CANNOT_WAIT.replace(b"GET", b"HEAD"),
    "a body": post(b"Content-Length: 13", body=b"PhoneNumber=1"),
    "chunks": post(CHUNKED, body=chunked(b"PhoneNumber=", b"1")),
    "a read of the upstream": get("x"),
}
HALVES = (b"G", b"\r\nG", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\n", HALF_HEAD, HALF_HEAD[:-1])


@pytest.mark.parametrize("before", BEHIND)
def test_found_f12_half_a_head_behind_a_request_has_ten_seconds(before: str) -> None:
    async def wait() -> None:
        clock = asyncio.get_running_loop().time
        async with (
            scripted_upstream(*[json_answer(200, many(1))] * 99) as upstream,
            running_proxy(upstream.url) as port,
        ):
            for half in HALVES:
                for pieces in ([BEHIND[before] + half], [BEHIND[before], half]):
                    async with connect(port) as client:
                        begun = clock()
                        for piece in pieces:
                            await client.send(piece)
                        received = await client.reader.read()
                        assert b" 408 " in received
                        assert 9 <= clock() - begun <= 11

    leap.run(wait())
