"""Requests that are refused, each with the statuses that are right, by the rows of hardening.md."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from support.raw import (
    AUTHORIZATION,
    CANARY,
    CHUNKED,
    FORM,
    HOST,
    INSTANCE,
    LENGTH,
    NUMBER,
    SMUGGLED,
    TARGET,
    assert_last,
    assert_rest_exception,
    chunked,
    get,
    post,
    proxy_before,
    request,
)
from support.seed import basic
from support.wire import RawClient, connect


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


GARBAGE: Mapping[str, bytes] = {
    "one letter": b"x",
    "one capital letter": b"X",
    "NUL": b"\0",
    "text": b"garbage " + CANARY,
    "text with a line end": b"garbage " + CANARY + b"\r\n",
    "text with an empty line": b"GARBAGE\r\n\r\n" + SMUGGLED,
    "another line end": b"GET / HTTP/1.1\nHost: " + CANARY + b"\n\n",
    "the rest of a form": b"&FriendlyName=" + CANARY,
    "bytes beyond ASCII": b"\xff\xfe\x80" + CANARY,
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9": VERSIONS["HTTP/0.9"].data,
    "a TLS hello": VERSIONS["a TLS hello"].data,
    "the preface of HTTP/2": VERSIONS["the preface of HTTP/2"].data,
    "a header that is none": HEADERS["a space before the colon"].data,
    "a header without its end": b"GET / HTTP/1.1\r\nHost: x\r\nX: \x01" + CANARY,
    "two Hosts": HOSTS["two Hosts"].data,
    "two lengths": LENGTHS["two lengths that differ"].data,
    "a bad chunk": LENGTHS["a negative chunk"].data,
    "a long request line": TOO_LONG["a request line over 8 KiB"].data,
}
"""Bytes that are no request, some of them without an end to wait for."""


async def assert_refused_behind(client: RawClient) -> None:
    """Check for the last answer over a connection, which refuses what was sent behind good requests."""
    answer = await client.receive()
    assert answer is not None, "the connection was closed without an answer"
    assert 400 <= answer.status < 500 or answer.status == 505
    assert_rest_exception(answer)
    assert_last(answer)
    assert CANARY not in answer.encode().lower()
    assert await client.is_closed(within=6)


async def assert_refused(refused: Refused) -> None:
    """Check for one answer without the request's text, and a close, whatever follows the request."""
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
