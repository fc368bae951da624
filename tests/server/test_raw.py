"""What no well-behaved HTTP client can send, as bytes over a real socket.

Whatever is refused gets exactly one answer, a RestException, in which nothing of the request is repeated; the
connection is closed where nobody can tell what comes next, and the upstream is never asked. Refused requests
are otherwise complete: with credentials, with a number to call. Each is also sent with a second one behind
it, which would delete a caller ID if the proxy took the end of the first to be elsewhere than its sender.
"""

import asyncio
import contextlib
import gzip
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest
from support import leap
from support.running import running_proxy
from support.seed import ACCOUNT, BOB, LIST, basic
from support.wire import Message, RawClient, ScriptedUpstream, connect, json_answer, scripted_upstream

CANARY = b"canary-5f1c9e"
HOST = b"Host: api.twilio.com"
AUTHORIZATION = f"Authorization: {basic()}".encode()
FORM = b"Content-Type: application/x-www-form-urlencoded"
NUMBER = b"PhoneNumber=4158675309"
LENGTH = b"Content-Length: %d" % len(NUMBER)
CHUNKED = b"Transfer-Encoding: chunked"
TARGET = LIST.encode()
INSTANCE = f"{LIST}/{BOB}".encode()


def request(start: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Write a request as it should be, but for what it is given."""
    return b"".join(line + b"\r\n" for line in (start, *headers)) + b"\r\n" + body


def get(*headers: bytes, target: bytes = TARGET, body: bytes = b"") -> bytes:
    return request(b"GET %b HTTP/1.1" % target, HOST, AUTHORIZATION, *headers, body=body)


def post(*headers: bytes, target: bytes = TARGET, body: bytes = NUMBER) -> bytes:
    return request(b"POST %b HTTP/1.1" % target, HOST, AUTHORIZATION, FORM, *headers, body=body)


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


SMUGGLED = request(b"DELETE %b HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION)

EMPTY_LIST = json_answer(200, b'{"outgoing_caller_ids": [], "next_page_uri": null}')
CALL = json_answer(200, b'{"account_sid": "%b", "validation_code": "123456"}' % ACCOUNT.encode())
NO_CONTENT = Message("HTTP/1.1 204 No Content")


class Proxy(NamedTuple):
    """A running proxy, a connection to it, and the upstream behind it."""

    port: int
    client: RawClient
    upstream: ScriptedUpstream


@asynccontextmanager
async def proxy_before(*answers: Message) -> AsyncIterator[Proxy]:
    async with (
        scripted_upstream(*answers) as upstream,
        running_proxy(upstream.url) as port,
        connect(port) as client,
    ):
        yield Proxy(port, client, upstream)


def assert_rest_exception(answer: Message, code: int | None = None) -> None:
    """Check everything that each answer of 400 and above has in common."""
    assert answer.status >= 400
    assert answer.header("Content-Type") == "application/xml"
    assert answer.header("Content-Length") == str(len(answer.body))
    assert_no_stack(answer)
    (exception,) = ET.fromstring(answer.body)
    assert exception.tag == "RestException"
    texts = {str(child.tag): child.text for child in exception}
    told = {"Code": str(code), "MoreInfo": f"http://www.twilio.com/docs/errors/{code}"} if code else {}
    assert texts == {"Status": str(answer.status), "Message": texts["Message"], **told}
    assert texts["Message"]


def assert_no_stack(answer: Message) -> None:
    server = (answer.header("Server") or "").lower()
    assert "aiohttp" not in server
    assert "python" not in server


def assert_last(answer: Message) -> None:
    """Check that an answer says that its connection closes (RFC 9112 section 9.6)."""
    if answer.start.startswith("HTTP/1.0 "):
        assert answer.header("Connection") in (None, "close")
    else:
        assert answer.header("Connection") == "close"


async def asked(client: RawClient, data: bytes) -> Message:
    answer = await client.ask(data)
    assert_no_stack(answer)
    return answer


async def assert_alive(client: RawClient) -> None:
    """Check that the next request over this connection is understood."""
    answer = await asked(client, get(target=TARGET + b"?PhoneNumber=none&page=7"))
    assert answer.status == 200
    assert b'page="7"' in answer.body


# What is refused, with the statuses that are right


class Refused(NamedTuple):
    data: bytes
    statuses: Sequence[int] = (400,)


def unclear_length(*headers: bytes, body: bytes = NUMBER) -> Refused:
    return Refused(post(*headers, body=body))


def bad_chunk(body: bytes) -> Refused:
    return unclear_length(CHUNKED, body=body)


HUGE = b"%d" % 2**70

LENGTHS: Mapping[str, Refused] = {
    # hardening.md, section 1, row 1
    "Content-Length and Transfer-Encoding": unclear_length(LENGTH, CHUNKED, body=chunked(NUMBER)),
    "Transfer-Encoding and Content-Length": unclear_length(CHUNKED, LENGTH, body=chunked(NUMBER)),
    "Content-Length of nothing and Transfer-Encoding": unclear_length(
        b"Content-Length: 0", CHUNKED, body=chunked(NUMBER)
    ),
    "two lengths that differ": unclear_length(LENGTH, b"Content-Length: 0"),
    "the same length twice": unclear_length(LENGTH, LENGTH),
    "a list of lengths": unclear_length(LENGTH + b", 22"),
    "a list of lengths that differ": unclear_length(LENGTH + b", 0"),
    "a length with a plus sign": unclear_length(b"Content-Length: +22"),
    "a negative length": unclear_length(b"Content-Length: -1"),
    "a hexadecimal length": unclear_length(b"Content-Length: 0x16"),
    "hexadecimal digits as a length": unclear_length(b"Content-Length: 1a"),
    "a length of 2^64": unclear_length(b"Content-Length: %d" % 2**64),
    "a length of 2^70": unclear_length(b"Content-Length: " + HUGE),
    "an empty length": unclear_length(b"Content-Length:"),
    "a length with a space inside": unclear_length(b"Content-Length: 2 2"),
    "a length with an underscore": unclear_length(b"Content-Length: 2_2"),
    "a fractional length": unclear_length(b"Content-Length: 22.0"),
    "a length in digits that are not ASCII": unclear_length("Content-Length: ٢٢".encode()),
    "an unknown Transfer-Encoding": unclear_length(b"Transfer-Encoding: gzip"),
    "an unknown Transfer-Encoding and a length": unclear_length(b"Transfer-Encoding: gzip", LENGTH),
    "Transfer-Encoding: identity": unclear_length(b"Transfer-Encoding: identity", LENGTH),
    "an empty Transfer-Encoding": unclear_length(b"Transfer-Encoding:", LENGTH),
    "gzip, chunked": unclear_length(b"Transfer-Encoding: gzip, chunked", body=chunked(NUMBER)),
    "chunked, gzip": unclear_length(b"Transfer-Encoding: chunked, gzip", body=chunked(NUMBER)),
    "chunked, chunked": unclear_length(b"Transfer-Encoding: chunked, chunked", body=chunked(NUMBER)),
    "chunked, identity": unclear_length(b"Transfer-Encoding: chunked, identity", body=chunked(NUMBER)),
    "two Transfer-Encodings": unclear_length(CHUNKED, CHUNKED, body=chunked(NUMBER)),
    "two Transfer-Encodings that differ": unclear_length(
        CHUNKED, b"Transfer-Encoding: identity", body=chunked(NUMBER)
    ),
    "xchunked": unclear_length(b"Transfer-Encoding: xchunked", body=chunked(NUMBER)),
    "chunked with a vertical tab": unclear_length(b"Transfer-Encoding: \x0bchunked", body=chunked(NUMBER)),
    "a quoted chunked": unclear_length(b'Transfer-Encoding: "chunked"', body=chunked(NUMBER)),
    "Transfer-Encoding over HTTP/1.0": Refused(
        request(b"POST %b HTTP/1.0" % TARGET, AUTHORIZATION, FORM, CHUNKED, body=chunked(NUMBER))
    ),
    "Transfer-Encoding over HTTP/1.0 that wants to go on": Refused(
        request(
            b"POST %b HTTP/1.0" % TARGET,
            AUTHORIZATION,
            FORM,
            CHUNKED,
            b"Connection: keep-alive",
            body=chunked(NUMBER),
        )
    ),
    "a negative chunk": bad_chunk(b"-1\r\n" + NUMBER + b"\r\n0\r\n\r\n"),
    "a chunk with a plus sign": bad_chunk(b"+16\r\n" + NUMBER + b"\r\n0\r\n\r\n"),
    "a chunk with 0x": bad_chunk(b"0x16\r\n" + NUMBER + b"\r\n0\r\n\r\n"),
    "a chunk without a size": bad_chunk(b"\r\n" + NUMBER + b"\r\n0\r\n\r\n"),
    "a chunk of 2^70": bad_chunk(b"%x\r\n" % 2**70 + NUMBER + b"\r\n0\r\n\r\n"),
    "a space after the size of a chunk": bad_chunk(b"16 \r\n" + NUMBER + b"\r\n0\r\n\r\n"),
    "LF after the size of a chunk": bad_chunk(b"16\n" + NUMBER + b"\r\n0\r\n\r\n"),
    "CR after the size of a chunk": bad_chunk(b"16\r" + NUMBER + b"\r\n0\r\n\r\n"),
    "LF in a chunk extension": bad_chunk(b"16;x=\n" + NUMBER + b"\r\n0\r\n\r\n"),
    "CR in a chunk extension": bad_chunk(b"16;x=\ry\r\n" + NUMBER + b"\r\n0\r\n\r\n"),
    "a chunk that is longer than its size": bad_chunk(b"3\r\n" + NUMBER + b"\r\n0\r\n\r\n"),
    "no line break after a chunk": bad_chunk(b"16\r\n" + NUMBER + b"0\r\n\r\n"),
    "LF after a chunk": bad_chunk(b"16\r\n" + NUMBER + b"\n0\r\n\r\n"),
    "LF at the end of the last chunk": bad_chunk(b"16\r\n" + NUMBER + b"\r\n0\n\n"),
    "a trailer without colon": bad_chunk(b"16\r\n" + NUMBER + b"\r\n0\r\nnonsense\r\n\r\n"),
}


def broken(*headers: bytes) -> Refused:
    return Refused(get(*headers))


HEADERS: Mapping[str, Refused] = {
    # row 2
    "a space before the colon": broken(b"X-Custom : " + CANARY),
    "a tab before the colon": broken(b"X-Custom\t: " + CANARY),
    "a space before the colon of Content-Length": Refused(post(b"Content-Length : 22")),
    "a space before the colon of Transfer-Encoding": Refused(
        post(b"Transfer-Encoding : chunked", body=chunked(NUMBER))
    ),
    "a folded header": broken(b"X-Custom: a", b" " + CANARY),
    "a header folded with a tab": broken(b"X-Custom: a", b"\t" + CANARY),
    "a folded Authorization": Refused(
        request(
            b"GET %b HTTP/1.1" % TARGET, HOST, b"Authorization: Basic", b" " + basic().encode().split(b" ")[1]
        )
    ),
    "a fold before the first header": Refused(
        request(b"GET %b HTTP/1.1" % TARGET, b" " + CANARY, HOST, AUTHORIZATION)
    ),
    "a header without name": broken(b": " + CANARY),
    "a header without colon": broken(CANARY),
    "a space in a name": broken(b"X Custom: " + CANARY),
    "a name that is no token": broken(b"X(Custom): " + CANARY),
    "a name that is not ASCII": broken("X-Früh: ".encode() + CANARY),
    "NUL in a name": broken(b"X-Cus\0tom: " + CANARY),
    "CR in a name": broken(b"X-Cus\rtom: " + CANARY),
    "LF at the end of a header": broken(b"X-Custom: a\nX-Other: " + CANARY),
    "CR in a value": broken(b"X-Custom: a\r" + CANARY),
    "CR before a header": broken(b"X-Custom: a\rX-Other: " + CANARY),
    "CR at the end of a value": broken(b"X-Custom: " + CANARY + b"\r"),
    "NUL in a value": broken(b"X-Custom: a\0" + CANARY),
    "LF in Authorization": broken(b"Authorization: Basic \n" + CANARY),
    "CR in Authorization": Refused(
        request(b"GET %b HTTP/1.1" % TARGET, HOST, b"Authorization: Basic \r" + CANARY)
    ),
    "CR at the end of Authorization": Refused(
        request(b"GET %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION + b"\r")
    ),
    "NUL in Authorization": Refused(
        request(b"GET %b HTTP/1.1" % TARGET, HOST, b"Authorization: Basic " + CANARY + b"\0x")
    ),
    "NUL at the end of Authorization": Refused(
        request(b"GET %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION + b"\0")
    ),
    "LF everywhere": Refused(get(b"X-Custom: " + CANARY).replace(b"\r\n", b"\n")),
    "LF after the request line": Refused(get().replace(b"\r\n", b"\n", 1)),
    "LF instead of the empty line": Refused(get().removesuffix(b"\r\n") + b"\n"),
    "CR after the request line": Refused(get().replace(b"\r\n", b"\r", 1)),
}

HOSTS: Mapping[str, Refused] = {
    # row 3
    "no Host": Refused(request(b"GET %b HTTP/1.1" % TARGET, AUTHORIZATION)),
    "no Host, over an absolute target": Refused(
        request(b"GET http://api.twilio.com%b HTTP/1.1" % TARGET, AUTHORIZATION)
    ),
    "two Hosts": broken(b"Host: " + CANARY),
    "the same Host twice": broken(HOST),
    "two Hosts over HTTP/1.0": Refused(
        request(b"GET %b HTTP/1.0" % TARGET, HOST, b"Host: " + CANARY, AUTHORIZATION)
    ),
}

VERSIONS: Mapping[str, Refused] = {
    # row 6
    name: Refused(data, (400, 505))
    for name, data in {
        "HTTP/0.9": b"GET %b\r\n" % TARGET,
        "HTTP/0.9 behind a line break": b"\r\nGET %b\r\n" % TARGET,
        "HTTP/0.9 with an empty line": b"GET %b\r\n\r\n" % TARGET,
        "HTTP/0.9 by name": request(b"GET %b HTTP/0.9" % TARGET, HOST, AUTHORIZATION),
        "HTTP/1.2": request(b"GET %b HTTP/1.2" % TARGET, HOST, AUTHORIZATION),
        "HTTP/1.10": request(b"GET %b HTTP/1.10" % TARGET, HOST, AUTHORIZATION),
        "HTTP/1": request(b"GET %b HTTP/1" % TARGET, HOST, AUTHORIZATION),
        "HTTP/2.0": request(b"GET %b HTTP/2.0" % TARGET, HOST, AUTHORIZATION),
        "HTTP/2.0 that deletes": request(b"DELETE %b HTTP/2.0" % INSTANCE, HOST, AUTHORIZATION),
        "HTTP/2": request(b"GET %b HTTP/2" % TARGET, HOST, AUTHORIZATION),
        "HTTP/3.0": request(b"GET %b HTTP/3.0" % TARGET, HOST, AUTHORIZATION),
        "http/1.1": request(b"GET %b http/1.1" % TARGET, HOST, AUTHORIZATION),
        "another protocol": request(b"GET %b GOPHER/1.0" % TARGET, HOST, AUTHORIZATION),
        "no version": request(b"GET %b HTTP/" % TARGET, HOST, AUTHORIZATION),
        "something behind the version": request(b"GET %b HTTP/1.1 x" % TARGET, HOST, AUTHORIZATION),
        "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        "a TLS hello": bytes.fromhex("16030100a5010000a10303") + bytes(157) + CANARY,
        "an SSL 2.0 hello": bytes.fromhex("802e0100020015000000100100800200800300800400800500") + CANARY,
        "binary": bytes(range(256)),
        "text": b"hello " + CANARY + b"\r\n\r\n",
        "a line break that is no line break": b"\n\n" + CANARY + b"\n\n",
        "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    }.items()
}

METHODS: Mapping[str, Refused] = {
    # row 9, the part that is no HTTP
    name: Refused(data, (400, 501))
    for name, data in {
        "a method in lower case": request(b"get %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION),
        "a method in mixed case": request(b"Get %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION),
        "an unknown method": request(CANARY.upper() + b" %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION),
        "a method that is too long": request(b"GETX %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION),
        "a method that is no token": request(b"G@T %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION),
        "no method": request(b" %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION),
        "no target": request(b"GET HTTP/1.1", HOST, AUTHORIZATION),
        "an empty target": request(b"GET  HTTP/1.1", HOST, AUTHORIZATION),
        "a tab for a space": request(b"GET\t%b\tHTTP/1.1" % TARGET, HOST, AUTHORIZATION),
        "a space in the target": request(b"GET %b?x= " % TARGET + CANARY + b" HTTP/1.1", HOST, AUTHORIZATION),
        "a tab in the target": get(target=TARGET + b"?x=\t" + CANARY),
        "NUL in the target": get(target=TARGET + b"?x=\0" + CANARY),
        "CR in the target": get(target=TARGET + b"?x=\r" + CANARY),
        "LF in the target": get(target=TARGET + b"?x=\n" + CANARY),
        "DEL in the target": get(target=TARGET + b"?x=\x7f" + CANARY),
        "bytes that are no UTF-8 in the target": get(target=INSTANCE[:-1] + b"\xff" + CANARY),
        "another script in the target": get(target=INSTANCE[:-1] + "\u0665".encode() + CANARY),
        "a target without slash": get(target=b"2008-08-01/" + CANARY),
    }.items()
}

TOO_LONG: Mapping[str, Refused] = {
    # row 10
    name: Refused(data, (400, 414, 431))
    for name, data in {
        "a request line over 8 KiB": get(target=TARGET + b"?" + b"&".join([CANARY] * 700)),
        "a path over 8 KiB": get(target=TARGET + b"/" + CANARY * 700),
        "a request line of 1 MiB": get(target=TARGET + b"?x=" + b"x" * 2**20),
        "a method over 8 KiB": b"X" * 9000 + get()[3:],
        "a header over 8 KiB": get(b"X-Custom: " + CANARY * 700),
        "a header of 1 MiB": get(b"X-Custom: " + b"x" * 2**20),
        "a name over 8 KiB": get(CANARY * 700 + b": x"),
        "an Authorization over 8 KiB": request(
            b"GET %b HTTP/1.1" % TARGET, HOST, b"Authorization: Basic " + CANARY * 700
        ),
        "101 headers": get(*[b"X-Custom: " + CANARY] * 99),
        "1,000 headers": get(*[b"X-Custom: " + CANARY] * 1000),
    }.items()
}

BODIES: Mapping[str, Refused] = {
    # row 13
    "a body of 64 KiB and one byte": Refused(post(b"Content-Length: 65537", body=b"&" * 65537), (413,)),
    "a chunked body of 64 KiB and one byte": Refused(
        post(CHUNKED, body=chunked(b"&" * 40000, b"&" * 25537)), (413,)
    ),
    "a chunked body in single bytes": Refused(post(CHUNKED, body=chunked(*[b"&"] * 65537)), (413,)),
    "a body over 64 KiB of a GET": Refused(get(b"Content-Length: 65537", body=b"&" * 65537), (413,)),
    "a chunked body over 64 KiB of a DELETE": Refused(
        request(
            b"DELETE %b HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION, CHUNKED, body=chunked(*[b"&" * 30000] * 3)
        ),
        (413,),
    ),
    "a body of unknown length": Refused(post()),
    "a body of unknown length over HTTP/1.0": Refused(
        request(b"POST %b HTTP/1.0" % TARGET, AUTHORIZATION, FORM, body=NUMBER)
    ),
    "two Content-Types": Refused(post(b"Content-Type: text/plain", LENGTH)),
}

ENCODINGS: Mapping[str, Refused] = {
    # row 14
    **{
        f"Content-Encoding: {coding}": Refused(post(b"Content-Encoding: " + coding.encode(), LENGTH), (415,))
        for coding in (
            "gzip",
            "GZIP",
            "x-gzip",
            "deflate",
            "br",
            "zstd",
            "compress",
            "gzip, identity",
            "identity, gzip",
            "x",
        )
    },
    "a Content-Encoding behind identity": Refused(
        post(b"Content-Encoding: identity", b"Content-Encoding: gzip", LENGTH), (415,)
    ),
    "a Content-Encoding of a GET": Refused(get(b"Content-Encoding: gzip"), (415,)),
}

EXPECTATIONS: Mapping[str, Refused] = {
    # row 15
    "another Expect": Refused(post(b"Expect: " + CANARY, LENGTH), (417,)),
    "another Expect behind the known one": Refused(
        post(b"Expect: 100-continue", b"Expect: " + CANARY, LENGTH), (417,)
    ),
    "another Expect of a GET": Refused(get(b"Expect: 200-ok"), (417,)),
}

REFUSED = {
    **LENGTHS,
    **HEADERS,
    **HOSTS,
    **VERSIONS,
    **METHODS,
    **TOO_LONG,
    **BODIES,
    **ENCODINGS,
    **EXPECTATIONS,
}
"""All of these are sent by hardening/test_inputs.py, row by row."""


async def assert_refused(refused: Refused) -> None:
    """Check that it gets one answer, without a word of it, and an end, whatever comes behind it."""
    data, statuses = refused
    async with proxy_before() as proxy:
        for behind in (b"", SMUGGLED):
            async with connect(proxy.port) as client:
                await client.send(data + behind)
                answer = await client.receive()
                assert answer is not None, "the connection was closed without an answer"
                assert answer.status in statuses
                assert_rest_exception(answer)
                assert_last(answer)
                assert CANARY not in answer.encode().lower()
                assert await client.is_closed()
        assert proxy.upstream.received == []


CUT_UP = [
    "LF in a chunk extension",
    "CR in a value",
    "two Hosts",
    "the preface of HTTP/2",
    "Content-Encoding: gzip",
]


@pytest.mark.parametrize("name", CUT_UP)
async def test_refused_byte_by_byte(name: str) -> None:
    data, statuses = REFUSED[name]
    async with proxy_before() as (_, client, upstream):
        for byte in data:
            await client.send(bytes([byte]))
        answer = await client.receive()
        assert answer is not None
        assert answer.status in statuses
        assert_rest_exception(answer)
        assert CANARY not in answer.encode()
        assert await client.is_closed()
        assert upstream.received == []


def test_a_body_that_is_no_http_from_somewhere_on_is_refused_by_its_deadline() -> None:
    """Aiohttp does not tell of it any sooner."""

    async def wait() -> None:
        async with proxy_before() as (port, client, upstream):
            await client.send(post(CHUNKED, body=b"16\r\n" + NUMBER[:5]))
            async with connect(port) as other:  # by the time it is answered, the beginning has been read
                assert (await asked(other, get(target=b"/"))).status == 404
            await client.send(NUMBER[5:] + b"\r\n-1\r\n" + SMUGGLED)
            with seconds(0, 20.5):
                answer = await client.receive(within=200)
            assert answer is not None
            assert answer.status in (400, 408)
            assert_rest_exception(answer)
            assert_last(answer)
            assert await client.is_closed()
            assert upstream.received == []

    leap.run(wait())


# Errors of HTTP itself keep to the suffix too, as far as a target can be read


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post(b"Content-Length: 65537", target=TARGET + b".json", body=b""), 413),
        (post(b"Content-Encoding: gzip", LENGTH, target=TARGET + b".json"), 415),
        (post(b"Expect: " + CANARY, LENGTH, target=TARGET + b".json"), 417),
        (request(b"GET %b.json HTTP/2.0" % TARGET, HOST, AUTHORIZATION), 505),
    ],
)
async def test_refused_in_the_format_of_the_suffix(data: bytes, status: int) -> None:
    async with proxy_before() as (_, client, upstream):
        answer = await asked(client, data)
        assert answer.status == status
        assert answer.header("Content-Type") == "application/json"
        exception = json.loads(answer.body)["TwilioResponse"]["RestException"]
        assert exception == {"Status": str(status), "Message": exception["Message"]}
        assert upstream.received == []


# What cannot be carried out but is understood: the connection goes on


@pytest.mark.parametrize("target", [TARGET, INSTANCE])
@pytest.mark.parametrize(
    "method", [b"TRACE", b"PATCH", b"PROPFIND", b"OPTIONS", b"LINK", b"PURGE", b"M-SEARCH"]
)
async def test_a_method_that_is_not_allowed(method: bytes, target: bytes) -> None:
    async with proxy_before() as (_, client, upstream):
        answer = await asked(
            client, request(b"%b %b HTTP/1.1" % (method, target), HOST, AUTHORIZATION, b"X: " + CANARY)
        )
        assert answer.status == 405
        assert answer.header("Allow") == (
            "GET, HEAD, POST" if target == TARGET else "GET, HEAD, POST, PUT, DELETE"
        )
        assert_rest_exception(answer, 20004)
        assert CANARY not in answer.encode()
        await assert_alive(client)
        assert upstream.received == []


NOWHERE: Mapping[str, bytes] = {
    "a target without path": get(target=b"http://api.twilio.com"),
    "an asterisk": request(b"OPTIONS * HTTP/1.1", HOST, AUTHORIZATION),
    "a fragment": get(target=TARGET + b"#" + CANARY),
    "an encoded slash": get(target=INSTANCE.replace(b"/PN", b"%2FPN")),
    "an encoded Sid": get(target=INSTANCE.replace(b"/PN", b"/%50N")),
    "dots": get(target=b"/x/.." + TARGET),
    "NUL in the path": get(target=INSTANCE + b"%00"),
    "line breaks in the path": get(target=INSTANCE + b"%0D%0AX:%20" + CANARY),
    "another script in the path": get(target=INSTANCE[:-1] + b"%D9%A5"),
    "a bad escape in the path": get(target=INSTANCE + b"%ZZ"),
    "parameters of a segment": get(target=INSTANCE + b";x=" + CANARY),
}


@pytest.mark.parametrize("name", NOWHERE)
async def test_a_path_that_leads_nowhere(name: str) -> None:
    async with proxy_before() as (_, client, upstream):
        answer = await asked(client, NOWHERE[name])
        assert answer.status == 404
        assert_rest_exception(answer)
        assert CANARY not in answer.encode()
        await assert_alive(client)
        assert upstream.received == []


@pytest.mark.parametrize("target", [b"api.twilio.com:443", TARGET])
async def test_connect_makes_no_tunnel(target: bytes) -> None:
    async with proxy_before() as (_, client, upstream):
        answer = await asked(client, request(b"CONNECT %b HTTP/1.1" % target, HOST, AUTHORIZATION))
        assert answer.status in (400, 404, 405, 501)
        assert_rest_exception(answer, 20004 if answer.status == 405 else None)
        assert upstream.received == []


async def test_two_authorizations_are_refused() -> None:
    async with proxy_before() as (_, client, upstream):
        answer = await asked(client, get(b"Authorization: Basic " + CANARY))
        assert answer.status == 400
        assert_rest_exception(answer)
        assert CANARY not in answer.encode()
        await assert_alive(client)
        assert upstream.received == []


# What is served, strange as it is


class Served(NamedTuple):
    data: bytes
    upstream: bytes = b"GET"
    start: str = "HTTP/1.1 200 OK"


OLD = b"GET %b HTTP/1.0" % TARGET
FULL = b"&".join([NUMBER, *[b"x%d=" % number + b"x" * 4000 for number in range(16)]])
FULL += b"&" * (65536 - len(FULL))

SERVED: Mapping[str, Served] = {
    "HTTP/1.0 without Host": Served(request(OLD, AUTHORIZATION), start="HTTP/1.0 200 OK"),
    "HTTP/1.0 with Host": Served(request(OLD, HOST, AUTHORIZATION), start="HTTP/1.0 200 OK"),
    "an absolute target": Served(get(target=b"http://" + CANARY + b".example" + TARGET)),
    "an absolute target with TLS": Served(get(target=b"HTTPS://" + CANARY + b".example:443" + TARGET)),
    "an absolute target with a user": Served(get(target=b"http://x:" + CANARY + b"@x.example" + TARGET)),
    "an absolute target over HTTP/1.0": Served(
        request(b"GET http://%b.example%b HTTP/1.0" % (CANARY, TARGET), AUTHORIZATION),
        start="HTTP/1.0 200 OK",
    ),
    "another Host": Served(get().replace(HOST, b"Host: " + CANARY)),
    "an empty Host": Served(get().replace(HOST, b"Host:")),
    "X-Forwarded-Host": Served(get(b"X-Forwarded-Host: " + CANARY, b"Forwarded: host=" + CANARY)),
    "no space after the colon": Served(get().replace(b": ", b":")),
    "spaces around values": Served(
        get().replace(b": ", b": \t ").replace(b"\r\n", b" \t\r\n", 3).replace(b" \t\r\n", b"\r\n", 1)
    ),
    "names in upper case": Served(
        get().replace(b"Host", b"HOST").replace(b"Authorization", b"AUTHORIZATION")
    ),
    "names in lower case": Served(
        get().replace(b"Host", b"host").replace(b"Authorization", b"authorization")
    ),
    "bytes that are no UTF-8 in a header": Served(get(b"User-Agent: Fr\xfch")),
    "line breaks before the request line": Served(b"\r\n\r\n" + get()),
    "100 headers": Served(get(*[b"X-Custom: x"] * 98)),
    "a header of 8,000 bytes": Served(get(b"Cookie: " + b"x" * 8000)),
    "a request line of 8,000 bytes": Served(get(target=TARGET + b"?" + b"&".join([b"x=" + b"x" * 3900] * 2))),
    "If-None-Match and Range": Served(get(b"If-None-Match: *", b"Range: bytes=0-1")),
    "a length of nothing": Served(get(b"Content-Length: 0")),
    "a length with leading zeros": Served(post(b"Content-Length: 00022"), upstream=b"POST"),
    "Content-Encoding: identity": Served(post(b"Content-Encoding: identity", LENGTH), upstream=b"POST"),
    "Content-Encoding: Identity": Served(post(b"Content-Encoding: Identity", LENGTH), upstream=b"POST"),
    "a chunked body": Served(post(CHUNKED, body=chunked(NUMBER)), upstream=b"POST"),
    "a chunked body in upper case": Served(post(CHUNKED.upper(), body=chunked(NUMBER)), upstream=b"POST"),
    "a chunked body in single bytes": Served(
        post(CHUNKED, body=chunked(*(bytes([byte]) for byte in NUMBER))), upstream=b"POST"
    ),
    "a chunked body with extensions": Served(
        post(CHUNKED, body=b'16;a=b;c="d e"\r\n' + NUMBER + b"\r\n0;x\r\n\r\n"), upstream=b"POST"
    ),
    "a chunked body with trailers": Served(
        post(CHUNKED, body=b"16\r\n" + NUMBER + b"\r\n0\r\nX-Custom: " + CANARY + b"\r\n\r\n"),
        upstream=b"POST",
    ),
    "chunk sizes with leading zeros": Served(
        post(CHUNKED, body=b"0016\r\n" + NUMBER + b"\r\n0000\r\n\r\n"), upstream=b"POST"
    ),
    "a body of exactly 64 KiB": Served(post(b"Content-Length: 65536", body=FULL), upstream=b"POST"),
    "a chunked body of exactly 64 KiB": Served(
        post(CHUNKED, body=chunked(FULL[:30000], FULL[30000:])), upstream=b"POST"
    ),
    # Upgrade is ignored: exactly one answer, in HTTP/1.1
    "an upgrade to WebSocket": Served(
        get(
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
    ),
    "an upgrade to HTTP/2": Served(
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
    ),
    "an upgrade to TLS": Served(get(b"Connection: Upgrade", b"Upgrade: TLS/1.0")),
    "an upgrade to HTTP/2 of a POST": Served(
        post(b"Connection: Upgrade", b"Upgrade: h2c", LENGTH), upstream=b"POST"
    ),
    "an upgrade of a POST": Served(
        post(b"Connection: Upgrade", b"Upgrade: websocket", LENGTH), upstream=b"POST"
    ),
    "an upgrade of a chunked POST": Served(
        post(b"Connection: Upgrade", b"Upgrade: h2c", CHUNKED, body=chunked(NUMBER)), upstream=b"POST"
    ),
    # The body of a GET is drained and ignored
    "a GET with a body": Served(get(FORM, b"Content-Length: 20", body=b"PhoneNumber=5551212&")),
    "a GET with a request for its body": Served(get(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED)),
    "a GET with a chunked body": Served(get(CHUNKED, body=chunked(SMUGGLED))),
    "a GET with a body of 64 KiB": Served(get(b"Content-Length: 65536", body=SMUGGLED.ljust(65536))),
    "a GET with a body of another type": Served(
        get(b"Content-Type: application/json; charset=bogus", b"Content-Length: 2", body=b"{}")
    ),
}


@pytest.mark.parametrize("name", SERVED)
async def test_served(name: str) -> None:
    await assert_served(SERVED[name])


async def assert_served(served: Served) -> None:
    data, method, start = served
    async with proxy_before(CALL if method == b"POST" else EMPTY_LIST) as (_, client, upstream):
        answer = await asked(client, data)
        assert answer.start == start
        assert answer.header("Content-Type") == "application/xml"
        assert CANARY not in answer.encode()
        assert [it.start.split(" ")[0] for it in upstream.received] == [method.decode()]
        assert CANARY not in b"".join(it.encode() for it in upstream.received)
        if start.startswith("HTTP/1.0") or answer.header("Connection") == "close":
            assert await client.is_closed()
        else:
            await assert_alive(client)
        assert len(upstream.received) == 1


@pytest.mark.parametrize("name", [name for name, served in SERVED.items() if "1.0" not in served.start])
async def test_served_with_a_request_behind_it(name: str) -> None:
    """The second one comes in one piece with the first, so it shows where that one ends."""
    data, method, _ = SERVED[name]
    async with proxy_before(CALL if method == b"POST" else EMPTY_LIST, NO_CONTENT) as (_, client, upstream):
        await client.send(data + SMUGGLED)
        first = await client.receive()
        assert first is not None
        assert first.status == 200
        methods = [method.decode()]
        if first.header("Connection") == "close":  # it is an upgrade that is declined
            assert name.startswith("an upgrade")
            assert await client.is_closed()
        else:
            second = await client.receive(within=2)
            assert second is not None
            assert second.status == 204
            methods.append("DELETE")
        assert [it.start.split(" ")[0] for it in upstream.received] == methods


# One connection, many requests


WRONG = request(b"GET %b HTTP/1.1" % TARGET, HOST)
BEFORE_THE_NEXT: Mapping[str, tuple[bytes, int]] = {
    "an answer": (get(target=TARGET + b"?PhoneNumber=none"), 200),
    "a POST with neither length nor body": (post(body=b""), 400),
    "a PUT with neither length nor body": (request(b"PUT %b HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION), 400),
    "a bad parameter": (post(b"Content-Length: 13", body=b"PhoneNumber=1"), 400),
    "no credentials": (WRONG, 401),
    "an unknown path": (get(target=b"/"), 404),
    "an unsupported method": (request(b"PATCH %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION), 405),
    "an unsupported method with a body": (
        request(b"PATCH %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION, LENGTH, body=NUMBER),
        405,
    ),
    "an unsupported type": (post(LENGTH).replace(FORM, b"Content-Type: text/plain"), 415),
    "an upstream that fails": (get(), 502),
}


@pytest.mark.parametrize("name", BEFORE_THE_NEXT)
async def test_the_connection_goes_on_after(name: str) -> None:
    data, status = BEFORE_THE_NEXT[name]
    async with proxy_before() as (_, client, _):
        for _ in range(2):
            answer = await asked(client, data)
            assert answer.status == status
            assert answer.header("Connection") != "close"
            await assert_alive(client)
        # and where the next one is there before its answer
        await client.send(data + get(target=TARGET + b"?PhoneNumber=none&page=8"))
        first, second = await client.receive(), await client.receive()
        assert first is not None
        assert second is not None
        assert first.status == status
        assert b'page="8"' in second.body


@pytest.mark.parametrize("after", [b"\r\n", b"\r\n\r\n"])
async def test_line_breaks_that_a_length_does_not_count_are_passed_over(after: bytes) -> None:
    """Browsers of the time put them behind a form (RFC 9112 section 2.2)."""
    async with proxy_before(CALL) as (_, client, upstream):
        answer = await asked(client, post(LENGTH) + after)
        assert answer.status == 200
        await assert_alive(client)
        assert upstream.hits("POST") == 1


PAGES = 100


async def test_100_requests_at_once_are_answered_in_order() -> None:
    async with proxy_before() as (_, client, upstream):
        await client.send(
            b"".join(get(target=TARGET + b"?PhoneNumber=none&page=%d" % page) for page in range(PAGES))
        )
        for page in range(PAGES):
            answer = await client.receive()
            assert answer is not None
            assert answer.status == 200
            assert f'page="{page}"'.encode() in answer.body
        await assert_alive(client)
        assert upstream.received == []


async def test_100_requests_that_ask_the_upstream_are_answered_in_order() -> None:
    async with proxy_before(*[EMPTY_LIST] * PAGES) as (_, client, upstream):
        await client.send(b"".join(get(target=TARGET + b"?page=%d" % page) for page in range(PAGES)))
        for page in range(PAGES):
            answer = await client.receive()
            assert answer is not None
            assert f'page="{page}"'.encode() in answer.body
        assert upstream.hits("GET") == PAGES


async def test_100_requests_of_every_kind_are_answered_in_order() -> None:
    kinds = (
        (post(LENGTH), 200),
        (WRONG, 401),
        (get(target=b"/"), 404),
        (post(body=b""), 400),
        (get(FORM, LENGTH, body=NUMBER), 200),
        (post(CHUNKED, body=chunked(NUMBER)), 200),
        (request(b"PUT %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION, FORM, LENGTH, body=NUMBER), 405),
        (request(b"DELETE %b HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION), 204),
    )
    async with proxy_before(*[CALL, EMPTY_LIST, CALL, NO_CONTENT] * 13) as (_, client, upstream):
        await client.send(b"".join(data for data, _ in kinds * 13))
        for _, status in kinds * 13:
            answer = await client.receive()
            assert answer is not None
            assert answer.status == status
        assert (upstream.hits("GET"), upstream.hits("POST"), upstream.hits("DELETE")) == (13, 26, 13)


async def test_nothing_is_answered_after_connection_close() -> None:
    async with proxy_before(EMPTY_LIST) as (_, client, upstream):
        await client.send(get(b"Connection: close") + SMUGGLED)
        answer = await client.receive()
        assert answer is not None
        assert answer.status in (200, 400)  # the parser may take offence at what follows
        assert await client.is_closed()
        assert upstream.hits("DELETE") == 0


@pytest.mark.parametrize("connection", [b"close", b"Close", b"TE, close", b"close, TE"])
async def test_connection_close(connection: bytes) -> None:
    async with proxy_before(EMPTY_LIST) as (_, client, _):
        answer = await asked(client, get(b"Connection: " + connection))
        assert (answer.status, answer.header("Connection")) == (200, "close")
        assert await client.is_closed()


@pytest.mark.parametrize("keep_alive", [b"keep-alive", b"Keep-Alive"])
async def test_http_1_0_goes_on_where_the_client_wants_it(keep_alive: bytes) -> None:
    async with proxy_before(*[EMPTY_LIST] * 2) as (_, client, _):
        for _ in range(2):
            answer = await asked(client, request(OLD, AUTHORIZATION, b"Connection: " + keep_alive))
            assert answer.start == "HTTP/1.0 200 OK"
            assert (answer.header("Connection") or "").lower() == "keep-alive"
        answer = await asked(client, request(OLD))
        assert answer.start == "HTTP/1.0 401 Unauthorized"
        assert await client.is_closed()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_the_answers_of_a_connection_have_their_lengths(method: str) -> None:
    """204 has neither body nor length (RFC 9110 section 8.6), HEAD no body."""
    async with proxy_before(NO_CONTENT, EMPTY_LIST) as (_, client, _):
        gone = await asked(client, SMUGGLED)
        assert (gone.status, gone.body, gone.header("Content-Type")) == (204, b"", None)
        assert gone.header("Content-Length") is None
        answer = await asked(client, get().replace(b"GET", method.encode(), 1))
        assert int(answer.header("Content-Length") or 0) > 100
        await assert_alive(client)


# Leave to go on


async def test_leave_to_go_on_is_given_once() -> None:
    async with proxy_before(CALL) as (_, client, upstream):
        await client.send(post(LENGTH, b"Expect: 100-Continue", body=b""))
        leave = await client.receive()
        assert leave is not None
        assert leave.start == "HTTP/1.1 100 Continue"
        assert upstream.received == []
        answer = await asked(client, NUMBER)
        assert answer.start == "HTTP/1.1 200 OK"
        await assert_alive(client)
        assert upstream.hits("POST") == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post(b"Content-Length: 65537", b"Expect: 100-continue", body=b""), 413),
        (post(b"Content-Length: 99999999999", b"Expect: 100-continue", body=b""), 413),
        (post(b"Content-Encoding: gzip", LENGTH, b"Expect: 100-continue", body=b""), 415),
    ],
)
async def test_no_leave_where_the_answer_is_known(data: bytes, status: int) -> None:
    async with proxy_before() as (_, client, upstream):
        answer = await asked(client, data)
        assert answer.status == status
        assert_rest_exception(answer)
        assert_last(answer)
        assert upstream.received == []


async def test_no_leave_where_nothing_is_to_come() -> None:
    async with proxy_before(EMPTY_LIST) as (_, client, _):
        answer = await asked(client, get(b"Expect: 100-continue"))
        assert answer.start == "HTTP/1.1 200 OK"
        await assert_alive(client)


async def test_no_leave_over_http_1_0() -> None:
    """It knows no interim answers (RFC 9110 section 10.1.1)."""
    async with proxy_before(CALL) as (_, client, _):
        old = request(
            b"POST %b HTTP/1.0" % TARGET, AUTHORIZATION, FORM, LENGTH, b"Expect: 100-continue", body=NUMBER
        )
        answer = await asked(client, old)
        assert answer.start == "HTTP/1.0 200 OK"


# Bodies that do not come, or not whole


@pytest.mark.parametrize(
    "length", [b"Content-Length: 65537", b"Content-Length: 99999999999", b"Content-Length: %d" % (2**64 - 1)]
)
@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_a_length_beyond_the_limit_is_refused_before_any_body(method: bytes, length: bytes) -> None:
    async with proxy_before() as (_, client, upstream):
        answer = await asked(client, post(length, body=b"").replace(b"POST", method, 1))
        assert answer.status == 413
        assert_rest_exception(answer)
        assert_last(answer)
        assert upstream.received == []


@pytest.mark.parametrize(
    "data",
    [
        post(b"Content-Length: 23"),
        post(b"Content-Length: 65536"),
        post(b"Content-Length: 1", body=b""),
        post(CHUNKED, body=chunked(NUMBER)[:-2]),
        post(CHUNKED, body=chunked(NUMBER)[:-5]),
        post(CHUNKED, body=chunked(NUMBER)[:-9]),
        post(CHUNKED, body=b""),
        post(b"Expect: 100-continue", LENGTH, body=b""),
        SMUGGLED[:-2],
        SMUGGLED[:-1],
        request(b"POST %b?_method=DELETE HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION, LENGTH, body=b"x"),
    ],
)
async def test_what_ends_too_early_is_never_acted_on(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with proxy_before() as (_, client, upstream):
        await client.send(data)
        client.writer.write_eof()
        while answer := await client.receive():
            assert answer.status in (100, 400)
        assert upstream.received == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# What would be dear if it were done


def xml(body: bytes) -> bytes:
    return post(b"Content-Length: %d" % len(body), body=body).replace(FORM, b"Content-Type: application/xml")


def number(text: bytes) -> bytes:
    return post(b"Content-Length: %d" % (len(text) + 12), body=b"PhoneNumber=" + text)


BOMB = gzip.compress(bytes(50_000_000))
LAUGHS = b"".join(b'<!ENTITY l%d "%b">' % (n + 1, b"&l%d;" % n * 10) for n in range(20))
MULTIPART = b'--b0\r\nContent-Disposition: form-data; name="x"\r\n\r\nx\r\n' * 1000 + b"--b0--\r\n"


class Dear(NamedTuple):
    data: bytes
    most: float = 0.05
    """Seconds of CPU, in which nobody else is served."""
    statuses: Sequence[int] = (400,)


DEAR: Mapping[str, Dear] = {
    # rows 14 and 38: at most 10 ms
    "a gzip bomb": Dear(
        post(b"Content-Encoding: gzip", b"Content-Length: %d" % len(BOMB), body=BOMB), 0.01, (413, 415)
    ),
    "a billion laughs": Dear(
        xml(b"<!DOCTYPE r [<!ENTITY l0 'ha'>" + LAUGHS + b"]><r><x>&l20;</x></r>"), 0.01
    ),
    "a quadratic blow-up": Dear(
        xml(b"<!DOCTYPE r [<!ENTITY x '%b'>]><r><x>%b</x></r>" % (b"x" * 20_000, b"&x;" * 10_000)), 0.01
    ),
    "20,000 elements in each other": Dear(xml(b"<x>" * 20_000)),
    "200 elements in each other, many times": Dear(
        xml(b"<r>" + (b"<x>" * 200 + b"</x>" * 200) * 40 + b"</r>")
    ),
    "16,000 elements in a row": Dear(xml(b"<r>" + b"<x/>" * 16_000 + b"</r>")),
    "4,000 attributes": Dear(xml(b"<r " + b"".join(b"a%d='' " % n for n in range(4000)) + b"/>")),
    "30,000 fields": Dear(post(b"Content-Length: 60000", body=b"x&" * 30_000)),
    "1,000 parts": Dear(
        post(b"Content-Length: %d" % len(MULTIPART), body=MULTIPART).replace(
            FORM, b"Content-Type: multipart/form-data; boundary=b0"
        )
    ),
    "a number of 4,000 spaces": Dear(number(b"+" * 4000)),
    "a number of 4,000 spaces around a one": Dear(number(b"+" * 2000 + b"1" + b"+" * 2000 + b"x")),
    "a number of 4,000 ones": Dear(number(b"1" * 4000)),
    "a number of ones and spaces": Dear(number(b"1+" * 2000)),
}


@pytest.mark.parametrize("name", DEAR)
async def test_what_would_be_dear_costs_little(name: str) -> None:
    data, most, statuses = DEAR[name]
    assert await cost(data, statuses) <= most


async def cost(data: bytes, statuses: Sequence[int]) -> float:
    """Return the seconds of CPU that a refusal takes at best, the test's own share included."""
    costs = []
    async with proxy_before() as proxy:
        for _ in range(5):
            async with connect(proxy.port) as client:
                begun = time.process_time()
                answer = await asked(client, data)
                costs.append(time.process_time() - begun)
                assert answer.status in statuses
        assert proxy.upstream.received == []
    return min(costs)


# Deadlines, in seconds

Check = Callable[[Proxy], Awaitable[None]]


@contextmanager
def seconds(least: float, most: float) -> Iterator[None]:
    """Check how long the block took."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    yield
    assert least <= clock() - begun <= most


async def trickle(client: RawClient, data: bytes, *, every: float = 1) -> None:
    """Send a byte a second for as long as there is somebody who reads."""
    with contextlib.suppress(ConnectionError):
        for byte in data:
            await client.send(bytes([byte]))
            await asyncio.sleep(every)


async def assert_late(client: RawClient, least: float, most: float, *, linger: float = 10.5) -> None:
    """Check that a 408 comes between these seconds from now, and closes the connection."""
    with seconds(least, most):
        answer = await client.receive(within=200)
    assert answer is not None, "the connection was closed without a word"
    assert answer.status == 408
    assert_rest_exception(answer)
    assert_last(answer)
    with seconds(0, linger):
        assert await client.is_closed(within=200)


async def silence(proxy: Proxy) -> None:
    with seconds(9.9, 10.5):
        assert await proxy.client.receive(within=200) is None


async def line_breaks_and_then_silence(proxy: Proxy) -> None:
    """They are the beginning of nothing, but the connection is no better than a silent one."""
    await proxy.client.send(b"\r\n")
    with seconds(9.9, 10.5):
        answer = await proxy.client.receive(within=200)
        assert answer is None or answer.status == 408
        assert await proxy.client.is_closed()


async def half_a_head(proxy: Proxy) -> None:
    await proxy.client.send(SMUGGLED[:-2])
    await assert_late(proxy.client, 9.9, 10.5)


async def half_a_request_line(proxy: Proxy) -> None:
    await proxy.client.send(b"G")
    await assert_late(proxy.client, 9.9, 10.5)


async def a_head_that_trickles(proxy: Proxy) -> None:
    async with asyncio.TaskGroup() as both:
        both.create_task(trickle(proxy.client, get()[:30]))
        both.create_task(assert_late(proxy.client, 9.9, 10.5))


async def a_second_head_that_trickles(proxy: Proxy) -> None:
    await assert_alive(proxy.client)
    await asyncio.sleep(30)
    async with asyncio.TaskGroup() as both:
        both.create_task(trickle(proxy.client, get()[:30]))
        both.create_task(assert_late(proxy.client, 9.9, 10.5))


async def half_a_head_behind_a_request(proxy: Proxy) -> None:
    """Wait for the limit of idle connections: the parser does not tell that it holds half a head."""
    await proxy.client.send(WRONG + SMUGGLED[:-2])
    answer = await proxy.client.receive()
    assert answer is not None
    assert answer.status == 401
    with seconds(70, 76):
        assert await proxy.client.is_closed(within=200)


async def half_a_head_behind_a_body(proxy: Proxy) -> None:
    await proxy.client.send(post(LENGTH, body=b""))
    await proxy.client.send(NUMBER[:-1] + b"x" + SMUGGLED[:-2])
    answer = await proxy.client.receive()
    assert answer is not None
    assert answer.status == 400
    with seconds(70, 76):
        assert await proxy.client.is_closed(within=200)


async def half_a_body(proxy: Proxy) -> None:
    await proxy.client.send(post(b"Content-Length: 23"))
    await assert_late(proxy.client, 19.9, 20.5)


async def half_a_body_is_not_waited_for_any_longer(proxy: Proxy) -> None:
    await proxy.client.send(post(b"Content-Length: 23"))
    await assert_late(proxy.client, 19.9, 20.5, linger=0.5)


async def half_a_chunked_body(proxy: Proxy) -> None:
    await proxy.client.send(post(CHUNKED, body=chunked(NUMBER)[:-5]))
    await assert_late(proxy.client, 19.9, 20.5)


async def a_body_that_trickles(proxy: Proxy) -> None:
    await proxy.client.send(post(b"Content-Length: 100", body=b""))
    async with asyncio.TaskGroup() as both:
        both.create_task(trickle(proxy.client, b"&" * 99))
        both.create_task(assert_late(proxy.client, 19.9, 20.5))


async def the_body_of_a_get_that_trickles(proxy: Proxy) -> None:
    await proxy.client.send(get(b"Content-Length: 100"))
    async with asyncio.TaskGroup() as both:
        both.create_task(trickle(proxy.client, b"&" * 99))
        both.create_task(assert_late(proxy.client, 19.9, 20.5))


async def leave_that_is_not_used(proxy: Proxy) -> None:
    await proxy.client.send(post(LENGTH, b"Expect: 100-continue", body=b""))
    leave = await proxy.client.receive()
    assert leave is not None
    assert leave.status == 100
    await assert_late(proxy.client, 19.9, 20.5)


async def a_body_beyond_the_limit_that_never_comes(proxy: Proxy) -> None:
    with seconds(0, 0.5):
        answer = await proxy.client.ask(post(b"Content-Length: 99999999999", body=b""))
        assert answer.status == 413
    with seconds(0, 10.5):
        assert await proxy.client.is_closed(within=200)


async def a_body_beyond_the_limit_that_trickles(proxy: Proxy) -> None:
    answer = await proxy.client.ask(post(b"Content-Length: 99999999999", body=b""))
    assert answer.status == 413
    sending = asyncio.create_task(trickle(proxy.client, b"&" * 99))
    with seconds(0, 10.5):
        assert await proxy.client.is_closed(within=200)
    await sending


async def a_head_in_pieces(proxy: Proxy) -> None:
    """As slow as it may be."""
    for _ in range(2):
        await trickle(proxy.client, WRONG[:3], every=3)
        answer = await proxy.client.ask(WRONG[3:])
        assert answer.status == 401


async def a_body_in_pieces(proxy: Proxy) -> None:
    """As slow as it may be."""
    await proxy.client.send(post(b"Content-Length: 13", body=b""))
    await trickle(proxy.client, b"PhoneNumber=", every=1.5)
    answer = await proxy.client.ask(b"1")
    assert answer.status == 400
    await assert_alive(proxy.client)


def idle(data: bytes, pieces: int, last: float) -> Check:
    async def check(proxy: Proxy) -> None:
        """Check that an idle connection is kept without a word until its own time has come."""
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            await asyncio.sleep(0.1)
            await proxy.client.send(data[start : start + size])
        answer = await proxy.client.receive()
        assert answer is not None
        assert answer.status == 400
        await asyncio.sleep(last)
        await assert_alive(proxy.client)
        with seconds(74, 76):
            assert await proxy.client.receive(within=200) is None

    return check


async def idle_after_a_line_break(proxy: Proxy) -> None:
    """Check that a line break is no beginning of a request: browsers of the time send one behind a form."""
    answer = await proxy.client.ask(post(b"Content-Length: 13", body=b"PhoneNumber=1"))
    assert answer.status == 400
    await proxy.client.send(b"\r\n")
    await asyncio.sleep(11)
    await assert_alive(proxy.client)


ONE_BODY = post(b"Content-Length: 13", body=b"PhoneNumber=1")
WAITS: Mapping[str, Check] = {
    "silence": silence,
    "line breaks, and then silence": line_breaks_and_then_silence,
    "half a head": half_a_head,
    "half a request line": half_a_request_line,
    "a head that trickles": a_head_that_trickles,
    "a second head that trickles": a_second_head_that_trickles,
    "half a head behind a request": half_a_head_behind_a_request,
    "half a head behind a body": half_a_head_behind_a_body,
    "half a body": half_a_body,
    "half a body is not waited for any longer": half_a_body_is_not_waited_for_any_longer,
    "half a chunked body": half_a_chunked_body,
    "a body that trickles": a_body_that_trickles,
    "the body of a GET that trickles": the_body_of_a_get_that_trickles,
    "leave that is not used": leave_that_is_not_used,
    "a body beyond the limit that never comes": a_body_beyond_the_limit_that_never_comes,
    "a body beyond the limit that trickles": a_body_beyond_the_limit_that_trickles,
    "a head in pieces": a_head_in_pieces,
    "a body in pieces": a_body_in_pieces,
    "11 idle seconds after a request": idle(ONE_BODY, 1, 11),
    "11 idle seconds after a request in two pieces": idle(ONE_BODY, 2, 11),
    "11 idle seconds after a request in many pieces": idle(ONE_BODY, 40, 11),
    "11 idle seconds after a chunked request": idle(
        post(CHUNKED, body=chunked(b"PhoneNumber=", b"1")), 12, 11
    ),
    "74 idle seconds after a request": idle(ONE_BODY, 2, 74),
    "11 idle seconds after a line break": idle_after_a_line_break,
}


@pytest.mark.parametrize("name", WAITS)
def test_deadline(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async def wait() -> None:
        async with proxy_before() as proxy:
            await WAITS[name](proxy)
            assert proxy.upstream.received == []

    leap.run(wait())
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
