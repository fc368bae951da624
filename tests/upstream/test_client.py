"""The client over real sockets: every way in which an upstream can fail, and what is never done."""

import asyncio
import contextlib
import gzip
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from support import leap
from support.streams import stream_server
from support.wire import (
    Message,
    ScriptedUpstream,
    json_answer,
    read_message,
    reset,
    scripted_upstream,
)

from proxy import __version__
from proxy.errors import BAD_UPSTREAM, TOO_SLOW, Fault, LegacyError
from proxy.profile.calls import Call, Reply
from proxy.upstream.client import Client
from proxy.upstream.route import Origin

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MIB = 1024 * 1024


@contextlib.asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Run an upstream that does `serve` to each connection; yields its URL."""

    async def and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)

    async with stream_server(and_hang_up, tls=tls) as port:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


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
    assert reply == Reply(418, b'{"a": 1}', {"content-type": "application/json"}, retry_after=7)


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


# Connections


@contextlib.asynccontextmanager
async def conversing(*answers: bytes) -> AsyncIterator[tuple[str, list[list[str]]]]:
    """Give each connection these answers in turn and then hang up; yields what each was asked for."""
    asked: list[list[str]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(mine := [])
        for answer in answers:
            if not (request := await read_message(reader)):
                return
            mine.append(f"{request.start.split()[0]} {request.target}")
            writer.write(answer)
            await writer.drain()

    async with serving(serve) as url:
        yield url, asked


async def bodies(url: str, *calls: tuple[str, str]) -> list[bytes]:
    """Make calls one after the other with one client."""
    async with Client() as client:
        return [(await client.send(Call(method, f"{url}{target}"))).body for method, target in calls]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def test_connections_are_kept() -> None:
    async with conversing(*[OK] * 5) as (url, asked):
        assert await bodies(url, *[("GET", "/")] * 5) == [b"{}"] * 5
    assert asked == [["GET /"] * 5]


KEPT = {
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", b"{}"),
    "a kept HTTP/1.0": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "an empty body": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "Continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"{}"),
    "several hints": (
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK,
        b"{}",
    ),
}


@pytest.mark.parametrize(("answer", "body"), KEPT.values(), ids=KEPT.keys())
async def test_an_answer_after_which_the_connection_is_kept(answer: bytes, body: bytes) -> None:
    async with conversing(answer, answer) as (url, asked):
        assert await bodies(url, ("GET", "/1"), ("GET", "/2")) == [body, body]
    assert asked == [["GET /1", "GET /2"]]


CLOSED = {
    "Connection: close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", True),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", True),
    "two answers": (OK + OK, True),
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\n{}", False),
    "until the end in HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\n{}", False),
}


@pytest.mark.parametrize(("answer", "goes_on"), CLOSED.values(), ids=CLOSED.keys())
async def test_an_answer_after_which_the_connection_is_closed(answer: bytes, goes_on: bool) -> None:
    async with conversing(*[answer] * (2 if goes_on else 1)) as (url, asked):
        assert await bodies(url, ("GET", "/1"), ("GET", "/2")) == [b"{}", b"{}"]
    assert asked == [["GET /1"], ["GET /2"]]


async def test_head_has_no_body_whatever_its_length_says() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    async with conversing(answer, answer) as (url, asked):
        assert await bodies(url, ("HEAD", "/1"), ("HEAD", "/2")) == [b"", b""]
    assert asked == [["HEAD /1", "HEAD /2"]]


async def test_a_write_without_retries_has_a_new_connection() -> None:
    async with conversing(*[OK] * 5) as (url, asked):
        await bodies(url, ("GET", "/1"), ("POST", "/2"), ("POST", "/3"), ("GET", "/4"), ("PUT", "/5"))
    assert asked == [["GET /1", "GET /4"], ["POST /2"], ["POST /3"], ["PUT /5"]]


async def test_a_post_with_retries_reuses_a_connection() -> None:
    async with conversing(OK, OK) as (url, asked), Client() as client:
        await client.send(Call("GET", f"{url}/1"))
        await client.send(Call("POST", f"{url}/2", retries=1))
    assert asked == [["GET /1", "POST /2"]]


async def test_a_connection_serves_one_caller() -> None:
    async with conversing(*[OK] * 4) as (url, asked), Client() as client:
        for target, caller in enumerate([1, 2, 1, 2, 0]):
            await client.send(Call("GET", f"{url}/{target}", caller=caller))
    assert asked == [["GET /0", "GET /2"], ["GET /1", "GET /3"], ["GET /4"]]


@pytest.mark.parametrize("status", [401, 403])
async def test_no_connection_is_kept_after_a_refusal(status: int) -> None:
    refusal = json_answer(status, b"{}").encode()
    async with conversing(refusal, refusal) as (url, asked):
        await bodies(url, ("GET", "/1"), ("GET", "/2"))
    assert asked == [["GET /1"], ["GET /2"]]


async def test_a_hundred_idle_connections_at_most() -> None:
    """There may be any number of callers, each with connections of its own."""
    open_, accepted = 0, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_, accepted
        open_, accepted = open_ + 1, accepted + 1
        while await read_message(reader):
            writer.write(OK)
        open_ -= 1

    async with serving(serve) as url, Client() as client:
        for caller in range(130):
            await client.send(Call("GET", url, caller=caller))
        await asyncio.sleep(0.05)  # the ends of the connections arrive
        assert (open_, accepted) == (100, 130)
        for caller in (0, 99, 100, 0):
            await client.send(Call("GET", url, caller=caller))
    assert accepted == 131


async def test_the_number_of_callers_is_bounded() -> None:
    """Where callers' own credentials are passed on, clients can make up any number of callers."""
    async with Client() as client:
        for caller in range(5000):
            with pytest.raises(LegacyError):  # before anything is sent
                await client.send(Call("GET", "http://x", {"A": "\0"}, caller=caller))
        assert client._caller.cache_info().currsize == 1024  # noqa: SLF001 - what it is about


async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    async with conversing(OK) as (url, asked), Client() as client:
        for target in ("/1", "/2"):
            await client.send(Call("GET", f"{url}{target}"))
            await asyncio.sleep(0.05)  # the end of the connection arrives
    assert asked == [["GET /1"], ["GET /2"]]


async def test_a_call_that_was_lost_is_repeated_over_a_new_connection() -> None:
    """All idle connections may be as stale as the one that has just failed."""
    together = asyncio.Barrier(3)
    asked: list[list[str]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(mine := [])
        while request := await read_message(reader):
            mine.append(request.target)
            if request.target == "/first":
                await together.wait()
            elif len(mine) > 1:
                return
            writer.write(OK)

    async with serving(serve) as url, Client() as client:
        await asyncio.gather(*[client.send(Call("GET", f"{url}/first")) for _ in range(3)])
        reply = await client.send(Call("GET", f"{url}/second", retries=1))
    assert reply.is_repeated
    assert sorted(asked) == [["/first"], ["/first"], ["/first", "/second"], ["/second"]]


UNASKED = {
    "an answer": OK,
    "a timeout": b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Le",
    "a line end": b"\r\n",
    "no answer": b"no HTTP",
}


@pytest.mark.parametrize("unasked", UNASKED.values(), ids=UNASKED.keys())
async def test_unsolicited_bytes_are_no_answer(unasked: bytes) -> None:
    """They may be the answer to another request; and a call that was not sent yet is sent, even a write."""
    received: list[str] = []
    idle = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_message(reader):
            received.append(request.target)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + request.target.encode())
            if request.target == "/1":
                await idle.wait()
                writer.write(unasked)

    async with serving(serve) as url, Client() as client:
        await client.send(Call("PUT", f"{url}/1"))
        idle.set()
        await asyncio.sleep(0.05)  # the unsolicited bytes arrive
        reply = await client.send(Call("PUT", f"{url}/2"))
    assert (reply.body, reply.is_repeated) == (b"/2", False)
    assert received == ["/1", "/2"]


async def test_an_answer_before_the_whole_request_was_sent() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        targets.append((await reader.readuntil(b"\r\n")).split()[1])
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(3600)

    targets: list[bytes] = []
    async with serving(serve) as url, Client() as client:
        long = Call("PUT", f"{url}/1", body={"a": "x" * 32 * MIB}, body_type="json")
        assert (await client.send(long)).body == b"{}"
        assert (await client.send(Call("GET", f"{url}/2"))).body == b"{}"
    assert targets == [b"/1", b"/2"]


async def test_a_cancelled_call_closes_its_connection() -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        writer.write(head("Content-Length: 100") + b"{")
        begun.set()
        await reader.read()
        closed.set()

    async with serving(serve) as url, Client() as client:
        task = asyncio.create_task(client.send(Call("GET", url)))
        await begun.wait()
        await asyncio.sleep(0.05)  # the client reads the body
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            await closed.wait()


async def test_the_answer_to_a_cancelled_call_is_dropped() -> None:
    begun, on = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_message(reader):
            begun.set()
            await on.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + request.target.encode())

    async with serving(serve) as url, Client() as client:
        task = asyncio.create_task(client.send(Call("GET", f"{url}/1")))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        on.set()
        assert (await client.send(Call("GET", f"{url}/2"))).body == b"/2"


async def test_a_hundred_connections_in_use_at_most() -> None:
    here, most = 0, 0
    full = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal here, most
        while await read_message(reader):
            here += 1
            most = max(most, here)
            if here == 100:
                full.set()
            await full.wait()
            await asyncio.sleep(0.01)  # more than a hundred would come now
            here -= 1
            writer.write(OK)

    async with serving(serve) as url, Client() as client:
        methods = ["GET", "POST", "GET"] * 50
        replies = await asyncio.gather(*[client.send(Call(method, url)) for method in methods])
    assert [reply.status for reply in replies] == [200] * 150
    assert most == 100


# Heads


EVIL = [
    "a\r\nX-Evil: 1",
    "a\nX-Evil: 1",
    "a\rX-Evil: 1",
    "a\r\n\r\nGET /evil HTTP/1.1",
    "a\0",
    "\u20ac",
    "\udcff",
]


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
@pytest.mark.parametrize("where", ["value", "name", "method", "host", "content type"])
async def test_a_head_cannot_be_split(evil: str, where: str) -> None:
    async with scripted_upstream() as upstream:
        call = {
            "value": Call("GET", upstream.url, {"Authorization": f"Bearer {evil}"}),
            "name": Call("GET", upstream.url, {evil: "x"}),
            "method": Call(evil, upstream.url),
            "host": Call("GET", upstream.url, {"Host": evil}),
            "content type": Call("POST", upstream.url, {"Content-Type": evil}, body_type="json"),
        }[where]
        async with Client() as client:
            with pytest.raises(LegacyError) as raised:
                await client.send(call)
    assert raised.value.fault == BAD_UPSTREAM
    assert upstream.received == []


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://api.example.com", "api.example.com"),
        ("http://api.example.com:80", "api.example.com"),
        ("https://api.example.com:443", "api.example.com"),
        ("https://api.example.com:80", "api.example.com:80"),
        ("HTTPS://API.example.com:8443", "api.example.com:8443"),
        ("http://[::1]", "[::1]"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://b\xfccher.example", "xn--bcher-kva.example"),
        ("http://user:s3cret@api.example.com", "api.example.com"),
    ],
)
async def test_the_host_that_is_named(origin: str, host: str) -> None:
    assert Origin(origin).host_header == host


async def test_a_user_in_a_url_goes_nowhere() -> None:
    async with scripted_upstream(json_answer(200, b"{}")) as upstream:
        await send(f"http://user:s3cret@127.0.0.1:{upstream.port}/x#s3cret")
    assert "s3cret" not in str(upstream.received)
    assert upstream.received[0].header("Authorization") is None


@pytest.mark.parametrize(
    "url", ["", "x", "/x", "//x/y", "file:///etc/passwd", "ftp://x/", "http://", "http:///x"]
)
async def test_a_url_that_leads_nowhere(url: str) -> None:
    assert await failure(url) == BAD_UPSTREAM


# No upstream there


async def test_a_refused_connection() -> None:
    with socket.socket() as bound:  # and not listening: no other process can listen there
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
    "more than its length": head("Content-Length: 2") + b"{}{}",
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


# Too slow. The clock leaps: see support/leap.py.


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


async def hint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    await asyncio.sleep(3600)


async def hints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(3600):
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(4)


@pytest.mark.parametrize(
    ("serve", "seconds"), [(silence, 10), (stall, 10), (drip, 25), (hint, 10), (hints, 25)]
)
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


def test_repeating_does_not_make_it_longer() -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(9)  # and then hangs up

    async def ask() -> tuple[Fault, float]:
        async with serving(late) as url, Client() as client:
            begun = asyncio.get_running_loop().time()
            with pytest.raises(LegacyError) as raised:
                await client.send(Call("GET", url, retries=3))
            return raised.value.fault, asyncio.get_running_loop().time() - begun

    fault, waited = leap.run(ask())
    assert fault == TOO_SLOW
    assert waited == pytest.approx(25, abs=2)


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


async def test_a_compressed_answer_is_not_inflated_beyond_the_limit() -> None:
    bomb = gzip.compress(bytes(64 * MIB), 9)
    async with scripted_upstream(json_answer(200, bomb, [("Content-Encoding", "gzip")])) as upstream:
        assert await failure(upstream.url) == BAD_UPSTREAM


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
    """Some clients do so by themselves, where a connection was used before."""
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


async def test_a_certificate_of_an_unknown_authority() -> None:
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


ASK = """
import asyncio, sys
from proxy.errors import LegacyError
from proxy.profile.calls import Call
from proxy.upstream.client import Client

async def ask():
    async with Client() as client:
        try:
            return (await client.send(Call("GET", sys.argv[1]))).status
        except LegacyError as error:
            return error.fault.status

print(asyncio.run(ask()))
"""


@pytest.mark.parametrize(
    ("name", "days", "status"), [("127.0.0.1", 1, 200), ("127.0.0.2", 1, 502), ("127.0.0.1", -1, 502)]
)
async def test_a_certificate_counts_for_its_name_and_its_time(
    name: str, days: int, status: int, tmp_path: Path
) -> None:
    """In a process of its own, which trusts the authority as one does that the system knows."""
    authority, reached = trustme.CA(), []
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    until = datetime.now(UTC) + timedelta(days=days)
    authority.issue_cert(name, not_before=until - timedelta(days=9), not_after=until).configure_cert(tls)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await read_message(reader))
        writer.write(OK)

    async with serving(serve, tls) as url:
        assert await asked_with(url, tmp_path / "ca.pem") == status
    assert len(reached) == (status == 200)


async def asked_with(url: str, ca: Path) -> int:
    """Ask in a process of its own that trusts an authority; return the status."""
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ASK, url),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "SSL_CERT_FILE": str(ca)},
    )
    said, _ = await asking.communicate()
    return int(said)


def without_key_identifiers(folder: Path) -> ssl.SSLContext:
    """Write an authority to `ca.pem`, and return a context with a certificate that it has issued."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority", "server")]
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    extensions = (x509.BasicConstraints(ca=True, path_length=None), address)
    now = datetime.now(UTC)
    for file, name, key, extension in zip(("ca.pem", "server.pem"), names, keys, extensions, strict=True):
        builder = x509.CertificateBuilder(names[0], name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        certificate = builder.add_extension(extension, critical=False).sign(keys[0], hashes.SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / file).write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


async def test_found_e10_each_python_trusts_the_same_authorities(tmp_path: Path) -> None:
    """Python 3.13 requires key identifiers, unless told otherwise."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_message(reader)
        writer.write(OK)

    async with serving(serve, without_key_identifiers(tmp_path)) as url:
        assert await asked_with(url, tmp_path / "ca.pem") == 200


async def test_tls_where_there_is_none() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(head("Content-Length: 0", status="400 Bad Request"))

    async with serving(serve) as url:
        fault = await failure(url.replace("http:", "https:"))
    assert (fault.status, fault.code) == (502, 20502)
