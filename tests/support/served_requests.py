"""Unusual requests that are served."""

from collections.abc import Mapping
from typing import NamedTuple

from support.raw import (
    AUTHORIZATION,
    CALL,
    CANARY,
    CHUNKED,
    EMPTY_LIST,
    FORM,
    HOST,
    LENGTH,
    NUMBER,
    SMUGGLED,
    TARGET,
    XML,
    asked,
    assert_alive,
    chunked,
    get,
    post,
    proxy_before,
    request,
)


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
    # A header that says nothing about the answer may come twice
    **{
        f"twice: {header.decode()}": Served(get(header, header))
        for header in (
            b"User-Agent: Twilio/1.0",
            b"Accept: */*",
            b"Content-Type: text/plain",
            b"Content-Location: /",
            b"Content-Range: bytes 0-1/2",
            b'ETag: "x"',
            b"Max-Forwards: 1",
            b"Server: x",
            b"Cookie: a=b",
            b"Date: x",
            b"Connection: keep-alive",
            b"X-Custom:",
        )
    },
    "twice: User-Agents that differ": Served(get(b"User-Agent: PHP", b"user-agent:  Twilio", b"USER-AGENT:")),
    "twice: User-Agents apart": Served(get(b"User-Agent: PHP", b"Accept: */*", b"User-Agent: PHP")),
    "twice: a User-Agent of bytes": Served(get(b"User-Agent: Fr\xfch", b"User-Agent: " + CANARY)),
    "twice: the Content-Type of a form": Served(post(FORM, LENGTH), upstream=b"POST"),
    "twice: the Content-Type in another spelling": Served(
        post(FORM.upper().replace(b": ", b":\t"), LENGTH, FORM), upstream=b"POST"
    ),
    "twice: headers of a chunked body": Served(
        post(b"User-Agent: a", CHUNKED, b"User-Agent: b", FORM, body=chunked(NUMBER)), upstream=b"POST"
    ),
    "twice: over HTTP/1.0": Served(
        request(OLD, b"User-Agent: a", b"User-Agent: b", AUTHORIZATION), start="HTTP/1.0 200 OK"
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


async def assert_served(served: Served) -> None:
    data, method, start = served
    async with proxy_before(CALL if method == b"POST" else EMPTY_LIST) as (_, client, upstream):
        answer = await asked(client, data)
        assert answer.start == start
        assert answer.header("Content-Type") == XML
        assert answer.header("Cache-Control") == "no-cache, private"
        assert CANARY not in answer.encode()
        assert [it.start.split(" ")[0] for it in upstream.received] == [method.decode()]
        assert CANARY not in b"".join(it.encode() for it in upstream.received)
        if start.startswith("HTTP/1.0") or answer.header("Connection") == "close":
            assert await client.is_closed()
        else:
            await assert_alive(client)
        assert len(upstream.received) == 1
