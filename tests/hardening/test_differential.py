"""No request is smuggled: the same bytes sent to the proxy itself, through nginx and through HAProxy.

Whoever stands before the proxy, no more requests come out behind it, and no other ones, than that one says to
have sent. Where nobody does, it is those that are well-formed: where two could disagree about what a request
is, nothing that came with it is acted on.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from support import leap
from support.fronts import HAPROXY, NGINX, Front, running
from support.running import UNLIMITED, running_proxy
from support.seed import TOKEN, basic
from support.streams import stream_server
from support.wire import Message, connect, json_answer, read_message

SID = "PN" + "1" * 32
FIRST, OTHER = (b"AC" + letter * 32 for letter in (b"F", b"S"))  # for the accounts of a row
LIST = b"/2008-08-01/Accounts/%b/OutgoingCallerIds" % FIRST
ONE = LIST + b"/" + SID.encode()
HOST = b"Host: api.twilio.com"
AUTHORIZATION = f"Authorization: {basic()}".encode()
FORM = b"Content-Type: application/x-www-form-urlencoded"
BODY = b"PhoneNumber=4158675309&FriendlyName=x"
SIZE = b"%x" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"


class Row(NamedTuple):
    """What is sent, and how many of its two requests the upstream gets where nobody stands in between."""

    data: bytes
    first: int
    second: int


def request(start: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"".join(line + b"\r\n" for line in (start, HOST, AUTHORIZATION, *headers)) + b"\r\n" + body


SECOND = request(b"DELETE " + ONE.replace(FIRST, OTHER) + b" HTTP/1.1")

METHODS: Mapping[str, bytes] = {
    "list": b"GET " + LIST,
    "validate": b"POST " + LIST,
    "rename": b"PUT " + ONE,
    "delete": b"DELETE " + ONE,
}
READING = ("list", "delete")
"""Those that do without a body."""


def length(value: bytes | int, name: bytes = b"Content-Length: ") -> bytes:
    return name + (b"%d" % value if isinstance(value, int) else value)


def chunks(*sizes: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Send the body as one chunk whose size is written in some way, and then its end."""
    return b"".join(size + BODY + b"\r\n" for size in sizes) + end


EXACT = length(len(BODY))
# Headers, body, and whether everybody has to read it the same way
FRAMINGS: Mapping[str, tuple[Sequence[bytes], bytes, bool]] = {
    "a length": ([EXACT], BODY, True),
    "a length with leading zeros": ([length(b"000%d" % len(BODY))], BODY, True),
    "a length between tabs": ([length(b"\t%d\t" % len(BODY))], BODY, True),
    "a length in lower case": ([length(len(BODY), b"content-length:")], BODY, True),
    "one chunk": ([CHUNKED], chunks(SIZE + b"\r\n"), True),
    "a chunk with leading zeros": ([CHUNKED], chunks(b"000" + SIZE + b"\r\n"), True),
    "capitals": ([b"TRANSFER-ENCODING: Chunked"], chunks(SIZE.upper() + b"\r\n"), True),
    "a chunk extension": ([CHUNKED], chunks(SIZE + b";a=b\r\n"), True),
    "a quoted chunk extension": ([CHUNKED], chunks(SIZE + b';a="b;c"\r\n'), True),
    "a trailer": ([CHUNKED], chunks(SIZE + b"\r\n", end=b"0\r\nX-Trailer: x\r\n\r\n"), True),
    "zeros as the last chunk": ([CHUNKED], chunks(SIZE + b"\r\n", end=b"000\r\n\r\n"), True),
    "a trailer that is a length": (
        [CHUNKED],
        chunks(SIZE + b"\r\n", end=b"0\r\nContent-Length: 5\r\n\r\n"),
        False,
    ),
    "length and chunks": ([EXACT, CHUNKED], chunks(SIZE + b"\r\n"), False),
    "chunks and length": ([CHUNKED, EXACT], chunks(SIZE + b"\r\n"), False),
    "length and chunks, but the length is right": ([EXACT, CHUNKED], BODY, False),
    "a length of the second request too, and chunks": ([length(999), CHUNKED], chunks(SIZE + b"\r\n"), False),
    "no length and chunks": ([length(0), CHUNKED], chunks(SIZE + b"\r\n"), False),
    "two lengths": ([EXACT, length(0)], BODY, False),
    "two lengths, the other way round": ([length(0), EXACT], BODY, False),
    "a length twice": ([EXACT, EXACT], BODY, False),
    "a list of lengths": ([EXACT + b", 0"], BODY, False),
    "a length with a plus sign": ([length(b"+%d" % len(BODY))], BODY, False),
    "a negative length": ([length(-1)], BODY, False),
    "a hexadecimal length": ([length(b"0x" + SIZE)], BODY, False),
    "a length of 2^64": ([length(2**64 + len(BODY))], BODY, False),
    "a length with a fraction": ([EXACT + b".0"], BODY, False),
    "an empty length": ([length(b"")], BODY, False),
    "a length in another script": ([length("\u0663\u0667".encode())], BODY, False),
    "a space before the colon of a length": ([length(len(BODY), b"Content-Length : ")], BODY, False),
    "a folded length": ([length(b"\r\n %d" % len(BODY))], BODY, False),
    "identity": ([b"Transfer-Encoding: identity", EXACT], BODY, False),
    "gzip, chunked": ([b"Transfer-Encoding: gzip, chunked"], chunks(SIZE + b"\r\n"), False),
    "chunked, identity": ([b"Transfer-Encoding: chunked, identity"], chunks(SIZE + b"\r\n"), False),
    "chunked twice": ([CHUNKED, CHUNKED], chunks(SIZE + b"\r\n"), False),
    "chunked, chunked": ([CHUNKED + b", chunked"], chunks(SIZE + b"\r\n"), False),
    "chunked and nonsense": ([CHUNKED, b"Transfer-Encoding: x"], chunks(SIZE + b"\r\n"), False),
    "xchunked": ([b"Transfer-Encoding: xchunked"], chunks(SIZE + b"\r\n"), False),
    "chunked after a vertical tab": ([b"Transfer-Encoding: \x0bchunked"], chunks(SIZE + b"\r\n"), False),
    "chunked before a semicolon": ([CHUNKED + b";x"], chunks(SIZE + b"\r\n"), False),
    "a quoted chunked": ([b'Transfer-Encoding: "chunked"'], chunks(SIZE + b"\r\n"), False),
    "a folded chunked": ([b"Transfer-Encoding:\r\n chunked"], chunks(SIZE + b"\r\n"), False),
    "a space before the colon of chunked": ([b"Transfer-Encoding : chunked"], chunks(SIZE + b"\r\n"), False),
    "chunked before a bare CR": ([CHUNKED + b"\rX: x"], chunks(SIZE + b"\r\n"), False),
    "chunked behind a bare LF": ([b"X: x\n" + CHUNKED], chunks(SIZE + b"\r\n"), False),
    "chunked behind NUL": ([b"Transfer-Encoding: \0chunked"], chunks(SIZE + b"\r\n"), False),
    "a negative chunk": ([CHUNKED], chunks(b"-1\r\n"), False),
    "a chunk with a plus sign": ([CHUNKED], chunks(b"+" + SIZE + b"\r\n"), False),
    "a chunk with 0x": ([CHUNKED], chunks(b"0x" + SIZE + b"\r\n"), False),
    "a chunk without a size": ([CHUNKED], chunks(b"\r\n"), False),
    "a chunk of 2^64 more": ([CHUNKED], chunks(b"1" + SIZE.rjust(16, b"0") + b"\r\n"), False),
    "a space before the size of a chunk": ([CHUNKED], chunks(b" " + SIZE + b"\r\n"), False),
    "a space after the size of a chunk": ([CHUNKED], chunks(SIZE + b" \r\n"), False),
    "LF after the size of a chunk": ([CHUNKED], chunks(SIZE + b"\n"), False),
    "CR after the size of a chunk": ([CHUNKED], chunks(SIZE + b"\r"), False),
    "LF in a chunk extension": ([CHUNKED], chunks(SIZE + b";a\nb\r\n"), False),
    "CR in a chunk extension": ([CHUNKED], chunks(SIZE + b";a\rb\r\n"), False),
    "a chunk that is too short": ([CHUNKED], chunks(b"5\r\n"), False),
    "no line break after a chunk": ([CHUNKED], SIZE + b"\r\n" + BODY + b"0\r\n\r\n", False),
    "two bytes for a line break": ([CHUNKED], SIZE + b"\r\n" + BODY + b"xx0\r\n\r\n", False),
    "LF after a chunk": ([CHUNKED], SIZE + b"\r\n" + BODY + b"\n0\r\n\r\n", False),
    "LF at the end": ([CHUNKED], chunks(SIZE + b"\r\n", end=b"0\n\n"), False),
    "a trailer without a colon": ([CHUNKED], chunks(SIZE + b"\r\n", end=b"0\r\nx\r\n\r\n"), False),
}

Expected = tuple[int, int]
# More headers of a request, and how many of the two requests the upstream gets
HEADERS: Mapping[str, tuple[Sequence[bytes], Expected]] = {
    "nothing more": ([], (1, 1)),
    "an unknown header": ([b"X-Custom: x"], (1, 1)),
    "an empty value": ([b"X-Custom:"], (1, 1)),
    "Latin-1 in a value": ([b"X-Custom: \xe9"], (1, 1)),
    "an underscore in a name": ([b"Content_Length: 5"], (1, 1)),
    "another underscore in a name": ([b"Transfer_Encoding: chunked"], (1, 1)),
    "a header that looks like a length": ([b"X-Content-Length: 5"], (1, 1)),
    "conditions and ranges": ([b"If-None-Match: *", b"Range: bytes=0-1"], (1, 1)),
    "who it was sent for": ([b"X-Forwarded-For: 10.0.0.1", b"X-Forwarded-Host: evil", b"Via: x"], (1, 1)),
    "where it was sent to": ([b"X-Original-URL: /", b"X-Rewrite-URL: /", b"Forwarded: host=evil"], (1, 1)),
    "another method": ([b"X-HTTP-Method-Override: DELETE"], (1, 1)),
    "a cookie": ([b"Cookie: a=b"], (1, 1)),
    "to stay": ([b"Connection: keep-alive"], (1, 1)),
    "to go, and yet a second one": ([b"Connection: close"], (1, 0)),
    "a header of one hop": ([b"Connection: Authorization"], (1, 1)),
    "a length of one hop": ([b"Connection: Content-Length", length(0)], (1, 1)),
    "trailers that are welcome": ([b"TE: trailers"], (1, 1)),
    "trailers that are announced": ([b"Trailer: X-Trailer"], (1, 1)),
    "to go on": ([b"Expect: 100-continue"], (1, 1)),
    "to do something else": ([b"Expect: x"], (0, 0)),
    "an upgrade": ([b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"], (1, 0)),
    "an upgrade to HTTP/2": ([b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"], (1, 0)),
    "an upgrade of no connection": ([b"Upgrade: h2c"], (1, 1)),
    "a packed body": ([b"Content-Encoding: gzip"], (0, 0)),
    "a space before the colon": ([b"X-Custom : x"], (0, 0)),
    "a tab before the colon": ([b"X-Custom\t: x"], (0, 0)),
    "a fold": ([b"X-Custom: x", b" Content-Length: 99"], (0, 0)),
    "a fold with a tab": ([b"X-Custom: x", b"\tContent-Length: 99"], (0, 0)),
    "no name": ([b": x"], (0, 0)),
    "no colon": ([b"X-Custom"], (0, 0)),
    "a space in a name": ([b"X Custom: x"], (0, 0)),
    "a name that is no token": ([b"X(Custom): x"], (0, 0)),
    "NUL in a name": ([b"X\0Custom: x"], (0, 0)),
    "NUL in a value": ([b"X-Custom: a\0b"], (0, 0)),
    "CR in a value": ([b"X-Custom: a\rContent-Length: 99"], (0, 0)),
    "LF in a value": ([b"X-Custom: a\nContent-Length: 99"], (0, 0)),
    "CR CR LF": ([b"X-Custom: a\r"], (0, 0)),
    "an end by LF": ([b"X-Custom: a\n"], (0, 0)),
    "a header twice": ([b"User-Agent: a", b"User-Agent: b"], (1, 1)),
    "a header twice, with a byte that is no ASCII": ([b"User-Agent: \xe9", b"User-Agent: b"], (1, 1)),
    "a type twice": ([b"Content-Type: a/b", b"Content-Type: a/b"], (1, 1)),
    "a type, and another one": ([b"Content-Type: a/b", b"Content-Type: a/c"], (0, 0)),
    "another Host": ([b"Host: evil"], (0, 0)),
    "another Authorization": ([AUTHORIZATION], (0, 1)),
    "a header that is too long": ([b"X-Custom: " + b"x" * 9000], (0, 0)),
    "too many headers": ([b"X-Custom: x"] * 100, (0, 0)),
}
# What takes the place of the path
TARGETS: Mapping[str, tuple[bytes, Expected]] = {
    "absolute": (b"http://evil.example" + ONE, (1, 1)),
    "absolute with a port": (b"http://evil.example:9000" + ONE, (1, 1)),
    "absolute with a user": (b"http://user:secret@evil.example" + ONE, (1, 1)),
    "absolute, https": (b"https://evil.example" + ONE, (1, 1)),
    "absolute, another scheme": (b"gopher://evil.example" + ONE, (0, 1)),
    "absolute without a host": (b"http://" + ONE, (0, 0)),
    "two slashes": (b"/" + ONE, (1, 1)),
    "a slash at the end": (ONE + b"/", (1, 1)),
    "a query": (ONE + b"?a=b", (1, 1)),
    "a query that is no ASCII": (ONE + b"?a=\xe9" * 40, (1, 1)),
    "another method in the query": (ONE + b"?_method=PUT", (1, 1)),
    "a suffix": (ONE + b".json", (1, 1)),
    "an account in the query": (ONE + b"?/Accounts/AC" + b"c" * 32, (1, 1)),
    "an encoded letter": (ONE.replace(b"Accounts", b"%41ccounts"), (0, 1)),
    "an encoded slash": (ONE.replace(b"/PN", b"%2FPN"), (0, 1)),
    "dots": (ONE + b"/../x", (0, 1)),
    "dots that lead back": (b"/x/.." + ONE, (0, 1)),
    "encoded dots": (b"/%2e%2e" + ONE, (0, 1)),
    "a parameter of the path": (ONE + b";x", (0, 1)),
    "an encoded line break": (ONE + b"%0d%0aX:x", (0, 1)),
    "an encoded NUL": (ONE + b"%00", (0, 1)),
    "a half of an encoding": (ONE + b"%", (0, 1)),
    "a backslash": (ONE.replace(b"/PN", b"\\PN"), (0, 1)),
    "a fragment": (ONE + b"#x", (0, 1)),
    "a space": (ONE + b" x", (0, 0)),
    "a tab": (ONE + b"\tx", (0, 0)),
    "a byte that is no ASCII": (ONE + b"\xe9", (0, 1)),
    "a star": (b"*", (0, 0)),
    "a host and port": (b"evil.example:443", (0, 0)),
    "nothing": (b"", (0, 0)),
}
VERSIONS: Mapping[str, tuple[bytes, Sequence[bytes], Expected]] = {
    "HTTP/1.0, and yet a second one": (b"HTTP/1.0", [], (1, 0)),
    "HTTP/1.0 that stays": (b"HTTP/1.0", [b"Connection: keep-alive"], (1, 1)),
    "HTTP/1.0 with chunks": (b"HTTP/1.0", [CHUNKED], (0, 0)),
    "HTTP/0.9": (b"HTTP/0.9", [], (0, 0)),
    "HTTP/1.2": (b"HTTP/1.2", [], (0, 0)),
    "HTTP/2.0": (b"HTTP/2.0", [], (0, 0)),
    "HTTP/01.1": (b"HTTP/01.1", [], (0, 0)),
    "in lower case": (b"http/1.1", [], (0, 0)),
    "another protocol": (b"ICAP/1.0", [], (0, 0)),
    "something behind": (b"HTTP/1.1 x", [], (0, 0)),
    "a space behind": (b"HTTP/1.1 ", [], (0, 0)),
    "none": (b"", [], (0, 0)),
}
WHOLE = request(METHODS["rename"] + b" HTTP/1.1", FORM, EXACT, body=BODY)
PLAIN = request(METHODS["list"] + b" HTTP/1.1")
# Whole connections
OTHERS: Mapping[str, Row] = {
    "one request in the body of another": Row(
        request(METHODS["list"] + b" HTTP/1.1", length(len(SECOND)), body=SECOND), 1, 0
    ),
    "one request in a chunk of another": Row(
        request(
            METHODS["list"] + b" HTTP/1.1", CHUNKED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(SECOND), SECOND)
        ),
        1,
        0,
    ),
    "one request in a form": Row(
        request(
            METHODS["rename"] + b" HTTP/1.1", FORM, length(len(BODY + SECOND)), body=BODY + b"&" + SECOND[1:]
        ),
        1,
        0,
    ),
    "one request in a trailer": Row(
        request(METHODS["list"] + b" HTTP/1.1", CHUNKED, body=b"0\r\nX: " + SECOND), 0, 0
    ),
    "one request in an interim": Row(
        request(METHODS["list"] + b" HTTP/1.1", b"Expect: 100-continue", length(len(SECOND)), body=SECOND),
        1,
        0,
    ),
    "a body that has no length": Row(request(METHODS["rename"] + b" HTTP/1.1", FORM, body=SECOND), 0, 1),
    "a body that is cut off": Row(
        request(METHODS["rename"] + b" HTTP/1.1", FORM, length(900), body=SECOND), 0, 0
    ),
    "a chunk that is cut off": Row(
        request(METHODS["list"] + b" HTTP/1.1", CHUNKED, body=b"fff\r\n" + SECOND), 0, 0
    ),
    "three in a row": Row(PLAIN + WHOLE + SECOND, 2, 1),
    "twenty in a row": Row(PLAIN * 10 + WHOLE * 9 + SECOND, 19, 1),
    "forty in a row": Row(WHOLE * 39 + SECOND, 39, 1),
    "a line break before": Row(b"\r\n" + PLAIN + SECOND, 1, 1),
    "a line break between": Row(WHOLE + b"\r\n" + SECOND, 1, 1),
    "a line feed between": Row(WHOLE + b"\n" + SECOND, 1, 1),
    "NUL between": Row(WHOLE + b"\0" + SECOND, 1, 0),
    "a space between": Row(WHOLE + b" " + SECOND, 1, 0),
    "more than the length": Row(WHOLE + b"x" + SECOND, 1, 0),
    "an answer before": Row(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + SECOND, 0, 0),
    "HTTP/2": Row(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SECOND, 0, 0),
    "a PROXY header": Row(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + SECOND, 0, 0),
    "line feeds alone": Row(PLAIN.replace(b"\r\n", b"\n") + SECOND, 0, 0),
    "carriage returns alone": Row(PLAIN.replace(b"\r\n", b"\r") + SECOND, 0, 0),
    "another method": Row(request(b"PATCH " + ONE + b" HTTP/1.1") + SECOND, 0, 1),
    "CONNECT": Row(request(b"CONNECT evil.example:443 HTTP/1.1") + SECOND, 0, 0),
    "TRACE": Row(request(b"TRACE " + ONE + b" HTTP/1.1") + SECOND, 0, 1),
    "an unknown method": Row(request(b"GETS " + ONE + b" HTTP/1.1") + SECOND, 0, 0),
    "a method in lower case": Row(request(b"get " + ONE + b" HTTP/1.1") + SECOND, 0, 0),
    "HEAD": Row(request(b"HEAD " + ONE + b" HTTP/1.1") + SECOND, 1, 1),
    "no Host": Row(PLAIN.replace(HOST + b"\r\n", b"") + SECOND, 0, 0),
    "POST that deletes": Row(request(b"POST " + ONE + b"?_method=DELETE HTTP/1.1", length(0)) + SECOND, 1, 1),
}


def _rows() -> Iterator[tuple[str, Row]]:
    for how, start in METHODS.items():
        for name, (headers, body, is_well) in FRAMINGS.items():
            data = request(start + b" HTTP/1.1", FORM, *headers, body=body)
            yield f"{how}: {name}", Row(data + SECOND, is_well, is_well)
    for how in READING:
        method = METHODS[how].partition(b" ")[0]
        for name, (headers, expected) in HEADERS.items():
            yield f"{how}: {name}", Row(request(METHODS[how] + b" HTTP/1.1", *headers) + SECOND, *expected)
        for name, (target, expected) in TARGETS.items():
            yield f"{how}: {name}", Row(request(b"%b %b HTTP/1.1" % (method, target)) + SECOND, *expected)
        for name, (version, headers, expected) in VERSIONS.items():
            yield (
                f"{how}: {name}",
                Row(request(b"%b %b" % (METHODS[how], version), *headers) + SECOND, *expected),
            )
    yield from OTHERS.items()


ROWS = dict(_rows())


def account_of(index: int, *, is_second: bool) -> str:
    """Return whose the requests of a row are: so each tells where it comes from."""
    return f"AC{'2' if is_second else '1'}{index:031x}"


class Meant(NamedTuple):
    """What a request asks for, whatever it is told in."""

    method: str
    account: str
    sid: str


_PATH = re.compile(r"/Accounts/(AC[0-9a-f]{32})/OutgoingCallerIds(?:/(PN[0-9a-f]{32}))?")


def meant(method: str, target: str) -> Meant:
    """Read a request line, of either API."""
    found = _PATH.search(target)
    account, sid = found.groups(default="") if found else ("", "")
    deletes = method == "POST" and target.endswith("?_method=DELETE")
    return Meant("DELETE" if deletes else _TODAY.get(method, method), account, sid)


_TODAY = {"PUT": "POST", "HEAD": "GET"}
"""What is another method upstream."""


class Upstream:
    """Counts what it is asked, and names whoever asks in each answer."""

    def __init__(self) -> None:
        self.asked: Counter[Meant] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while message := await read_message(reader):
                asked = meant(message.start.partition(" ")[0], message.target)
                self.asked[asked] += 1
                writer.write(_answer(asked).encode())
                await writer.drain()


def _answer(asked: Meant) -> Message:
    item = (
        f'"sid": "{asked.sid or SID}", "account_sid": "{asked.account}", "friendly_name": "{asked.account}", '
        '"phone_number": "+14158675309", "validation_code": "123456"'
    )
    match asked:
        case Meant("DELETE"):
            return Message("HTTP/1.1 204 No Content")
        case Meant("GET", sid=""):
            return json_answer(
                200, f'{{"outgoing_caller_ids": [{{{item}}}], "next_page_uri": null}}'.encode()
            )
        case _:
            return json_answer(200, f"{{{item}}}".encode())


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[int, Upstream]]:
    upstream = Upstream()
    async with (
        stream_server(upstream.serve) as behind,
        running_proxy(f"http://127.0.0.1:{behind}", UNLIMITED) as port,
    ):
        yield port, upstream


_AT_ONCE = 128
_QUIET = 2  # seconds after which nothing more is said


async def say_everything(port: int) -> None:
    """Send each row over a connection of its own, and read what comes back: nothing of anybody else's."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def say(index: int, row: Row) -> None:
        whose = [account_of(index, is_second=is_second) for is_second in (False, True)]
        data = row.data.replace(FIRST, whose[0].encode()).replace(OTHER, whose[1].encode())
        # One caller alone would not be carried out so many requests at once; no length changes
        token = str(index).rjust(len(TOKEN), "t")
        data = data.replace(AUTHORIZATION, f"Authorization: {basic(password=token)}".encode())
        async with turns, connect(port) as client:
            with suppress(ConnectionError):
                client.writer.write(data)
            said = b""
            with suppress(ConnectionError, TimeoutError):
                while more := await asyncio.wait_for(client.reader.read(65_536), _QUIET):
                    said += more
            assert set(re.findall(r"AC[12][0-9a-f]{31}", said.decode("latin-1"))) <= set(whose)

    async with asyncio.TaskGroup() as group:
        for index, row in enumerate(ROWS.values()):
            group.create_task(say(index, row))


@pytest.mark.parametrize("front", [NGINX, HAPROXY], ids=lambda front: front.program)
async def test_behind_another(front: Front, tmp_path: Path) -> None:
    async with proxy() as (port, upstream), running(front, port, tmp_path) as before:
        await say_everything(before.port)
        sent = Counter(meant(*each) for each in await before.told())
    assert upstream.asked - sent == Counter()
    assert upstream.asked.total() > sum(row.first + row.second for row in ROWS.values()) / 2


def test_directly() -> None:
    async def say() -> Upstream:
        async with proxy() as (port, upstream):
            await say_everything(port)
            return upstream

    upstream = leap.run(say())
    came: Counter[str] = Counter()
    for asked, times in upstream.asked.items():
        came[asked.account] += times
    wrong = {}
    for index, (name, row) in enumerate(ROWS.items()):
        actual = tuple(came[account_of(index, is_second=is_second)] for is_second in (False, True))
        if actual != (row.first, row.second):
            wrong[name] = actual
    assert wrong == {}
    assert len(ROWS) >= 300
