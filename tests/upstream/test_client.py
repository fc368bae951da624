"""The client over real sockets: every way in which an upstream can fail to answer, and what is never done."""

import asyncio
import contextlib
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal

import pytest
import trustme
from support import leap
from support.wire import Message, ScriptedUpstream, json_answer, read_message, scripted_upstream

from proxy import __version__
from proxy.errors import BAD_UPSTREAM, TOO_SLOW, Fault, LegacyError
from proxy.upstream.calls import Call, Reply
from proxy.upstream.client import Client

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MIB = 1024 * 1024


@contextlib.asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Run an upstream that does `serve` to each connection; yields its URL."""

    async def and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            await serve(reader, writer)

    server = await asyncio.start_server(and_hang_up, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def send(url: str, method: str = "GET") -> Reply:
    async with Client() as client:
        return await client.send(Call(method, url))


async def failure(url: str, method: str = "GET") -> Fault:
    with pytest.raises(LegacyError) as raised:
        await send(url, method)
    return raised.value.fault


# An answer


async def test_a_reply_is_the_status_the_body_and_the_headers_that_count() -> None:
    answer = json_answer(418, b'{"a": 1}', [("Retry-After", "7"), ("X-Other", "x")])
    async with scripted_upstream(answer) as upstream:
        reply = await send(upstream.url)
    assert reply == Reply(418, b'{"a": 1}', {"content-type": "application/json", "retry-after": "7"})


BODIES = {"form": "é", "json": [1, True]}


@pytest.mark.parametrize(
    ("kind", "content_type", "body"),
    [
        ("form", "application/x-www-form-urlencoded", b"a=%C3%A9"),
        ("json", "application/json", b'{"a":[1,true]}'),
    ],
)
async def test_the_request_is_the_call_and_little_else(
    kind: Literal["form", "json"], content_type: str, body: bytes
) -> None:
    async with scripted_upstream(json_answer(200, b"{}")) as upstream, Client() as client:
        address = f"{upstream.url}/a%2Fb/%c3?x=%20+&y="
        headers = {"Authorization": "Basic eDp5"}
        await client.send(Call("POST", address, headers, {"z": "& "}, {"a": BODIES[kind]}, kind))
    (request,) = upstream.received
    assert request.start == "POST /a%2Fb/%c3?x=%20+&y=&z=%26+ HTTP/1.1"
    assert {name.lower(): value for name, value in request.headers} == {
        "host": f"127.0.0.1:{upstream.port}",
        "user-agent": f"callerid-proxy/{__version__}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "Basic eDp5",
        "content-type": content_type,
        "content-length": str(len(body)),
    }
    assert request.body == body


async def test_connections_are_kept() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await read_message(reader):
            writer.write(json_answer(200, b"{}").encode())

    async with serving(serve) as url, Client() as client:
        for _ in range(5):
            await client.send(Call("GET", url))
    assert connections == 1


# Nobody there


async def test_a_refused_connection() -> None:
    with socket.socket() as bound:  # and not listening: nobody else can listen there either
        bound.bind(("127.0.0.1", 0))
        fault = await failure(f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert (fault.status, fault.code) == (503, 20503)
    assert fault.headers["Retry-After"] == "1"
    assert "127.0.0.1" not in fault.message


# No answer, or none that makes sense


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: application/json", *headers, "", ""]).encode()


SENSELESS = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 2",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Type: app",
    "no HTTP": b"220 smtp.example ESMTP\r\n\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "half a body": head("Content-Length: 100") + b'{"outgoing',
    "no body": head("Content-Length: 100"),
    "a cut chunk": head("Transfer-Encoding: chunked") + b"10\r\n{}",
    "no last chunk": head("Transfer-Encoding: chunked") + b"2\r\n{}\r\n",
    "no chunks": head("Transfer-Encoding: chunked") + b"zzz\r\n{}\r\n0\r\n\r\n",
    "two lengths": head("Content-Length: 2", "Content-Length: 3") + b"{} ",
    "length and chunks": head("Content-Length: 2", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    "a negative length": head("Content-Length: -2") + b"{}",
    "a header without end": head("X-Long: " + "x" * 100_000) + b"{}",
    "headers without end": head(*[f"X-{number}: x" for number in range(50_000)]) + b"{}",
    "a NUL in a header": head("X-Odd: a\0b", "Content-Length: 2") + b"{}",
}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("answer", SENSELESS.values(), ids=SENSELESS.keys())
async def test_an_answer_that_makes_no_sense(answer: bytes, method: str) -> None:
    requests = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_message(reader))
        writer.write(answer)

    async with serving(serve) as url:
        assert await failure(url, method) == BAD_UPSTREAM
    assert len(requests) == 1


@pytest.mark.parametrize(
    "before", [b"", head("Content-Length: 100") + b"{"], ids=["at once", "within a body"]
)
async def test_a_reset_connection(before: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        writer.write(before)
        await writer.drain()
        reset(writer)

    async with serving(serve) as url:
        assert await failure(url) == BAD_UPSTREAM


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST instead of FIN."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_a_client_goes_on_after_a_failure() -> None:
    async with scripted_upstream() as upstream, Client() as client:
        upstream.answers += [b"nonsense\r\n\r\n", json_answer(200, b"{}").encode()]
        with pytest.raises(LegacyError):
            await client.send(Call("GET", upstream.url))
        assert (await client.send(Call("GET", upstream.url))).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/a b",
        "/é",
        "/\udcff",
        "/%",
        "/%zz",
        "/#x",
        "/a\r\nX-Evil: 1",
        "/\0",
        "/\x1b",
    ],
    ids=ascii,
)
async def test_an_odd_url_is_answered_or_refused(target: str) -> None:
    """An upstream names the URL of the next page."""
    async with scripted_upstream(json_answer(200, b"{}")) as upstream:
        with contextlib.suppress(LegacyError):
            assert (await send(upstream.url + target)).status == 200
    assert not any(request.header("X-Evil") for request in upstream.received)


# Too slow. Nobody waits here: see support/leap.py.


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Length: 100"))
    await asyncio.sleep(3600)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(head("Content-Length: 3600"))
    for _ in range(3600):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(1)


@pytest.mark.parametrize(("serve", "seconds"), [(silence, 10), (stall, 10), (drip, 25)])
def test_too_slow(serve: Serve, seconds: int) -> None:
    async def ask() -> tuple[Fault, float]:
        async with serving(serve) as url:
            begun = asyncio.get_running_loop().time()
            fault = await failure(url)
            return fault, asyncio.get_running_loop().time() - begun

    fault, waited = leap.run(ask())
    assert fault == TOO_SLOW
    assert fault.status == 504
    assert waited == pytest.approx(seconds, abs=2)


# Too much


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(("size", "fits"), [(8 * MIB, True), (8 * MIB + 1, False)])
async def test_a_large_answer(size: int, framing: str, fits: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        if framing == "length":
            writer.write(head(f"Content-Length: {size}") + b" " * size)
        else:
            writer.write(
                head("Transfer-Encoding: chunked") + f"{size:x}\r\n".encode() + b" " * size + b"\r\n0\r\n\r\n"
            )
        await writer.drain()

    async with serving(serve) as url:
        if fits:
            assert len((await send(url)).body) == size
        else:
            assert await failure(url) == BAD_UPSTREAM


async def test_an_answer_without_end_is_hung_up_on() -> None:
    hung_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        writer.write(head("Transfer-Encoding: chunked"))
        try:
            while True:
                writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            hung_up.set()

    async with serving(serve) as url:
        assert await failure(url) == BAD_UPSTREAM
        async with asyncio.timeout(10):
            await hung_up.wait()


async def test_a_compressed_answer_is_not_inflated() -> None:
    bomb = gzip.compress(bytes(64 * MIB), 9)
    async with scripted_upstream(json_answer(200, bomb, [("Content-Encoding", "gzip")])) as upstream:
        assert (await send(upstream.url)).body == bomb


# What is never done


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_redirect_is_not_followed(method: str, status: int) -> None:
    async with scripted_upstream() as elsewhere, scripted_upstream() as upstream:
        upstream.then(json_answer(status, b"{}", [("Location", f"{elsewhere.url}/x")]))
        assert (await send(upstream.url, method)).status == status
    assert elsewhere.received == []
    assert len(upstream.received) == 1


async def test_cookies_are_not_kept() -> None:
    cookie = json_answer(200, b"{}", [("Set-Cookie", "session=s3cret; Path=/")])
    async with scripted_upstream(cookie, cookie) as upstream, Client() as client:
        await client.send(Call("GET", upstream.url))
        await client.send(Call("GET", upstream.url))
    assert [request.header("Cookie") for request in upstream.received] == [None, None]


async def test_the_environment_names_no_proxy_and_no_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password s3cret", encoding="ascii")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with scripted_upstream() as elsewhere, scripted_upstream(json_answer(200, b"{}")) as upstream:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, elsewhere.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert (await send(upstream.url)).status == 200
    assert elsewhere.received == []
    assert upstream.received[0].header("Authorization") is None


@pytest.mark.parametrize("way", ["fin", "rst"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_a_request_that_is_not_answered_is_not_sent_again(method: str, way: str) -> None:
    """Aiohttp does so by itself, for all methods but POST, where a connection was used before."""
    received: list[Message] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_message(reader):
            received.append(request)
            if len(received) == 2:  # over a connection that has proved itself
                if way == "rst":
                    reset(writer)
                return
            writer.write(json_answer(200, b"{}").encode())

    async with serving(serve) as url, Client() as client:
        assert (await client.send(Call("GET", f"{url}/first"))).status == 200
        with pytest.raises(LegacyError) as raised:
            await client.send(Call(method, f"{url}/second"))
    assert raised.value.fault == BAD_UPSTREAM
    assert [request.target for request in received] == ["/first", "/second"]


# TLS


async def test_a_certificate_that_nobody_vouches_for() -> None:
    reached = ScriptedUpstream()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request := await read_message(reader):
            reached.received.append(request)

    async with serving(serve, tls) as url:
        fault = await failure(url)
    assert (fault.status, fault.code) == (502, 20502)
    assert reached.received == []


async def test_tls_where_there_is_none() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(head("Content-Length: 0", status="400 Bad Request"))

    async with serving(serve) as url:
        fault = await failure(url.replace("http:", "https:"))
    assert (fault.status, fault.code) == (502, 20502)
