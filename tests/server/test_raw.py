"""What no well-behaved HTTP client can send, as bytes over a real socket.

Whatever is refused gets exactly one answer, a RestException, in which nothing of the request is repeated; the
connection is closed where nobody can tell what comes next, and the upstream is never asked. Refused requests
are otherwise complete: with credentials, with a number to call. Each is also sent with a second one behind
it, which would delete a caller ID if the proxy took the end of the first to be elsewhere than its sender.
"""

import json
import logging
from collections.abc import Mapping

import pytest
from support import leap
from support.costly_requests import BOMBS, DEAR, cost
from support.raw import (
    AUTHORIZATION,
    CALL,
    CANARY,
    CHUNKED,
    EMPTY_LIST,
    FORM,
    HOST,
    INSTANCE,
    LENGTH,
    NO_CONTENT,
    NUMBER,
    SMUGGLED,
    TARGET,
    WRONG,
    asked,
    assert_alive,
    assert_last,
    assert_rest_exception,
    chunked,
    get,
    post,
    proxy_before,
    request,
)
from support.refused_requests import REFUSED
from support.running import UNLIMITED
from support.served_requests import OLD, SERVED, assert_served
from support.slow_clients import ROW_11, WAITS, seconds
from support.wire import connect

# What is refused, with the statuses that are right


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
    "method",
    [b"LINK", b"PURGE", b"M-SEARCH"],  # hardening/test_inputs.py sends others
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


async def test_connect_makes_no_tunnel() -> None:
    async with proxy_before() as (_, client, upstream):
        answer = await asked(client, request(b"CONNECT api.twilio.com:443 HTTP/1.1", HOST, AUTHORIZATION))
        assert answer.status in (400, 404, 405, 501)
        assert_rest_exception(answer, 20004 if answer.status == 405 else None)
        assert upstream.received == []


@pytest.mark.parametrize("line", [b"CONNECT ", b"CONNECT  ", b"CONNECT  HTTP/1.1", b"CONNECT\t"])
async def test_connect_without_a_target_is_refused(line: bytes) -> None:
    """Aiohttp's parser sets no URL there, and its own request fails on that."""
    async with proxy_before() as (_, client, upstream):
        answer = await asked(client, request(line, HOST, AUTHORIZATION))
        assert answer.status in (400, 505)
        assert_rest_exception(answer)
        assert await client.is_closed()
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


ROWS = ("HTTP/1.0 with", "an absolute target", "an upgrade", "a GET with a")
"""Rows 4, 5, 7 and 17, which hardening/test_inputs.py sends."""


@pytest.mark.parametrize("name", [name for name in SERVED if not name.startswith(ROWS)])
async def test_served(name: str) -> None:
    await assert_served(SERVED[name])


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
    answers = [CALL, EMPTY_LIST, CALL, NO_CONTENT] * 13
    async with proxy_before(*answers, configuration=UNLIMITED) as (_, client, upstream):
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
        (post(b"Content-Length: 99999999999", b"Expect: 100-continue", body=b""), 413),
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
async def test_a_length_beyond_the_limit_is_refused_before_any_body(length: bytes) -> None:
    async with proxy_before() as (_, client, upstream):
        answer = await asked(client, get(length))
        assert answer.status == 413
        assert_rest_exception(answer)
        assert_last(answer)
        assert upstream.received == []


@pytest.mark.parametrize(
    "data",
    [
        post(b"Content-Length: 65536"),
        post(b"Content-Length: 1", body=b""),
        post(CHUNKED, body=chunked(NUMBER)[:-2]),
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


@pytest.mark.parametrize("name", sorted(DEAR.keys() - BOMBS))
async def test_what_would_be_dear_costs_little(name: str) -> None:
    data, most, statuses = DEAR[name]
    assert await cost(data, statuses) <= most


# Deadlines, in seconds


@pytest.mark.parametrize("name", [name for name in WAITS if name not in ROW_11])
def test_deadline(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async def wait() -> None:
        async with proxy_before() as proxy:
            await WAITS[name](proxy)
            assert proxy.upstream.received == []

    leap.run(wait())
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
