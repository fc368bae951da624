"""legacy.forward: other resources of the 2008 API are handed on to a real server of it, byte for byte."""

import asyncio
import gc
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import trustme
from support import leap
from support.logs import logged
from support.old_api import HERE, OldApi, digest_of, recording, running_old_api
from support.proxied import told
from support.raw import EMPTY_LIST, assert_rest_exception, chunked
from support.running import running_listeners, running_proxy
from support.seed import ACCOUNT, LIST, basic
from support.streams import stream_server
from support.wire import (
    Answer,
    Drip,
    End,
    Message,
    RawClient,
    ScriptedUpstream,
    Stall,
    ask,
    connect,
    scripted_upstream,
)

from proxy.server.connection import Connection
from proxy.server.exchanges import ForwardedExchange
from proxy.server.http_server import RequestHandler

LOGIN = f"Authorization: {basic()}"
CALLS = f"{HERE}/Calls"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def request(method: str, target: str, *headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "Host: old.example", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def forward(to: str, **keys: object) -> str:
    """Return the part of a proxy.yaml that forwards to a URL, credentials included unless `keys` say else."""
    written = ", ".join(f"{key}: {value}" for key, value in {"credentials": "true", **keys}.items())
    return f"legacy: {{forward: {{to: '{to}', {written}}}}}\n"


@dataclass(frozen=True)
class Between:
    """A proxy, and the server of the old API behind it."""

    port: int
    api: OldApi


@asynccontextmanager
async def before_old_api(**keys: object) -> AsyncIterator[Between]:
    async with (
        running_old_api() as (api, url),
        running_proxy("http://127.0.0.1:1", forward(url, **keys)) as port,
    ):
        yield Between(port, api)


@dataclass(frozen=True)
class Scripted:
    """A proxy, and a scripted server behind it."""

    port: int
    target: ScriptedUpstream


@asynccontextmanager
async def before_script(*answers: Answer, prefix: str = "", **keys: object) -> AsyncIterator[Scripted]:
    async with (
        scripted_upstream(*answers) as target,
        running_proxy("http://127.0.0.1:1", forward(target.url + prefix, **keys)) as port,
    ):
        yield Scripted(port, target)


async def read_body(client: RawClient, answer: Message) -> bytes:
    """Read a chunked body."""
    assert answer.header("Transfer-Encoding") == "chunked"
    body = b""
    while size := int(await client.reader.readline(), 16):
        body += await client.reader.readexactly(size)
        assert await client.reader.readexactly(2) == b"\r\n"
    assert await client.reader.readexactly(2) == b"\r\n"
    return body


def element(answer: Message, name: str) -> str | None:
    return ET.fromstring(answer.body).findtext(f".//{name}")


# What goes on


async def test_a_program_goes_through_while_its_caller_ids_are_translated() -> None:
    form = b"Caller=4158675309&Called=4155551212"
    headers = (LOGIN, "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}")
    async with (
        running_old_api() as (api, url),
        scripted_upstream(EMPTY_LIST) as upstream,
        running_proxy(upstream.url, forward(url)) as port,
        connect(port) as client,
    ):
        call = await client.ask(request("POST", CALLS, *headers, body=form))
        assert (call.status, element(call, "To"), element(call, "From")) == (200, "4155551212", "4158675309")
        listed = await client.ask(request("GET", LIST, LOGIN))
        assert b'total="0"' in listed.body
        assert [each.target for each in api.received] == [CALLS]
        assert upstream.hits("GET") == 1


@pytest.mark.parametrize(
    "target",
    [
        CALLS,
        f"{CALLS}?",
        f"/{CALLS}?Status=2&StartTime%3E=2008-01-01&x=%zz&&=;a+b",
        f"{HERE}/SMS/Messages.json?page=%31",
        f"{HERE}/a%2Fb//c;d=%C3%A9",
        HERE,
        "/2008-08-01",
        "/2008-08-01/Accounts.xml",
        f"{CALLS}?next=/2008-08-01/OutgoingCallerIds/../..",
    ],
)
@pytest.mark.parametrize("prefix", ["", "/old/api"])
async def test_targets_keep_their_bytes(target: str, prefix: str) -> None:
    async with before_script(OK, OK, prefix=prefix) as between:
        assert (await ask(between.port, request("GET", target))).body == b"ok"
        absolute = target if target.startswith("//") else f"http://api.twilio.com{target}"
        assert (await ask(between.port, request("DELETE", absolute))).body == b"ok"
        first, second = between.target.received
        assert first.start == f"GET {prefix}{target} HTTP/1.1"
        assert second.start == f"DELETE {prefix}{target} HTTP/1.1"


async def test_bytes_beyond_ascii_in_a_target_are_percent_encoded() -> None:
    async with before_script(OK) as between:
        await ask(between.port, request("GET", f"{CALLS}?Name=\xc3\xa9\xff"))
        assert between.target.received[0].target == f"{CALLS}?Name=%C3%A9%FF"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/favicon.ico",
        "/2010-04-01/Accounts",
        "/2008-08-012/Accounts",
        f"{LIST}/nonsense",
        f"{LIST}/Calls",
        LIST.replace("Outgoing", "outgoing"),
        LIST.replace("Ids", "Id%73"),
        f"{HERE}/Calls/../OutgoingCallerIds",
        f"{HERE}/Calls/%2e%2e/%2E%2E",
        f"{HERE}/Calls/..;/x",
        f"{HERE}/Calls%5C..%5Cx",
        f"{HERE}/Calls#fragment",
    ],
)
async def test_what_is_no_other_resource_stays_here(target: str) -> None:
    async with before_script() as between:
        answer = await ask(between.port, request("GET", target, LOGIN))
        assert told(answer)[:2] == (404, "The requested resource was not found")
        assert not between.target.begun


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
async def test_every_method_goes_on(method: str) -> None:
    async with before_script(OK) as between:
        assert (await ask(between.port, request(method, CALLS))).body == b"ok"
        assert between.target.hits(method, CALLS) == 1


async def test_trace_does_not() -> None:
    async with before_script() as between:
        answer = await ask(between.port, request("TRACE", CALLS))
        assert_rest_exception(answer, 20004)
        assert (answer.status, between.target.begun) == (405, 0)


async def test_headers_go_on_but_for_those_of_one_hop() -> None:
    own = (
        "User-Agent: twilio/2.0 (old)",
        "User-Agent: again",
        "X-Twice: 1",
        "x-twice: 2",
        "Accept-Encoding: gzip",
        "X-Forwarded-For: 192.0.2.7",
        "Via: 1.0 fred",
        "X-Name: Zo\xc3\xab",
        "X-Empty:",
    )
    hop = (
        "Connection: close, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: 5",
        "Proxy-Connection: x",
        "TE: trailers",
        "Trailer: X",
    )
    async with before_script(OK) as between:
        await ask(between.port, request("GET", CALLS, *own, *hop))
        (received,) = between.target.received
    assert received.headers == (
        ("Host", f"127.0.0.1:{between.target.port}"),
        ("User-Agent", "twilio/2.0 (old)"),
        ("User-Agent", "again"),
        ("X-Twice", "1"),
        ("X-Twice", "2"),  # in one spelling
        ("Accept-Encoding", "gzip"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("Via", "1.0 fred"),
        ("X-Name", "Zo\xc3\xab"),
        ("X-Empty", ""),
        ("Via", "1.1 callerid-proxy"),
    )


async def test_nothing_is_added_that_a_client_did_not_send() -> None:
    async with before_script(OK, OK) as between:
        await ask(between.port, request("GET", CALLS))
        await ask(between.port, request("POST", CALLS, "Content-Length: 1", body=b"x"))
        first, second = between.target.received
        assert {name for name, _ in first.headers} == {"Host", "Via"}
        assert {name for name, _ in second.headers} == {"Host", "Via", "Content-Length"}


async def test_a_header_that_cannot_be_written_is_refused() -> None:
    async with before_script() as between:
        answer = await ask(between.port, request("GET", CALLS, "X-Name: Zo\xeb"))
        assert_rest_exception(answer)
        assert (answer.status, between.target.begun) == (400, 0)


CREDENTIALS = (LOGIN, "Cookie: a=b", "Proxy-Authorization: Basic eDp5")


@pytest.mark.parametrize("goes_on", [False, True])
async def test_credentials_go_on_only_if_the_configuration_says_so(goes_on: bool) -> None:
    async with before_script(OK, credentials=str(goes_on).lower()) as between:
        await ask(between.port, request("GET", CALLS, *CREDENTIALS))
        names = {name for name, _ in between.target.received[0].headers}
        assert names & {"Authorization", "Cookie", "Proxy-Authorization"} == (
            {"Authorization", "Cookie", "Proxy-Authorization"} if goes_on else set()
        )


async def test_credentials_stay_here_by_default() -> None:
    async with (
        scripted_upstream(OK) as target,
        running_proxy("http://127.0.0.1:1", f"legacy: {{forward: '{target.url}'}}\n") as port,
    ):
        await ask(port, request("GET", CALLS, *CREDENTIALS))
        assert {name for name, _ in target.received[0].headers} == {"Host", "Via"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_handed_back(status: int) -> None:
    async with scripted_upstream() as elsewhere:
        head = f"HTTP/1.1 {status} X\r\nLocation: {elsewhere.url}/x\r\nContent-Length: 0\r\n\r\n".encode()
        async with before_script(head) as between:
            answer = await ask(between.port, request("GET", CALLS, LOGIN))
            assert (answer.status, answer.header("Location")) == (status, f"{elsewhere.url}/x")
        assert not elsewhere.accepted


async def test_everything_is_forwarded_where_it_is_wanted() -> None:
    async with before_script(OK, OK, everything="true") as between:
        for target in (LIST, f"{LIST}/x"):
            assert (await ask(between.port, request("GET", target))).body == b"ok"
        assert [each.target for each in between.target.received] == [LIST, f"{LIST}/x"]


# Without it


@pytest.mark.parametrize("target", [CALLS, HERE, "/2008-08-01", f"{HERE}/SMS/Messages.json"])
async def test_without_it_the_404_names_the_key(target: str) -> None:
    async with running_proxy("http://127.0.0.1:1") as port:
        answer = await ask(port, request("GET", target, LOGIN))
    assert answer.status == 404
    for words in (b"The requested resource was not found", b"OutgoingCallerIds", b"legacy.forward"):
        assert words in answer.body


# Answers


async def test_answers_come_back_as_they_are() -> None:
    packed = bytes(range(256)) * 9
    head = (
        b"HTTP/1.1 299 Rather Odd\r\nServer: Apache/1.3\r\nX-Twice: 1\r\nx-twice: 2\r\n"
        b"Content-Encoding: gzip\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-Name: Zo\xeb\r\n"
        b"Keep-Alive: 5\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: %d\r\n\r\n"
    )
    async with before_script(head % len(packed) + packed) as between:
        answer = await ask(between.port, request("GET", CALLS))
    assert answer == Message(
        "HTTP/1.1 299 Rather Odd",
        (
            ("Server", "Apache/1.3"),
            ("X-Twice", "1"),
            ("x-twice", "2"),
            ("Content-Encoding", "gzip"),
            ("Set-Cookie", "a=b"),
            ("Set-Cookie", "c=d"),
            ("X-Name", "Zo\xeb"),
            ("Content-Length", str(len(packed))),
        ),
        packed,
    )


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 123456\r\nETag: x\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: x\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\nETag: x\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nETag: x\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: x\r\n\r\n"),
    ],
)
async def test_answers_without_a_body(method: str, head: bytes) -> None:
    async with before_script(head, OK) as between, connect(between.port) as client:
        await client.send(request(method, CALLS))
        answer = await client.receive(body=False)
        assert answer
        assert (answer.status, answer.header("ETag")) == (int(head.split()[1]), "x")
        assert (
            await client.ask(request("GET", CALLS))
        ).body == b"ok"  # where the next answer begins is clear


async def test_interim_answers_of_the_target_stay_with_the_proxy() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with before_script(early + OK) as between:
        assert (await ask(between.port, request("GET", CALLS))).body == b"ok"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_answer_without_a_length(version: str) -> None:
    old = b"HTTP/1.0 200 OK\r\nETag: x\r\n\r\n" + b"y" * 99999
    async with before_script((old, End.FIN)) as between, connect(between.port) as client:
        await client.send(request("GET", CALLS, version=version))
        answer = await client.receive(body=False)
        assert answer
        if version == "1.0":
            assert answer.header("Transfer-Encoding") is None
            assert await client.reader.read(-1) == b"y" * 99999
        else:
            assert await read_body(client, answer) == b"y" * 99999


async def test_connections_are_kept_on_both_sides() -> None:
    async with before_old_api() as between, connect(between.port) as client:
        for _ in range(5):
            answer = await client.ask(request("GET", CALLS, LOGIN))
            assert (answer.status, answer.header("Connection")) == (200, None)
            put = request("PUT", f"{HERE}/Recordings/x", LOGIN, "Content-Length: 3", body=b"abc")
            assert element(await client.ask(put), "Size") == "3"
        assert len(between.api.received) == 10
        assert len(between.api.connections) == 1


@pytest.mark.parametrize(
    ("version", "header", "is_kept"),
    [("1.0", "X: x", False), ("1.0", "Connection: keep-alive", True), ("1.1", "Connection: close", False)],
)
async def test_how_clients_keep_connections(version: str, header: str, is_kept: bool) -> None:
    async with before_script(OK, OK) as between, connect(between.port) as client:
        answer = await client.ask(request("GET", CALLS, header, version=version))
        assert answer.body == b"ok"
        if is_kept:
            assert answer.header("Connection") == "keep-alive"
            assert (await client.ask(request("GET", CALLS))).body == b"ok"
        else:
            assert await client.is_closed()


async def test_pipelined_requests_are_answered_in_turn() -> None:
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(8)]
    upload = request("POST", CALLS, "Content-Length: 6", body=b"a\r\n\r\nb")
    async with before_script(*answers) as between, connect(between.port) as client:
        await client.send((request("GET", CALLS) + upload) * 4)
        for number in range(8):
            answer = await client.receive()
            assert answer
            assert answer.body == b"%d" % number


# Bodies of requests


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 65536, 300_000, 5_000_000])
async def test_bodies_pass_both_ways(size: int, is_chunked: bool) -> None:
    body = recording(0, size)
    pieces = [body[at : at + 8000] for at in range(0, size, 8000)]
    kind = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
    sent = chunked(*pieces) if is_chunked else body
    async with before_old_api() as between, connect(between.port) as client:
        stored = await client.ask(request("PUT", f"{HERE}/Recordings/x", LOGIN, kind, body=sent))
        assert (element(stored, "Size"), element(stored, "Digest")) == (str(size), digest_of(size))
        (received,) = between.api.received
        assert received.values("Transfer-Encoding") == (["chunked"] if is_chunked else [])
        assert received.values("Content-Length") == ([] if is_chunked else [str(size)])
        query = f"?bytes={size}&chunked" if is_chunked else f"?bytes={size}"
        await client.send(request("GET", f"{HERE}/Recordings/x{query}", LOGIN))
        answer = await client.receive(body=not is_chunked)
        assert answer
        played = await read_body(client, answer) if is_chunked else answer.body
        assert hashlib.sha256(played).hexdigest() == digest_of(size)
        assert answer.header("X-Kept") == "yes"


async def test_many_small_chunks_pass() -> None:
    body = recording(0, 40_000)
    pieces = [body[at : at + 4] for at in range(0, len(body), 4)]  # 10,000, of which 1,024 would be held
    async with before_old_api() as between, connect(between.port) as client:
        await client.send(request("PUT", f"{HERE}/Recordings/x", LOGIN, "Transfer-Encoding: chunked"))
        data = chunked(*pieces)
        for at in range(0, len(data), 5000):
            await client.send(data[at : at + 5000])
        stored = await client.receive()
        assert stored
        assert element(stored, "Digest") == digest_of(len(body))


@pytest.mark.parametrize("data", [b"x", b"\r\n", b"\r\n\r\n", b"x\r\n\r"])
async def test_where_a_stream_ends_is_clear_wherever_it_is_cut(data: bytes) -> None:
    step = 16 * 1024  # of the parser
    following = request("GET", f"{CALLS}?Name=\xff", LOGIN)  # is rewritten, if it surely begins there
    async with before_old_api() as between, connect(between.port) as client:
        for more in range(-9, 10):
            body = (data * step)[: step - len(b"xxxx\r\n") + more]
            await client.send(request("PUT", f"{HERE}/Recordings/x", LOGIN, "Transfer-Encoding: chunked"))
            await asyncio.sleep(0.01)
            await client.send(chunked(body) + following)
            stored = await client.receive()
            assert stored
            assert element(stored, "Digest") == hashlib.sha256(body).hexdigest()
            listed = await client.receive()
            assert listed
            assert listed.status == 200
            assert between.api.received[-1].target == f"{CALLS}?Name=%FF"


async def test_a_client_that_waits_for_100() -> None:
    headers = (LOGIN, "Content-Length: 3", "Expect: 100-continue")
    async with before_old_api() as between, connect(between.port) as client:
        await client.send(request("PUT", f"{HERE}/Recordings/x", *headers))
        interim = await client.receive(body=False)
        assert interim
        assert interim.start == "HTTP/1.1 100 Continue"
        assert element(await client.ask(b"abc"), "Size") == "3"
        assert between.api.received[0].values("Expect") == []


async def test_no_100_without_a_target() -> None:
    async with (
        running_proxy("http://127.0.0.1:1", forward("http://127.0.0.1:1")) as port,
        connect(port) as client,
    ):
        answer = await client.ask(request("PUT", CALLS, "Content-Length: 3", "Expect: 100-continue"))
        assert answer.status == 503


async def test_another_expectation_is_refused() -> None:
    async with before_script() as between:
        answer = await ask(between.port, request("PUT", CALLS, "Content-Length: 3", "Expect: x", body=b"abc"))
        assert (answer.status, between.target.begun) == (417, 0)


@pytest.mark.parametrize("kind", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("how", ["fin", "rst", "half"])
async def test_an_upload_that_is_cut_is_cut_at_the_target(kind: str, how: str) -> None:
    part = b"%x\r\n%b" % (999_999, b"x" * 500_000) if "chunked" in kind else b"x" * 500_000
    async with before_old_api() as between:
        async with connect(between.port) as client:
            await client.send(request("PUT", f"{HERE}/Recordings/x", LOGIN, kind, body=part))
            async with asyncio.timeout(20):
                while between.api.uploaded < 400_000:
                    await asyncio.sleep(0.01)
            if how == "rst":
                client.writer.transport.abort()
            elif how == "half":
                client.writer.write_eof()
                answer = await client.receive()
                assert answer
                assert_rest_exception(answer)
                assert answer.status == 400
        async with asyncio.timeout(20):
            while not between.api.cut:
                await asyncio.sleep(0.01)
        assert between.api.cut == 1


async def test_a_write_that_has_arrived_goes_on_when_its_client_has_gone() -> None:
    async with scripted_upstream(OK) as target:
        target.released.clear()
        async with running_proxy("http://127.0.0.1:1", forward(target.url)) as port:
            async with connect(port) as client:
                await client.send(request("POST", CALLS, "Content-Length: 3", body=b"abc"))
            await target.is_asked(1)
            assert target.received[0].body == b"abc"
            target.released.set()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n\r\nbegun"])
async def test_a_read_ends_when_its_client_has_gone(method: str, start: bytes) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if method == "GET":
            writer.write(start)
        asked.set()
        assert await reader.read(-1) == b""
        left.set()

    async with (
        stream_server(serve) as target,
        running_proxy("http://127.0.0.1:1", forward(f"http://127.0.0.1:{target}")) as port,
    ):
        async with connect(port) as client:
            await client.send(request(method, CALLS))
            await asked.wait()
        async with asyncio.timeout(20):
            await left.wait()


async def test_a_client_that_closes_its_own_side_is_answered() -> None:
    async with before_old_api() as between, connect(between.port) as client:
        size = 2_000_000
        headers = (LOGIN, f"Content-Length: {size}")
        await client.send(request("PUT", f"{HERE}/Recordings/x", *headers, body=recording(0, size)))
        client.writer.write_eof()
        answer = await client.receive()
        assert answer
        assert element(answer, "Digest") == digest_of(size)


async def half_an_upload(client: RawClient) -> None:
    await client.send(request("PUT", f"{HERE}/Recordings/x", LOGIN, "Content-Length: 1000000", body=b"x" * 9))


async def cut_upload(client: RawClient) -> None:
    await client.send(request("PUT", f"{HERE}/Recordings/x", LOGIN, "Content-Length: 1000000", body=b"x" * 9))
    client.writer.write_eof()
    assert await client.receive()


async def large_upload(client: RawClient) -> None:
    size = "Content-Length: 999999999"
    assert (
        await client.ask(request("PUT", f"{HERE}/Recordings/x", LOGIN, size, body=b"x" * 9))
    ).status == 413


async def half_an_answer(client: RawClient) -> None:
    await client.send(request("GET", f"{HERE}/Recordings/x?bytes={SIZE}", LOGIN))
    assert await client.receive(body=False)


async def cut_answer(client: RawClient) -> None:
    await client.send(request("GET", f"{HERE}/Recordings/x?bytes=100000&cut=65536", LOGIN))
    assert await client.receive(body=False)
    with pytest.raises(ConnectionResetError):
        await client.reader.read(-1)


async def refusal(client: RawClient) -> None:
    assert (await client.ask(request("TRACE", CALLS))).status == 405


@pytest.mark.parametrize(
    "scene", [half_an_upload, cut_upload, large_upload, half_an_answer, cut_answer, refusal]
)
async def test_no_cycle_keeps_a_connection(scene: Callable[[RawClient], Awaitable[None]]) -> None:
    async with before_old_api() as between:
        gc.collect()
        gc.disable()
        try:
            async with connect(between.port) as client:
                await scene(client)
                client.writer.transport.abort()
            for _ in range(20):
                await asyncio.sleep(0.1)
                if not kept():
                    break
            assert not kept()
        finally:
            gc.enable()


def kept() -> list[object]:
    kinds = (Connection, RequestHandler, ForwardedExchange)
    return [each for each in gc.get_objects() if isinstance(each, kinds)]


# The slower side sets the pace


async def push(client: RawClient, size: int) -> int:
    """Send for as long as the server reads; return how much."""
    pushed, step = 0, 64 * 1024
    client.writer.transport.set_write_buffer_limits(0)
    while pushed < size:
        client.writer.write(b"x" * step)
        try:
            async with asyncio.timeout(1):
                await client.writer.drain()
        except TimeoutError:
            break
        pushed += step
    return pushed


SIZE = 100_000_000
KERNEL = 30_000_000  # at most, of the buffers of four sockets


async def test_a_slow_target_slows_the_upload() -> None:
    async with before_old_api() as between, connect(between.port) as client:
        between.api.reads.clear()
        await client.send(request("PUT", f"{HERE}/Recordings/x", LOGIN, f"Content-Length: {SIZE}"))
        pushed = await push(client, SIZE)
        assert pushed < KERNEL
        between.api.reads.set()
        async with asyncio.timeout(20):
            while between.api.uploaded < pushed:
                await asyncio.sleep(0.01)


async def test_a_slow_reader_slows_the_target() -> None:
    async with before_old_api() as between, connect(between.port) as client:
        await client.send(request("GET", f"{HERE}/Recordings/x?bytes={SIZE}", LOGIN))
        before = -1
        async with asyncio.timeout(20):
            while between.api.sent != before:
                before = between.api.sent
                await asyncio.sleep(0.5)
        assert before < KERNEL
        answer = await client.receive(body=False)
        assert answer
        left = SIZE
        while left:
            left -= len(await client.reader.read(1 << 20))


# Failures


@pytest.mark.parametrize(
    ("target", "status", "reason"),
    [("http://127.0.0.1:1", 503, "connect"), ("http://nothing.invalid", 503, "dns")],
)
async def test_a_target_that_is_not_there(target: str, status: int, reason: str) -> None:
    metrics = "listen: {metrics: '127.0.0.1:0'}\n"
    async with running_listeners("http://127.0.0.1:1", metrics + forward(target)) as bound:
        with logged() as records:
            answer = await ask(bound["address"].port, request("GET", f"{CALLS}.json"))
            assert (answer.status, answer.header("Content-Type")) == (status, "application/json")
        (record,) = records
        assert f"forward for {ACCOUNT} failed: {reason}: " in record.getMessage()
        assert "legacy.forward" in record.getMessage()
        counted = await ask(bound["metrics"].port, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        failures = f'callerid_proxy_upstream_failures_total{{operation="forward",reason="{reason}"}} 1.0'
        assert failures.encode() in counted.body
        assert b'callerid_proxy_forwarded_requests_total{status="failed"} 1.0' in counted.body


async def test_answers_are_counted() -> None:
    metrics = "listen: {metrics: '127.0.0.1:0'}\n"
    missing = b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"
    async with (
        scripted_upstream(OK, missing, OK) as target,
        running_listeners("http://127.0.0.1:1", metrics + forward(target.url)) as bound,
    ):
        for _ in range(3):
            await ask(bound["address"].port, request("GET", CALLS))
        counted = await ask(bound["metrics"].port, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b'callerid_proxy_forwarded_requests_total{status="2xx"} 2.0' in counted.body
        assert b'callerid_proxy_forwarded_requests_total{status="4xx"} 1.0' in counted.body


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ((End.FIN,), 502),
        ((End.RST,), 502),
        ((End.RST_EARLY,), 502),
        (b"HTTP/1.1 200 OK\r\nContent-Le", 502),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", 502),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n", 502),
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_no_answer(script: Answer, status: int, method: str) -> None:
    steps = (script, End.FIN) if isinstance(script, bytes) else script
    async with before_script(steps) as between, connect(between.port) as client:
        answer = await client.ask(request(method, CALLS))
        assert_rest_exception(answer, 20502)
        assert answer.status == status
        assert between.target.begun == 1  # nothing is sent twice
        between.target.then(OK)
        assert (await client.ask(request(method, CALLS))).body == b"ok"  # over the same connection


@pytest.mark.parametrize(
    ("method", "times"), [("GET", 3), ("HEAD", 3), ("DELETE", 2), ("PUT", 2), ("POST", 2)]
)
async def test_a_read_is_sent_again_where_a_kept_connection_had_gone(method: str, times: int) -> None:
    last = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" if method == "HEAD" else OK
    async with before_script(OK, (End.FIN,), last) as between:
        await ask(between.port, request("GET", CALLS))
        answer = await ask(between.port, request(method, CALLS))
        assert answer.status == (200 if times == 3 else 502)
        assert between.target.begun == times


@pytest.mark.parametrize(
    "script",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", End.FIN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", End.RST),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", End.FIN),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            Stall(0.2),
            b"x\r\n",
            End.FIN,
        ),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_answer_that_is_cut_is_cut_for_the_client(script: Answer, version: str) -> None:
    async with before_script(script, read_timeout=1) as between, connect(between.port) as client:
        with logged() as records:
            await client.send(request("GET", CALLS, version=version))
            answer = await client.receive(body=False)
            assert answer
            assert answer.status == 200
            with pytest.raises(ConnectionResetError):
                await client.reader.read(-1)
        (record,) = records
        assert re.search(r" failed: (reset|timeout): ", record.getMessage())


@pytest.mark.parametrize(
    ("script", "key", "seconds"),
    [((Stall(),), "read_timeout: 7", 7), ((Drip(OK, 5),), "timeout: 20", 20)],
)
def test_a_slow_target_is_a_504(script: Answer, key: str, seconds: float) -> None:
    async def work() -> None:
        name, _, value = key.partition(": ")
        async with before_script(script, **{name: value}) as between, connect(between.port) as client:
            now = asyncio.get_running_loop().time
            begun = now()
            await client.send(request("POST", CALLS))
            answer = await client.receive(within=999)
            assert answer
            assert_rest_exception(answer, 20504)
            assert now() - begun == pytest.approx(seconds, abs=1.5)

    leap.run(work())


def test_a_target_that_does_not_shake_hands_is_a_504() -> None:
    async def work() -> None:
        async def stall(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
            await asyncio.sleep(3600)

        async with (
            stream_server(stall) as silent,
            running_proxy("http://127.0.0.1:1", forward(f"https://127.0.0.1:{silent}")) as port,
            connect(port) as client,
        ):
            with logged() as records:
                await client.send(request("POST", CALLS))
                answer = await client.receive(within=999)
            assert answer
            assert_rest_exception(answer, 20504)
            assert "legacy.forward.connect_timeout" in records[0].getMessage()

    leap.run(work())


def test_a_client_that_takes_nothing_is_disconnected() -> None:
    async def work() -> None:
        async with before_old_api() as between, connect(between.port) as client:
            await client.send(request("GET", f"{HERE}/Recordings/x?bytes={SIZE}", LOGIN))
            await asyncio.sleep(90)
            with pytest.raises(ConnectionResetError):
                await client.reader.read(-1)

    leap.run(work())


def test_a_target_that_stops_reading_is_a_504() -> None:
    async def work() -> None:
        async with before_old_api(read_timeout=9) as between, connect(between.port) as client:
            between.api.reads.clear()
            await client.send(request("PUT", f"{HERE}/Recordings/x", LOGIN, f"Content-Length: {SIZE}"))
            sending = asyncio.create_task(push_all(client))
            answer = await client.receive(within=999)
            sending.cancel()
            assert answer
            assert_rest_exception(answer, 20504)

    async def push_all(client: RawClient) -> None:
        while True:
            await client.send(b"x" * 65536)

    leap.run(work())


def test_an_answer_that_stalls_is_cut() -> None:
    async def work() -> None:
        script = (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", Stall())
        async with before_script(script, read_timeout=5) as between, connect(between.port) as client:
            await client.send(request("GET", CALLS))
            assert await client.receive(body=False)
            with pytest.raises(ConnectionResetError):
                async with asyncio.timeout(99):
                    await client.reader.read(-1)

    leap.run(work())


def test_a_body_that_stops_is_a_408() -> None:
    async def work() -> None:
        async with before_old_api() as between, connect(between.port) as client:
            await client.send(
                request("PUT", f"{HERE}/Recordings/x", LOGIN, "Content-Length: 9", body=b"half")
            )
            answer = await client.receive(within=999)
            assert answer
            assert answer.status == 408
            assert_rest_exception(answer)

    leap.run(work())


async def test_an_early_answer_is_handed_on_before_the_body_has_come() -> None:
    refusal = b"HTTP/1.1 413 X\r\nContent-Length: 3\r\n\r\nbig"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        await reader.read(-1)

    async with (
        stream_server(serve) as port_of_target,
        running_proxy("http://127.0.0.1:1", forward(f"http://127.0.0.1:{port_of_target}")) as port,
        connect(port) as client,
    ):
        await client.send(request("PUT", CALLS, "Content-Length: 1000000", body=b"x" * 1000))
        answer = await client.receive()
        assert answer
        assert (answer.status, answer.body, answer.header("Connection")) == (413, b"big", "close")
        assert await client.is_closed(within=10)


# Limits


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_beyond_the_limit(is_chunked: bool) -> None:
    body = b"x" * 1001
    kind = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    async with before_old_api(body_bytes=1000) as between:
        sent = chunked(body) if is_chunked else body
        answer = await ask(between.port, request("PUT", f"{HERE}/Recordings/x", LOGIN, kind, body=sent))
        assert answer.status == 413
        assert_rest_exception(answer)
        assert between.api.uploaded == 0


async def test_connections_to_the_target_are_limited() -> None:
    async with scripted_upstream(OK, OK) as target:
        target.released.clear()
        async with (
            running_proxy("http://127.0.0.1:1", forward(target.url, connections=1)) as port,
            connect(port) as first,
            connect(port, "127.0.0.2") as second,
        ):
            await first.send(request("GET", CALLS))
            await target.is_asked(1)
            with logged() as records:
                answer = await second.ask(request("GET", CALLS))
            assert told(answer)[0] == 503
            assert answer.header("Retry-After") == "1"
            assert "legacy.forward.connections: 1" in records[0].getMessage()
            target.released.set()
            answered = await first.receive()
            assert answered
            assert answered.body == b"ok"
            assert (await ask(port, request("GET", CALLS))).body == b"ok"


async def test_one_peer_leaves_connections_to_others() -> None:
    async with scripted_upstream(*[OK] * 4) as target:
        target.released.clear()
        async with (
            running_proxy("http://127.0.0.1:1", forward(target.url, connections=4)) as port,
            connect(port) as a,
            connect(port) as b,
            connect(port) as c,
            connect(port, "127.0.0.2") as other,
        ):
            for client in (a, b, c):
                await client.send(request("GET", CALLS))
            await target.is_asked(3)
            assert (await ask(port, request("GET", CALLS))).status == 503
            await other.send(request("GET", CALLS))
            await target.is_asked(4)
            target.released.set()
            for client in (a, b, c, other):
                answer = await client.receive()
                assert answer
                assert answer.body == b"ok"


async def test_answers_count_against_the_budget() -> None:
    limits = "limits: {answer_bytes: 1048576}\n"  # four answers
    async with scripted_upstream(*[OK] * 5) as target:
        target.released.clear()
        async with running_proxy("http://127.0.0.1:1", limits + forward(target.url)) as port:
            async with connect(port) as a, connect(port) as b, connect(port) as c, connect(port) as d:
                for client in (a, b, c, d):
                    await client.send(request("GET", CALLS))
                await target.is_asked(4)
                assert (await ask(port, request("GET", CALLS))).status == 503
                target.released.set()
                for client in (a, b, c, d):
                    assert await client.receive()
            assert (await ask(port, request("GET", CALLS))).status == 200


async def test_uploads_count_against_the_budget() -> None:
    limits = "limits: {request_bytes: 1048576}\n"
    async with (
        running_old_api() as (api, url),
        running_proxy("http://127.0.0.1:1", limits + forward(url)) as port,
        connect(port) as client,
    ):
        size = 20_000_000  # many times the budget, but never at once
        headers = (LOGIN, f"Content-Length: {size}")
        await client.send(request("PUT", f"{HERE}/Recordings/x", *headers, body=recording(0, size)))
        answer = await client.receive()
        assert answer
        assert element(answer, "Digest") == digest_of(size)
        assert api.uploaded == size


async def test_a_circle_ends() -> None:
    async with before_script() as between:
        vias = ("Via: 1.1 callerid-proxy",) * 4
        answer = await ask(between.port, request("GET", CALLS, *vias))
        assert (answer.status, between.target.begun) == (508, 0)
        assert_rest_exception(answer)


def test_a_token_that_is_right_here_is_not_locked_out() -> None:
    upstream_account = "{account: x, password: '${TOKEN}'}"
    accounts = f"accounts: {{{ACCOUNT}: {{token: '${{TOKEN}}', upstream: {upstream_account}}}}}\n"
    wrong_there = f"Authorization: {basic(password='right here')}"

    async def work() -> None:
        async with running_old_api() as (api, url), scripted_upstream(EMPTY_LIST) as upstream:
            variables = {"TOKEN": "right here"}
            async with running_proxy(upstream.url, accounts + forward(url), variables) as port:
                for _ in range(25):
                    assert (await ask(port, request("GET", CALLS, wrong_there))).status == 401
                assert len(api.received) == 25
                assert (await ask(port, request("GET", LIST, wrong_there))).status == 200

    leap.run(work())


def test_guesses_at_the_target_are_locked_out() -> None:
    async def work() -> None:
        async with before_old_api() as between:
            statuses = []
            for number in range(22):
                wrong = f"Authorization: {basic(password=f'guess {number}')}"
                statuses.append((await ask(between.port, request("GET", CALLS, wrong))).status)
            assert statuses == [401] * 20 + [429] * 2
            assert len(between.api.received) == 20

    leap.run(work())


# TLS


async def test_a_target_with_a_private_authority(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("old.internal").configure_cert(context)
    async with scripted_upstream(OK, OK, tls=context) as target:
        known = f"{{ca: {tmp_path / 'ca.pem'}, server_name: old.internal}}"
        async with running_proxy("http://127.0.0.1:1", forward(target.url, tls=known)) as port:
            assert (await ask(port, request("GET", CALLS))).body == b"ok"
        async with running_proxy("http://127.0.0.1:1", forward(target.url)) as port:
            with logged() as records:
                answer = await ask(port, request("GET", CALLS))
            assert answer.status == 502
            assert "failed: tls: " in records[0].getMessage()
        assert len(target.received) == 1
