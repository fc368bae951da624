"""Ways to an upstream: CONNECT proxies, client certificates, authorities of its own, unix sockets."""

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from support import leap
from support.streams import stream_server
from support.wire import Message, ScriptedUpstream, json_answer, read_message, scripted_upstream

from proxy.errors import BAD_UPSTREAM, TOO_SLOW, Fault, LegacyError
from proxy.profile.calls import Call
from proxy.upstream.client import Client
from proxy.upstream.route import UpstreamRoute

HOST = "127.0.0.1"
OK = json_answer(200, b"{}")
UNTRUSTED = BAD_UPSTREAM.saying("The upstream API cannot be trusted")

Run = Callable[[Coroutine[Any, Any, None]], None]


def on(loop: Callable[[], asyncio.AbstractEventLoop]) -> Run:
    async def and_close(main: Coroutine[Any, Any, None]) -> None:
        await main
        await asyncio.sleep(0.05)  # the ends of the connections arrive

    def run(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(and_close(main))

    return run


LOOPS = pytest.mark.parametrize(
    "run", [on(asyncio.new_event_loop), on(uvloop.new_event_loop)], ids=["asyncio", "uvloop"]
)


@dataclass
class ConnectProxy:
    """A proxy that opens tunnels for those with the right credentials, or answers something else."""

    answer: bytes = b""
    received: list[Message] = field(default_factory=list)
    port: int = 0

    def url(self, user: str = "") -> str:
        return f"http://{user}{HOST}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            request = await read_message(reader)
            assert request
            self.received.append(request)
            if self.answer:
                writer.write(self.answer)
                await reader.read()
                return
            host, _, port = request.target.rpartition(":")
            there, to = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with contextlib.closing(to):
                await asyncio.gather(copy(reader, to), copy(there, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def connect_proxy(answer: bytes = b"") -> AsyncIterator[ConnectProxy]:
    proxy = ConnectProxy(answer)
    async with stream_server(proxy.serve) as proxy.port:
        yield proxy


class Certificates:
    """An authority of its own, and what it vouches for."""

    def __init__(self, name: str = HOST) -> None:
        self.authority = trustme.CA()
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert(name).configure_cert(self.server)

    def require_client(self) -> "Certificates":
        self.authority.configure_trust(self.server)
        self.server.verify_mode = ssl.CERT_REQUIRED
        return self

    def client(self, *, certificate: bool = False) -> ssl.SSLContext:
        """Return a context that trusts the authority, with a certificate or without."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if certificate:
            self.authority.issue_cert("client@example.com").configure_cert(context)
        return context


async def ask(upstream: ScriptedUpstream, route: UpstreamRoute, times: int = 1) -> None:
    upstream.then(*[OK] * times)
    async with Client({"way": route}) as client:
        for _ in range(times):
            assert (await client.send(Call("GET", f"{upstream.url}/x", route="way"))).body == b"{}"


async def failure(upstream: ScriptedUpstream, route: UpstreamRoute) -> Fault:
    async with Client({"way": route}) as client:
        with pytest.raises(LegacyError) as raised:
            await client.send(Call("GET", f"{upstream.url}/x", route="way"))
    assert upstream.received == []
    return raised.value.fault


# Certificates


@LOOPS
@pytest.mark.parametrize("certificate", [False, True])
def test_an_authority_of_ones_own_and_a_client_certificate(run: Run, certificate: bool) -> None:
    """One connection serves all: bytes that uvloop has left to send after the handshake do not count."""

    async def asking() -> None:
        certificates = Certificates()
        if certificate:
            certificates.require_client()
        async with scripted_upstream(tls=certificates.server) as upstream:
            await ask(upstream, UpstreamRoute(tls=certificates.client(certificate=certificate)), times=3)
            assert upstream.accepted == 1

    run(asking())


@LOOPS
def test_without_the_authority_there_is_no_trust(run: Run) -> None:
    async def asking() -> None:
        certificates, others = Certificates(), Certificates()
        async with scripted_upstream(tls=certificates.server) as upstream:
            assert await failure(upstream, UpstreamRoute()) == UNTRUSTED
            assert await failure(upstream, UpstreamRoute(tls=others.client())) == UNTRUSTED

    run(asking())


@LOOPS
def test_without_a_client_certificate_there_is_no_answer(run: Run) -> None:
    """In TLS 1.3 the client learns of it with what should be the answer."""

    async def asking() -> None:
        certificates = Certificates().require_client()
        async with scripted_upstream(OK, tls=certificates.server) as upstream:
            assert (await failure(upstream, UpstreamRoute(tls=certificates.client()))).status == 502

    run(asking())


# Proxies


@LOOPS
@pytest.mark.parametrize("certificate", [False, True])
def test_a_tunnel_with_credentials_for_the_proxy_alone(run: Run, certificate: bool) -> None:
    async def asking() -> None:
        certificates = Certificates()
        if certificate:
            certificates.require_client()
        async with scripted_upstream(tls=certificates.server) as upstream, connect_proxy() as proxy:
            tls = certificates.client(certificate=certificate)
            await ask(upstream, UpstreamRoute(tls, proxy.url("user:p%40ss@")), times=3)
            (asked,) = proxy.received
        assert asked.start == f"CONNECT {HOST}:{upstream.port} HTTP/1.1"
        assert asked.header("Host") == f"{HOST}:{upstream.port}"
        expected = base64.b64encode(b"user:p@ss").decode()
        assert asked.header("Proxy-Authorization") == f"Basic {expected}"
        assert all(each.header("Proxy-Authorization") is None for each in upstream.received)
        assert (len(upstream.received), upstream.accepted) == (3, 1)

    run(asking())


@LOOPS
def test_a_tunnel_without_tls(run: Run) -> None:
    async def asking() -> None:
        async with scripted_upstream() as upstream, connect_proxy() as proxy:
            await ask(upstream, UpstreamRoute(proxy=proxy.url()), times=2)
            (asked,) = proxy.received
        assert asked.header("Proxy-Authorization") is None
        assert upstream.accepted == 1

    run(asking())


@LOOPS
def test_the_name_counts_behind_a_proxy_too(run: Run) -> None:
    async def asking() -> None:
        certificates = Certificates("127.0.0.2")
        async with scripted_upstream(tls=certificates.server) as upstream, connect_proxy() as proxy:
            route = UpstreamRoute(certificates.client(), proxy.url())
            assert await failure(upstream, route) == UNTRUSTED

    run(asking())


@pytest.mark.parametrize(
    ("answer", "status", "asked"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", 503, 2),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nOops", 503, 2),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 502, 1),
    ],
)
async def test_a_proxy_that_refuses(answer: bytes, status: int, asked: int) -> None:
    async with scripted_upstream() as upstream, connect_proxy(answer) as proxy:
        fault = await failure(upstream, UpstreamRoute(proxy=proxy.url("user:s3cret@")))
        assert fault.status == status
        assert len(proxy.received) == asked  # nothing was sent: it may be tried once more
    assert "s3cret" not in repr(UpstreamRoute(proxy=proxy.url("user:s3cret@"))) + fault.message


async def test_no_proxy_there() -> None:
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        async with scripted_upstream() as upstream:
            fault = await failure(upstream, UpstreamRoute(proxy=f"http://{HOST}:{bound.getsockname()[1]}"))
    assert (fault.status, fault.headers["Retry-After"]) == (503, "1")


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def test_a_proxy_that_says_nothing() -> None:
    async def asking() -> float:
        async with stream_server(say_nothing) as silent, scripted_upstream() as upstream:
            begun = asyncio.get_running_loop().time()
            proxy = f"http://{HOST}:{silent}"
            assert await failure(upstream, UpstreamRoute(proxy=proxy)) == TOO_SLOW
            return asyncio.get_running_loop().time() - begun

    assert leap.run(asking()) == pytest.approx(10, abs=1)


# Unix sockets


@LOOPS
@pytest.mark.parametrize("is_tls", [False, True])
def test_a_unix_socket(run: Run, is_tls: bool, tmp_path: Path) -> None:
    async def asking() -> None:
        certificates = Certificates("upstream.example")
        path = str(tmp_path / "upstream.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        url = f"{'https' if is_tls else 'http'}://upstream.example"
        upstream = ScriptedUpstream().then(OK, OK)
        upstream.released.set()
        tls = certificates.server if is_tls else None
        route = UpstreamRoute(certificates.client(), unix_path=path)
        async with stream_server(upstream.serve, tls=tls, on=listener), Client({"way": route}) as client:
            for _ in range(2):
                assert (await client.send(Call("GET", f"{url}/x", route="way"))).body == b"{}"
        assert [each.header("Host") for each in upstream.received] == ["upstream.example"] * 2
        assert upstream.accepted == 1

    run(asking())


async def test_no_such_socket(tmp_path: Path) -> None:
    async with scripted_upstream() as upstream:
        fault = await failure(upstream, UpstreamRoute(unix_path=str(tmp_path / "nothing.sock")))
    assert (fault.status, fault.headers["Retry-After"]) == (503, "1")


# Whose a route is


async def test_a_route_is_for_one_origin_but_its_proxy_for_all(tmp_path: Path) -> None:
    """A call to another origin, as a server of tokens, shows no certificate and never reaches the socket."""
    async with scripted_upstream(OK, OK) as upstream, connect_proxy() as proxy:
        own = UpstreamRoute(unix_path=str(tmp_path / "x.sock"), origin="http://localhost")
        through = UpstreamRoute(proxy=proxy.url(), server_name="x", origin="https://api.example.com")
        async with Client({"socket": own, "proxy": through}) as client:
            for name in ("socket", "proxy"):
                call = Call("GET", f"{upstream.url}/x", route=name)
                assert (await client.send(call)).status == 200
            with pytest.raises(LegacyError) as raised:
                await client.send(Call("GET", "http://localhost/x", route="socket"))
            assert "x.sock" in str(raised.value)
        assert len(proxy.received) == 1


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://localhost", "http://LOCALHOST:80/token"),
        ("HTTP://localhost:80", "http://localhost/token"),
        ("https://api.example.com", "https://api.example.com.:443/token"),
    ],
)
async def test_a_route_is_for_its_origin_in_any_spelling(base: str, url: str, tmp_path: Path) -> None:
    """A server of tokens behind the same socket, or that wants the same certificate, may be written so."""
    route = UpstreamRoute(unix_path=str(tmp_path / "x.sock"), origin=base)
    async with Client({"socket": route}) as client:
        with pytest.raises(LegacyError) as raised:
            await client.send(Call("GET", url, route="socket"))
    assert "x.sock" in str(raised.value)


@pytest.mark.parametrize(
    "other", ["http://api.example.com", "https://api.example.com:444", "https://x.example.com", "https://x"]
)
def test_a_route_is_for_no_other_origin(other: str) -> None:
    own = UpstreamRoute(
        unix_path="/x.sock", server_name="x", proxy="http://p", origin="https://api.example.com"
    )
    assert own.for_origin(other) == UpstreamRoute(proxy="http://p")


async def test_a_call_by_an_unknown_route_is_not_sent() -> None:
    """It would go directly, without the certificate or the proxy that it is meant to have."""
    async with scripted_upstream(OK, OK) as upstream, Client({"a": UpstreamRoute()}) as client:
        known, unknown = (Call("GET", f"{upstream.url}/x", route=name) for name in "ab")
        with pytest.raises(LegacyError) as raised:
            await client.send(unknown)
        assert raised.value.fault.status == 502
        assert upstream.accepted == 0
        for _ in range(2):  # a listing that is under way goes on
            client.follow({}, None)
            assert (await client.send(known)).status == 200
