"""What old clients send over a connection, and what they must get: bytes in, bytes out, calls counted.

How parameters are read is tested in legacy/test_requests.py, and documents in conversations/.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest
from support.raw import (
    AUTHORIZATION,
    CALL,
    CHUNKED,
    EMPTY_LIST,
    HOST,
    INSTANCE,
    LENGTH,
    NO_CONTENT,
    NUMBER,
    SMUGGLED,
    TARGET,
    WRONG,
    XML,
    asked,
    assert_alive,
    assert_last,
    assert_no_stack,
    assert_rest_exception,
    chunked,
    get,
    post,
    proxy_before,
    request,
)
from support.refused_requests import GARBAGE, REFUSED, assert_refused_behind
from support.running import running_proxy
from support.seed import ACCOUNT, BOB
from support.served_requests import SERVED, assert_served
from support.wire import Message, RawClient, connect, json_answer, scripted_upstream

CACHED = "snapshots: {fresh: 3600}\n"
LENIENT = "legacy: {lenient_targets: true}\n"
NONE = b"?PhoneNumber=none"


async def receive(client: RawClient, statuses: Sequence[int]) -> None:
    """Check the answers to good requests, which leave the connection open."""
    for status in statuses:
        answer = await client.receive()
        assert answer is not None, "the connection was closed without an answer"
        assert answer.status == status
        assert answer.header("Connection") != "close"
        assert_no_stack(answer)


# D3: headers that come twice


@pytest.mark.parametrize("name", [name for name in SERVED if name.startswith("twice")])
async def test_found_d3_headers_that_come_twice(name: str) -> None:
    await assert_served(SERVED[name])


@pytest.mark.parametrize("name", [name for name in SERVED if name.startswith("twice") and "1.0" not in name])
async def test_found_d3_headers_that_come_twice_in_pieces(name: str) -> None:
    """And over a connection whose headers have been seen before."""
    data, method, _ = SERVED[name]
    async with proxy_before(*[CALL if method == b"POST" else EMPTY_LIST] * 3) as (_, client, upstream):
        for pieces in ([data], data.splitlines(keepends=True), [bytes([byte]) for byte in data]):
            for piece in pieces:
                await client.send(piece)
            await receive(client, [200])
        assert len(upstream.received) == 3


@pytest.mark.parametrize(
    "data",
    [
        get(HOST),
        get(AUTHORIZATION),
        post(LENGTH, LENGTH),
        post(CHUNKED, CHUNKED, body=chunked(NUMBER)),
        post(b"Content-Type: application/x-www-form-urlencoded; charset=utf-8", LENGTH),
        get(b"User-Agent: a", b"User-Agent: b\0"),
        get(b"User-Agent: a", b"User-Agent: b\rc"),
        get(b"User-Agent: a", b"User-Agent : b"),
        get(b"User-Agent: a", b"User-Agent: b", b" folded"),
    ],
)
async def test_found_d3_what_stays_strict(data: bytes) -> None:
    async with proxy_before() as (_, client, upstream):
        assert_rest_exception(await asked(client, data))
        assert upstream.received == []


# D4, D5 and D8: what answers say


FIELDS = f'{{"sid": "{BOB}", "account_sid": "{ACCOUNT}", "friendly_name": "Zoë", "phone_number": "+1415"}}'
ITEM = json_answer(200, FIELDS.encode())
ITEMS = json_answer(200, b'{"outgoing_caller_ids": [%b], "next_page_uri": null}' % ITEM.body)


NAMED = json_answer(200, b'{"friendly_name": "(415) 867-5309", "validation_code": "123456"}')
WITHOUT_NAME = f"<AccountSid>{ACCOUNT}</AccountSid><PhoneNumber>4158675309</PhoneNumber><ValidationCode>"
SHOWN: Mapping[bytes, str] = {
    b"": WITHOUT_NAME,
    b".xml": WITHOUT_NAME,
    b".json": '"PhoneNumber":"4158675309","ValidationCode":',
    b".csv": f"AccountSid,PhoneNumber,FriendlyName,ValidationCode\r\n{ACCOUNT},4158675309,,123456\r\n",
    b".html": '<div class="phone-number">4158675309</div><div class="validation-code">',
}


@pytest.mark.parametrize("suffix", SHOWN)
@pytest.mark.parametrize("body", [NUMBER, NUMBER + b"&FriendlyName="])
async def test_found_d5_a_validation_without_a_name_shows_none(suffix: bytes, body: bytes) -> None:
    async with proxy_before(NAMED) as (_, client, _):
        answer = await asked(client, Asked(b"POST", body=body).data(suffix))
        assert answer.status == 200
        assert SHOWN[suffix] in answer.body.decode()


@pytest.mark.parametrize("suffix", SHOWN)
async def test_found_d5_a_validation_with_a_name_shows_it(suffix: bytes) -> None:
    async with proxy_before(CALL) as (_, client, _):
        answer = await asked(client, Asked(b"POST", query=b"?FriendlyName=Home", body=NUMBER).data(suffix))
        assert answer.status == 200
        assert b"Home" in answer.body


class Asked(NamedTuple):
    """A request without its suffix, and what is right for it."""

    method: bytes = b"GET"
    path: bytes = TARGET
    query: bytes = b""
    body: bytes = b""
    status: int = 200
    upstream: Message = ITEMS
    login: bytes = AUTHORIZATION

    def data(self, suffix: bytes = b"") -> bytes:
        start = b"%b %b%b%b HTTP/1.1" % (self.method, self.path, suffix, self.query)
        return request(start, HOST, self.login, b"Content-Length: %d" % len(self.body), body=self.body)


ANSWERS: Mapping[str, Asked] = {
    "a list": Asked(),
    "a page past the end": Asked(query=b"?page=7"),
    "an empty list": Asked(query=NONE),
    "an instance": Asked(path=INSTANCE, upstream=ITEM),
    "the head of an instance": Asked(b"HEAD", INSTANCE, upstream=ITEM),
    "a rename": Asked(b"PUT", INSTANCE, body=b"FriendlyName=X", upstream=ITEM),
    "a validation": Asked(b"POST", body=NUMBER, upstream=CALL),
    "bad parameters": Asked(b"POST", body=b"PhoneNumber=1", status=400),
    "no login": Asked(login=b"X: x", status=401),
    "no such path": Asked(path=b"/", status=404),
    "no such method": Asked(b"PATCH", status=405),
    "nonsense of the upstream": Asked(upstream=json_answer(200, b"[]"), status=502),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("suffix", [b"", b".xml"])
async def test_found_d4_every_document_names_its_charset(name: str, suffix: bytes) -> None:
    each = ANSWERS[name]
    async with proxy_before(each.upstream) as (_, client, _):
        answer = await asked(client, each.data(suffix))
        assert answer.status == each.status
        assert answer.header("Content-Type") == XML
        assert ("Zoë".encode() in answer.body) == (name in ("a list", "an instance", "a rename"))


async def test_found_d4_what_is_no_http_too() -> None:
    async with proxy_before() as (_, client, _):
        answer = await asked(client, GARBAGE["text"])
        assert (answer.status, answer.header("Content-Type")) == (400, XML)


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("suffix", [b"", b".xml", b".json", b".csv", b".html"])
async def test_found_d8_every_200_says_that_it_is_not_to_be_used_again(name: str, suffix: bytes) -> None:
    each = ANSWERS[name]
    async with proxy_before(each.upstream) as (_, client, _):
        answer = await asked(client, each.data(suffix))
        assert answer.status == each.status
        assert answer.header("Cache-Control") == ("no-cache, private" if each.status == 200 else None)


async def test_found_d8_cached_answers_say_it_too() -> None:
    async with scripted_upstream(EMPTY_LIST) as upstream, running_proxy(upstream.url, CACHED) as port:
        async with connect(port) as client:
            for _ in range(3):
                answer = await asked(client, get())
                assert answer.header("Cache-Control") == "no-cache, private"
                assert answer.header("Content-Type") == XML
        assert upstream.hits("GET") == 1


async def test_found_d8_a_204_says_nothing() -> None:
    async with proxy_before(NO_CONTENT) as (_, client, _):
        answer = await asked(client, SMUGGLED)
        assert (answer.status, answer.header("Cache-Control")) == (204, None)


# D7, targets

RAW_NAMES: Mapping[bytes, str] = {
    b"Caf\xc3\xa9": "Caf%C3%A9",
    b"Caf\xe9": "Caf%C3%A9",
    b"\x93Main\x94": "%E2%80%9CMain%E2%80%9D",
    "Главная линия".replace(
        " ", "+"
    ).encode(): "%D0%93%D0%BB%D0%B0%D0%B2%D0%BD%D0%B0%D1%8F+%D0%BB%D0%B8%D0%BD%D0%B8%D1%8F",
    "\U0001f4de".encode(): "%F0%9F%93%9E",
}


@pytest.mark.parametrize("name", RAW_NAMES)
async def test_found_d7_bytes_above_127_in_a_query(name: bytes) -> None:
    async with proxy_before(*[EMPTY_LIST] * 4) as (port, client, upstream):
        data = get(target=TARGET + b"?FriendlyName=" + name)
        assert (await asked(client, data)).status == 200
        for byte in data:
            await client.send(bytes([byte]))
        assert (await client.receive()) is not None
        await client.send(data[:-40])
        async with connect(port) as other:  # by the time it is answered, the beginning has been read
            await assert_alive(other)
        assert (await asked(client, data[-40:])).status == 200
        old = data.replace(b"HTTP/1.1", b"HTTP/1.0")
        assert (await asked(client, old)).status == 200
        assert {it.target.partition("?")[2].partition("&")[0] for it in upstream.received} == {
            f"FriendlyName={RAW_NAMES[name]}"
        }
        assert len(upstream.received) == 4


SPACED = TARGET + b"?FriendlyName=Company Main Line"


@pytest.mark.parametrize("configuration", ["", "legacy: {lenient_targets: false}\n"])
async def test_found_d7_a_space_in_a_target_is_refused(configuration: str) -> None:
    async with scripted_upstream() as upstream, running_proxy(upstream.url, configuration) as port:
        for data in (get(target=SPACED), get(target=TARGET + b" x"), get(target=TARGET + b"?x= HTTP/1.1")):
            async with connect(port) as client:
                answer = await asked(client, data)
                assert_rest_exception(answer)
                assert_last(answer)
                assert await client.is_closed()
        assert upstream.received == []


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"Company Main Line", "Company+Main+Line"),
        (b"Company Main Line&page=0", "Company+Main+Line"),
        (b"Caf\xe9 Bar", "Caf%C3%A9+Bar"),
        (b"a HTTP/1.1", "a+HTTP%2F1.1"),
        (b"a HTTP/1.0 b", "a+HTTP%2F1.0+b"),
        (b" a  b ", "+a++b+"),
    ],
)
async def test_found_d7_a_space_in_a_target_where_it_is_taken(query: bytes, name: str) -> None:
    async with (
        scripted_upstream(*[EMPTY_LIST] * 3) as upstream,
        running_proxy(upstream.url, LENIENT) as port,
        connect(port) as client,
    ):
        data = get(target=TARGET + b"?FriendlyName=" + query)
        assert (await asked(client, data)).status == 200
        for byte in data:
            await client.send(bytes([byte]))
        assert (await client.receive()) is not None
        assert (await asked(client, data)).status == 200
        await assert_alive(client)
        assert {it.target.partition("&PageSize")[0].partition("?")[2] for it in upstream.received} == {
            f"FriendlyName={name}"
        }
        assert len(upstream.received) == 3


@pytest.mark.parametrize(
    "data",
    [
        request(b"GET %b HTTP/1.1 x" % TARGET, HOST, AUTHORIZATION),
        request(b"GET %b x" % TARGET, HOST, AUTHORIZATION),
        request(b"GET  %b HTTP/1.1" % TARGET, HOST, AUTHORIZATION),
        request(b"GET %b\tx HTTP/1.1" % TARGET, HOST, AUTHORIZATION),
        request(b"GET %b HTTP/2.0" % SPACED, HOST, AUTHORIZATION),
        get(target=SPACED + b"\0"),
        get(target=SPACED + b"\r"),
        get(target=SPACED + b"\nX: y"),
        get(target=SPACED + b"x" * 9000),
    ],
)
async def test_found_d7_what_no_lenience_takes(data: bytes) -> None:
    async with (
        scripted_upstream() as upstream,
        running_proxy(upstream.url, LENIENT) as port,
        connect(port) as client,
    ):
        answer = await asked(client, data + SMUGGLED)
        assert_rest_exception(answer)
        assert_last(answer)
        assert await client.is_closed()
        assert upstream.received == []


async def test_found_d7_a_target_with_spaces_hides_no_other_request() -> None:
    """What a space could make of one request line are two."""
    async with (
        scripted_upstream(EMPTY_LIST, NO_CONTENT) as upstream,
        running_proxy(upstream.url, LENIENT) as port,
        connect(port) as client,
    ):
        inner = SMUGGLED.replace(b"\r\n", b" ")
        await client.send(get(b"Content-Length: 0", target=TARGET + b"?FriendlyName=" + inner) + SMUGGLED)
        for status in (200, 204):
            answer = await client.receive()
            assert answer is not None
            assert answer.status == status
        assert [it.start.split(" ")[0] for it in upstream.received] == ["GET", "DELETE"]


# D9: good requests, and garbage behind them in one segment


CHUNKED_POST = post(CHUNKED, body=chunked(NUMBER[:7], NUMBER[7:]))
NOTHING = get(target=TARGET + NONE)


@pytest.mark.parametrize("name", [*REFUSED, *GARBAGE])
async def test_found_d9_a_validation_before_what_is_refused_is_carried_out_once(name: str) -> None:
    data = REFUSED[name].data if name in REFUSED else GARBAGE[name]
    async with proxy_before(CALL) as (_, client, upstream):
        await client.send(post(LENGTH) + data)
        await receive(client, [200])
        await assert_refused_behind(client)
        assert [it.start.split(" ")[0] for it in upstream.received] == ["POST"]


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("first", [CHUNKED_POST, b"\r\n" + post(LENGTH), post(LENGTH) + b"\r\n"])
async def test_found_d9_several_good_requests_before_garbage(name: str, first: bytes) -> None:
    async with proxy_before(CALL, EMPTY_LIST, NO_CONTENT, CALL) as (_, client, upstream):
        await client.send(first + get() + NOTHING + SMUGGLED + WRONG + post(LENGTH) + GARBAGE[name])
        await receive(client, [200, 200, 200, 204, 401, 200])
        await assert_refused_behind(client)
        methods = [it.start.split(" ")[0] for it in upstream.received]
        assert methods == ["POST", "GET", "DELETE", "POST"]


@pytest.mark.parametrize("name", GARBAGE)
async def test_found_d9_a_hundred_good_requests_before_garbage(name: str) -> None:
    """More than the parser lets wait."""
    async with scripted_upstream(EMPTY_LIST, CALL) as upstream, running_proxy(upstream.url, CACHED) as port:
        async with connect(port) as client:
            await client.send(get() * 100 + post(LENGTH) + GARBAGE[name])
            await receive(client, [200] * 101)
            await assert_refused_behind(client)
        assert (upstream.hits("GET"), upstream.hits("POST")) == (1, 1)


@pytest.mark.parametrize("name", GARBAGE)
async def test_found_d9_garbage_behind_a_request_that_waits_for_its_answer(name: str) -> None:
    async with proxy_before(CALL, EMPTY_LIST) as (port, client, upstream):
        upstream.released.clear()
        await client.send(post(LENGTH) + get())
        await upstream.is_asked(1)
        await client.send(GARBAGE[name])
        async with connect(port) as other:  # by the time it is answered, the garbage has been read
            assert (await asked(other, WRONG)).status == 401
        upstream.released.set()
        await receive(client, [200, 200])
        await assert_refused_behind(client)
        assert (upstream.hits("POST"), upstream.hits("GET")) == (1, 1)


async def test_found_d9_the_last_good_request_is_the_last() -> None:
    """Behind a request that closes its connection nothing is answered."""
    async with proxy_before(CALL) as (_, client, upstream):
        await client.send(post(LENGTH, b"Connection: close") + GARBAGE["text"])
        answer = await client.receive()
        assert answer is not None
        assert (answer.status, answer.header("Connection")) == (200, "close")
        assert await client.is_closed(within=6)
        assert upstream.hits("POST") == 1


async def test_found_d9_a_client_that_closes_its_side_behind_garbage() -> None:
    async with proxy_before(CALL) as (_, client, upstream):
        await client.send(post(LENGTH) + GARBAGE["text with an empty line"])
        client.writer.write_eof()
        await receive(client, [200])
        await assert_refused_behind(client)
        assert upstream.hits("POST") == 1


@pytest.mark.parametrize(
    "first", [post(), post(body=b"").removesuffix(b"\r\n") + b"\r\n" + NUMBER + b"\r\n\r\n"]
)
async def test_found_d9_a_body_without_a_length_is_garbage(first: bytes) -> None:
    """The request in front of it is an empty form."""
    async with proxy_before() as (_, client, upstream):
        await client.send(first)
        await receive(client, [400])
        await assert_refused_behind(client)
        assert upstream.received == []
