"""Bad input, row by row: section 1 of the acceptance criteria. The number of its row is in a test's name.

What each of them checks, where its row does not say otherwise: there is one answer, a RestException whose
Status is the HTTP status; the connection closes where nobody can tell what comes next, and goes on otherwise;
the upstream has not been asked; a canary that was planted comes back nowhere, and is in no log. Work is
counted in calls of functions, or in CPU time where it is done in C.
"""

import asyncio
import csv
import gc
import html
import io
import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar
from urllib.parse import quote, quote_from_bytes
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from support import leap
from support import refused_requests as refused
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
    NUMBER,
    TARGET,
    Proxy,
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
from support.refused_requests import assert_refused
from support.running import running_listeners, running_proxy
from support.seed import ACCOUNT, BOB, LIST, basic
from support.served_requests import SERVED, assert_served
from support.slow_clients import ROW_11, WAITS
from support.wire import Message, RawClient, ask, connect, json_answer, scripted_upstream

from proxy.cli import main
from proxy.errors import LegacyError
from proxy.gateway.accounts import AccountEntry, AccountTable
from proxy.model import Credentials

CRITERIA = Path(__file__).parents[3] / "shared" / "hardening.md"
ROWS = {*map(str, range(1, 40)), "3b", "3c"}
T = TypeVar("T")


@pytest.fixture(autouse=True)
def canary_is_in_no_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert CANARY.decode() not in caplog.text.lower()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_every_row_has_its_test() -> None:
    if CRITERIA.is_file():
        section = CRITERIA.read_text(encoding="utf-8").split("\n## ")[1]
        assert set(re.findall(r"^\| (\d+[a-z]?) \|", section, re.MULTILINE)) == ROWS
    named = [re.match(r"test_input_0?(\d+[a-z]?)_", name) for name in globals()]
    assert {each[1] for each in named if each} == ROWS


async def refuses(
    data: bytes, status: int, code: int | None = None, *, closes: bool = False, configuration: str = ""
) -> None:
    """Check that a request is refused."""
    async with (
        scripted_upstream() as upstream,
        running_proxy(upstream.url, configuration) as port,
        connect(port) as client,
    ):
        answer = await client.ask(data)
        assert answer.status == status
        assert_rest_exception(answer, code)
        assert CANARY not in answer.encode().lower()
        assert upstream.received == []
        if closes:
            assert_last(answer)
            client.writer.write_eof()
            assert await client.is_closed()
        else:
            await assert_alive(client)


def put(body: bytes, content_type: bytes = b"application/x-www-form-urlencoded") -> bytes:
    """Write a request for another name, with all that it needs."""
    lines = HOST, AUTHORIZATION, b"Content-Type: " + content_type, b"Content-Length: %d" % len(body)
    return request(b"PUT %b HTTP/1.1" % INSTANCE, *lines, body=body)


def form(body: bytes) -> bytes:
    return post(b"Content-Length: %d" % len(body), body=body)


def item(name: str = "x", number: str = "+14158675309") -> bytes:
    fields = {"sid": BOB, "account_sid": ACCOUNT, "friendly_name": name, "phone_number": number}
    return json.dumps(fields).encode()


def listing(*items: bytes) -> Message:
    return json_answer(200, b'{"outgoing_caller_ids": [%b], "next_page_uri": null}' % b", ".join(items))


async def renames(data: bytes, name: str) -> None:
    """Check which name a request leads to upstream."""
    async with proxy_before(json_answer(200, item())) as (_, client, upstream):
        assert (await client.ask(data)).status == 200
        (received,) = upstream.received
        assert received.body == b"FriendlyName=" + quote(name, safe="").replace("%20", "+").encode()


async def work(awaited: Awaitable[T]) -> tuple[int, T]:
    """Count the calls of functions while something is awaited, those of whoever awaits it included."""
    counted = 0

    def count(_: FrameType, event: str, __: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        result = await awaited
    finally:
        sys.setprofile(None)
    return counted, result


REMEMBERING = "snapshots: {fresh: 3600}\n"

# Rows 1 to 18: HTTP itself


@pytest.mark.parametrize("name", refused.LENGTHS)
async def test_input_01_where_a_body_ends_is_not_clear(name: str) -> None:
    await assert_refused(refused.LENGTHS[name])


@pytest.mark.parametrize("name", refused.HEADERS)
async def test_input_02_headers_that_are_none(name: str) -> None:
    await assert_refused(refused.HEADERS[name])


@pytest.mark.parametrize("name", refused.HOSTS)
async def test_input_03_no_host_or_two(name: str) -> None:
    await assert_refused(refused.HOSTS[name])


@pytest.mark.parametrize("name", [name for name in SERVED if name.startswith("twice")])
async def test_input_3b_other_headers_may_come_twice(name: str) -> None:
    await assert_served(SERVED[name])


@pytest.mark.parametrize("name", refused.GARBAGE)
async def test_input_3c_a_good_request_before_garbage_is_answered(name: str) -> None:
    async with proxy_before(CALL) as (_, client, upstream):
        await client.send(post(LENGTH) + refused.GARBAGE[name])
        answer = await client.receive()
        assert answer is not None
        assert answer.status == 200
        await refused.assert_refused_behind(client)
        assert [it.start.split(" ")[0] for it in upstream.received] == ["POST"]


@pytest.mark.parametrize("name", ["HTTP/1.0 without Host", "HTTP/1.0 with Host"])
async def test_input_04_old_clients_need_no_host(name: str) -> None:
    await assert_served(SERVED[name])


@pytest.mark.parametrize("name", [name for name in SERVED if name.startswith("an absolute target")])
async def test_input_05_the_host_of_an_absolute_target_is_ignored(name: str) -> None:
    await assert_served(SERVED[name])


@pytest.mark.parametrize("name", refused.VERSIONS)
async def test_input_06_other_protocols(name: str) -> None:
    await assert_refused(refused.VERSIONS[name])


async def test_input_06_the_log_cannot_be_flooded(caplog: pytest.LogCaptureFixture) -> None:
    """It is not even told."""
    async with running_proxy("http://127.0.0.1:1") as port:
        for each in (*refused.VERSIONS.values(), *refused.HEADERS.values(), *refused.HOSTS.values()):
            async with connect(port) as client:
                await client.send(each.data)
                answer = await client.receive()
                assert answer is not None
                assert answer.status in each.statuses
    assert [record for record in caplog.records if record.name.startswith(("proxy", "aiohttp"))] == []


@pytest.mark.parametrize("name", [name for name in SERVED if name.startswith("an upgrade")])
async def test_input_07_upgrades_are_ignored(name: str) -> None:
    await assert_served(SERVED[name])


async def test_input_08_100_requests_at_once_are_carried_out_one_after_the_other() -> None:
    async with scripted_upstream(*[EMPTY_LIST] * 100) as upstream, running_proxy(upstream.url) as port:
        upstream.released.clear()
        async with connect(port) as client:
            await client.send(b"".join(get(target=TARGET + b"?page=%d" % page) for page in range(100)))
            await upstream.is_asked(1)
            assert (await ask(port, get(target=b"/"))).status == 404
            assert len(upstream.received) == 1
            upstream.released.set()
            for page in range(100):
                answer = await client.receive()
                assert answer is not None
                assert f' page="{page}"'.encode() in answer.body
            await assert_alive(client)


async def test_input_08_what_waits_behind_a_request_is_bounded() -> None:
    """What comes after it stays where it is: with its sender, once the sockets are full."""
    async with scripted_upstream(*[EMPTY_LIST] * 2) as upstream, running_proxy(upstream.url) as port:
        upstream.released.clear()
        async with connect(port) as client:
            client.writer.write(get() + get(target=TARGET + b"?PhoneNumber=none") * 200_000)
            await upstream.is_asked(1)
            left = 0
            while left != (left := client.writer.transport.get_write_buffer_size()):
                await asyncio.sleep(0.2)
            assert left > 10_000_000
            assert (await ask(port, get(target=b"/"))).status == 404
            client.writer.transport.abort()
        upstream.released.set()


@pytest.mark.parametrize("name", refused.METHODS)
async def test_input_09_methods_and_targets_that_are_none(name: str) -> None:
    await assert_refused(refused.METHODS[name])


@pytest.mark.parametrize("more", [b"\xff", "\u0665".encode(), b"\x80" * 100])
async def test_input_09_bytes_beyond_ascii_are_in_no_path(more: bytes) -> None:
    await refuses(get(target=INSTANCE[:-1] + more + CANARY), 404)


@pytest.mark.parametrize("target", [TARGET, INSTANCE])
@pytest.mark.parametrize("method", [b"TRACE", b"PATCH", b"PROPFIND", b"OPTIONS", b"CONNECT"])
async def test_input_09_other_methods(method: bytes, target: bytes) -> None:
    data = request(b"%b %b HTTP/1.1" % (method, target), HOST, AUTHORIZATION, b"X-Custom: " + CANARY)
    # Nobody can tell what follows a CONNECT
    await refuses(data, 405, 20004, closes=method == b"CONNECT")
    async with proxy_before() as (_, client, _):
        allow = (await client.ask(data)).header("Allow")
        assert allow == ("GET, HEAD, POST" if target == TARGET else "GET, HEAD, POST, PUT, DELETE")


@pytest.mark.parametrize("name", refused.TOO_LONG)
async def test_input_10_what_is_too_long_or_too_many(name: str) -> None:
    await assert_refused(refused.TOO_LONG[name])


@pytest.mark.parametrize(
    "data",
    [
        get(b"X: " + b"x" * 9000),
        post(CHUNKED, body=b"-1\r\n"),
        post(b"Content-Length: 65537"),
        request(b"CONNECT api.twilio.com:443 HTTP/1.1", HOST, AUTHORIZATION),
    ],
    ids=["a long header", "a bad chunk", "a long body", "a tunnel"],
)
async def test_input_10_who_sends_on_is_answered_all_the_same(data: bytes) -> None:
    """A connection that is closed with something unread is reset, and takes the answer with it."""
    async with proxy_before() as (port, client, upstream):
        await client.send(data)
        async with connect(port) as other:  # by the time it is answered, the first one is too
            await assert_alive(other)
        for _ in range(20):
            await client.send(b"x" * 4096)
            await asyncio.sleep(0.001)
        answer = await client.receive()
        assert answer is not None
        assert_rest_exception(answer)
        assert_last(answer)
        assert await client.is_closed()
        assert upstream.received == []


@pytest.mark.parametrize("name", ROW_11)
def test_input_11_who_is_slow_is_not_waited_for(name: str) -> None:
    """In test_raw.py are more of them."""

    async def wait() -> None:
        async with proxy_before(CALL) as proxy:
            await WAITS[name](proxy)
            assert proxy.upstream.received == []

    leap.run(wait())


@pytest.mark.parametrize(
    "data",
    [
        post(b"Content-Length: 23"),
        post(CHUNKED, body=chunked(NUMBER)[:-5]),
        request(b"DELETE %b HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION, b"Content-Length: 1"),
    ],
)
async def test_input_12_half_a_body_is_never_acted_on(data: bytes) -> None:
    async with proxy_before(CALL) as (_, client, upstream):
        await client.send(data)
        client.writer.write_eof()
        answer = await client.receive()
        assert answer is None or answer.status == 400
        assert await client.is_closed()
        assert upstream.received == []


@pytest.mark.parametrize("name", refused.BODIES)
async def test_input_13_bodies_that_are_too_long(name: str) -> None:
    await assert_refused(refused.BODIES[name])


@pytest.mark.parametrize("length", [65_537, 99_999_999_999, 2**64 - 1])
async def test_input_13_a_length_beyond_the_limit_is_answered_without_the_body(length: int) -> None:
    await refuses(post(b"Content-Length: %d" % length, body=b""), 413, closes=True)


@pytest.mark.parametrize(
    "body",
    [
        NUMBER + b"&x=" * 100,
        b"x" * 4097 + b"&" + NUMBER,
        b"FriendlyName=" + b"x" * 4096 + b"&" + NUMBER,
        b"FriendlyName=" + b"%41" * 1366 + b"&" + NUMBER,
    ],
)
async def test_input_13_too_many_fields_or_too_long_ones(body: bytes) -> None:
    await refuses(form(body), 400)


@pytest.mark.parametrize("name", refused.ENCODINGS)
async def test_input_14_bodies_that_are_encoded(name: str) -> None:
    await assert_refused(refused.ENCODINGS[name])


async def test_input_14_a_bomb_costs_nothing() -> None:
    data, most, statuses = DEAR["a gzip bomb"]
    assert await cost(data, statuses) <= most


async def test_input_15_leave_to_go_on_is_given_once() -> None:
    async with proxy_before(CALL) as (_, client, upstream):
        leave = await client.ask(post(LENGTH, b"Expect: 100-continue", body=b""))
        assert leave.status == 100
        assert upstream.received == []
        assert (await client.ask(NUMBER)).status == 200
        await assert_alive(client)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post(b"Content-Length: 65537", b"Expect: 100-continue", body=b""), 413),
        (post(b"Content-Encoding: gzip", LENGTH, b"Expect: 100-continue", body=b""), 415),
    ],
)
async def test_input_15_no_leave_where_the_answer_is_known(data: bytes, status: int) -> None:
    await refuses(data, status, closes=True)


@pytest.mark.parametrize("name", refused.EXPECTATIONS)
async def test_input_15_other_expectations(name: str) -> None:
    await assert_refused(refused.EXPECTATIONS[name])


async def test_input_16_a_post_without_length_is_an_empty_form() -> None:
    await refuses(post(body=b""), 400, 21401)
    await refuses(request(b"PUT %b HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION), 400, 20002)


@pytest.mark.parametrize("name", [name for name in SERVED if name.startswith("a GET with a")])
async def test_input_17_the_body_of_a_get_is_ignored(name: str) -> None:
    await assert_served(SERVED[name])


async def test_input_18_a_form_needs_no_content_type() -> None:
    await renames(put(b"FriendlyName=Front+Desk").replace(FORM + b"\r\n", b""), "Front Desk")


# Rows 19 to 28: what is asked for

PART = b'--b0\r\nContent-Disposition: form-data; name="FriendlyName"\r\n\r\nx\r\n'
FILE = PART.replace(b'"FriendlyName"', b'"FriendlyName"; filename="x.txt"')
MULTIPART = b"multipart/form-data; boundary=b0"
TYPES: Mapping[str, tuple[bytes, int]] = {
    "JSON": (put(b'{"FriendlyName": "%b"}' % CANARY, b"application/json"), 415),
    "plain text": (put(b"FriendlyName=" + CANARY, b"text/plain"), 415),
    "a type that is none": (put(b"FriendlyName=x", CANARY), 415),
    "no boundary": (put(PART + b"--b0--\r\n", b"multipart/form-data"), 400),
    "another boundary": (put(PART + b"--b0--\r\n", b"multipart/form-data; boundary=b1"), 400),
    "no end": (put(PART, MULTIPART), 400),
    "cut off": (put(PART[:-9], MULTIPART), 400),
    "cut off in a header": (put(PART[:20] + b"\r\n--b0--\r\n", MULTIPART), 400),
    "a file": (put(FILE + b"--b0--\r\n", MULTIPART), 415),
    "101 parts": (put(PART * 101 + b"--b0--\r\n", MULTIPART), 400),
}


@pytest.mark.parametrize("name", TYPES)
async def test_input_19_bodies_that_are_no_form(name: str) -> None:
    await refuses(*TYPES[name])


CHARSETS = (b"bogus", b"zlib", b"utf-7", b"utf-16", b"utf-32", b"idna", b"base64", b"punycode", CANARY)


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("kind", [b"application/x-www-form-urlencoded", MULTIPART, b"application/xml"])
async def test_input_20_other_charsets(kind: bytes, charset: bytes) -> None:
    await refuses(put(b"FriendlyName=x", kind + b"; charset=" + charset), 415)


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (b"utf-8", b"Caf\xc3\xa9"),
        (b"us-ascii", b"Cafe"),
        (b"iso-8859-1", b"Caf\xe9"),
        (b"windows-1252", b"Caf\xe9"),
        (b"UTF-8", b"Caf\xc3\xa9"),
    ],
)
async def test_input_20_the_charsets_that_there_are(charset: bytes, name: bytes) -> None:
    data = put(b"FriendlyName=" + name, b"application/x-www-form-urlencoded; charset=" + charset)
    await renames(data, name.decode(charset.decode()))


@pytest.mark.parametrize("encode", [bytes, lambda name: quote_from_bytes(name).encode()])
@pytest.mark.parametrize("name", [b"Caf\xe9", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
async def test_input_21_bytes_that_are_no_utf_8(name: bytes, encode: Any) -> None:
    """They are Windows-1252 where nothing is named, and wrong where UTF-8 is; never U+FFFD."""
    body = b"FriendlyName=" + encode(name)
    await refuses(put(body, b"application/x-www-form-urlencoded; charset=utf-8"), 400)
    try:
        read = name.decode("cp1252")
    except UnicodeDecodeError:
        await refuses(put(body), 400)
    else:
        await renames(put(body), read)


CONTROLS = [*(b"%%%02X" % code for code in range(32) if code not in b"\t\r\n"), b"%7F"]
NO_CHARACTERS = [quote(char, errors="surrogatepass").encode() for char in "\ufffe\uffff\ud800\udfff"]


@pytest.mark.parametrize("name", [*CONTROLS, *NO_CHARACTERS[:2]])
async def test_input_22_names_that_no_xml_can_hold(name: bytes) -> None:
    await refuses(put(b"FriendlyName=x" + name + CANARY), 400, 20002)
    await refuses(form(NUMBER + b"&FriendlyName=" + CANARY + name), 400, 20002)


@pytest.mark.parametrize("name", NO_CHARACTERS[2:])
async def test_input_22_lone_surrogates_are_no_utf_8(name: bytes) -> None:
    await refuses(put(b"FriendlyName=x" + name, FORM.split(b": ")[1] + b"; charset=utf-8"), 400)


async def test_input_22_tabs_and_line_breaks_become_spaces() -> None:
    await renames(put(b"FriendlyName=a%09b%0Dc%0Ad%0D%0Ae"), "a b c d e")


async def test_input_23_names_have_1_to_64_characters() -> None:
    await refuses(put(b"FriendlyName=" + b"x" * 65), 400, 20002)
    await refuses(form(NUMBER + b"&FriendlyName=" + b"x" * 65), 400, 20002)
    await refuses(put(b"FriendlyName="), 400, 20002)
    await renames(put(b"FriendlyName=" + quote("\U0001f4de" * 64).encode()), "\U0001f4de" * 64)


NAMES = (
    "<script>alert('x')</script>",
    "]]>",
    "a & b &amp; c",
    "\"double\" 'single'",
    "\u202eright to left\u202c \u05d0\u05d1",
    "\U0001f4de \U00020000",
    "=1+1",
    "+1",
    "-1",
    "@x",
    'a "quoted", and cut; name',
    "<!--",
    "<?x?>",
    "{{7*7}} ${x} %s",
    "\ufffd",
)


def read_xml(body: bytes) -> list[str | None]:
    return [each.text for each in ET.fromstring(body).iter("FriendlyName")]


def read_json(body: bytes) -> list[str | None]:
    items = json.loads(body)["TwilioResponse"]["OutgoingCallerIds"]
    return [each["OutgoingCallerId"]["FriendlyName"] for each in items]


def read_csv(body: bytes) -> list[str | None]:
    return [row["FriendlyName"] for row in csv.DictReader(io.StringIO(body.decode(), newline=""))]


def read_html(body: bytes) -> list[str | None]:
    return [
        html.unescape(each)
        for each in re.findall(r'<div class="friendly-name">([^<>]*)</div>', body.decode())
    ]


FORMATS = {"": read_xml, ".xml": read_xml, ".json": read_json, ".csv": read_csv, ".html": read_html}


@pytest.mark.parametrize("suffix", FORMATS)
async def test_input_24_every_name_comes_back_as_it_is(suffix: str) -> None:
    items = [item(name).replace(BOB.encode(), b"PN%032x" % place) for place, name in enumerate(NAMES)]
    async with proxy_before(listing(*items)) as (_, client, _):
        answer = await client.ask(get(target=TARGET + suffix.encode()))
        assert answer.status == 200
        assert FORMATS[suffix](answer.body) == list(NAMES)
        assert b"<script" not in answer.body or suffix in (".json", ".csv")
        if suffix == ".csv":
            assert all(f',"{name}",'.encode() in answer.body for name in NAMES if name[0] in "=+-@")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"FriendlyName=x&friendlyname=y&FRIENDLYNAME=z", "x"),
        (b"FriendlyName=x&Unknown=y&PhoneNumber=5551212", "x"),
        (b"FriendlyName=x&FriendlyName=y", "y"),
        (b"FriendlyName=x;FriendlyName=y", "x;FriendlyName=y"),
        (b"&&FriendlyName=x&&=y&", "x"),
    ],
)
async def test_input_25_names_of_parameters(body: bytes, name: str) -> None:
    await renames(put(body), name)


async def test_input_25_two_numbers_are_one_too_many() -> None:
    await refuses(form(NUMBER + b"&PhoneNumber=4155550000"), 400, 21401)
    await refuses(form(b"phonenumber=4158675309"), 400, 21401)
    await refuses(form(NUMBER.replace(b"=", b"=x;")), 400, 21401)


NO_NUMBERS = (
    "415867530",
    "41586753090",
    "24158675309",
    "415-TWILIO1",
    "x",
    "٤١٥٨٦٧٥٣٠٩",
    "+442071838750",
    "",
    " ",
    "4158675309 ext. 5",
    "1" * 4000,
    "+",
    "\N{MATHEMATICAL BOLD DIGIT FOUR}158675309",
    CANARY.decode(),
)


@pytest.mark.parametrize("number", NO_NUMBERS)
async def test_input_26_what_is_no_phone_number(number: str) -> None:
    await refuses(form(b"PhoneNumber=" + quote(number).encode()), 400, 21401)


async def test_input_26_a_number_of_10_000_characters() -> None:
    """It is too long a field, before anybody looks whether it is a number."""
    await refuses(form(b"PhoneNumber=" + b"4" * 10_000), 400)


@pytest.mark.parametrize(
    "delay", ["-1", "61", "1e9", "0x10", "5 5", "5.5", "٣", "+5", "061 ", "1_0", "99999999999999999999", "x"]
)
async def test_input_27_what_is_no_call_delay(delay: str) -> None:
    await refuses(form(NUMBER + b"&CallDelay=" + quote(delay).encode()), 400, 21454)


HUGE = 10**18
PAGES = {
    "page=-1": (0, 50),
    "page=-0": (0, 50),
    "page=x": (0, 50),
    "page=1.5": (0, 50),
    f"page={HUGE}": (HUGE, 50),
    "num=0": (0, 50),
    "num=-5": (0, 50),
    "num=x": (0, 50),
    f"num={HUGE}": (0, 1000),
    f"num={10**4000}": (0, 1000),
    f"page={HUGE}&num={HUGE}": (HUGE, 1000),
}


@pytest.mark.parametrize("query", PAGES)
async def test_input_28_pages_are_clamped_and_cost_nothing(query: str) -> None:
    items = [item().replace(BOB.encode(), b"PN%032x" % place) for place in range(100)]
    async with (
        scripted_upstream(listing(*items)) as upstream,
        running_proxy(upstream.url, REMEMBERING) as port,
        connect(port) as client,
    ):
        await client.ask(get())
        counted = {}
        for asked in ("page=1&num=1", query):
            data = get(target=TARGET + b"?" + asked.encode())
            assert (await client.ask(data)).status == 200  # what follows may be remembered
            counted[asked], answer = await work(client.ask(data))
            assert answer.status == 200
        answer = await client.ask(get(target=TARGET + b"?" + query.encode()))
        page, size = PAGES[query]
        opening = ET.fromstring(answer.body)[0].attrib
        assert int(opening["page"]) <= page
        assert opening["page"] == str(page) or page == HUGE
        assert (opening["pagesize"], opening["total"]) == (str(size), "100")
        assert counted[query] <= 2 * counted["page=1&num=1"]
        assert upstream.hits("GET") == 1


# Rows 29 to 36: whose, and for whom

SIDS: Mapping[str, bytes] = {
    "an encoded slash": b"/PN%2F" + b"0" * 31,
    "dots": b"/../OutgoingCallerIds/" + BOB.encode(),
    "encoded dots": b"/%2e%2e/OutgoingCallerIds",
    "NUL": b"/" + BOB.encode() + b"%00",
    "line breaks": b"/" + BOB.encode() + b"%0D%0AX-Custom:%20" + CANARY,
    "a semicolon": b"/" + BOB.encode() + b";x=" + CANARY,
    "an encoded question mark": b"/" + BOB.encode() + b"%3Fx=" + CANARY,
    "no escape": b"/" + BOB.encode() + b"%ZZ",
    "an escaped letter": b"/%50N" + BOB.encode()[2:],
    "33 characters": b"/" + BOB.encode()[:-1],
    "35 characters": b"/" + BOB.encode() + b"0",
    "another prefix": b"/CA" + BOB.encode()[2:],
    "lower case": b"/pn" + BOB.encode()[2:],
    "no digit": b"/" + BOB.encode()[:-1] + b"g",
    "another script": b"/" + BOB.encode()[:-1] + b"%D9%A5",
    "something behind it": b"/" + BOB.encode() + b"/" + CANARY,
}


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
@pytest.mark.parametrize("name", SIDS)
async def test_input_29_sids_that_are_none(name: str, method: bytes) -> None:
    target = TARGET + SIDS[name]
    await refuses(request(b"%b %b HTTP/1.1" % (method, target), HOST, AUTHORIZATION), 404)


@pytest.mark.parametrize("account", [b"AC%2F" + b"0" * 30, b"..", b"AC", CANARY, ACCOUNT.encode()[:-1]])
async def test_input_29_accounts_that_are_none(account: bytes) -> None:
    await refuses(get(target=TARGET.replace(ACCOUNT.encode(), account)), 404)


OTHER, NO_CALLER_IDS = "AC" + "1" * 32, "AC" + "2" * 32
ACCOUNTS = "accounts:\n" + "".join(
    f"  {sid}: {{token: '${{OLD_TOKEN}}', upstream: {{account: {sid}, password: '${{KEY}}'}}}}\n"
    for sid in (ACCOUNT, OTHER)
)
VARIABLES = {"OLD_TOKEN": "demo-token", "KEY": "upstream-key"}


@asynccontextmanager
async def mapped(*answers: Message) -> AsyncIterator[Proxy]:
    """Run a proxy that has a table of accounts."""
    async with (
        scripted_upstream(*answers) as upstream,
        running_proxy(upstream.url, ACCOUNTS, VARIABLES) as port,
        connect(port) as client,
    ):
        yield Proxy(port, client, upstream)


def undated(answer: Message) -> Message:
    return Message(answer.start, tuple(each for each in answer.headers if each[0] != "Date"), answer.body)


async def test_input_30_whether_another_account_exists_does_not_show() -> None:
    async with mapped() as (_, client, upstream):
        answers = [
            undated(await client.ask(get(target=LIST.replace(ACCOUNT, sid).encode())))
            for sid in (OTHER, NO_CALLER_IDS)
        ]
        assert answers[0] == answers[1]
        assert answers[0].status == 401
        assert_rest_exception(answers[0], 20003)
        await assert_alive(client)
        assert upstream.received == []


async def test_input_30_the_upstream_judges_where_credentials_are_passed_on() -> None:
    async with proxy_before(EMPTY_LIST) as (_, client, upstream):
        assert (await client.ask(get(target=LIST.replace(ACCOUNT, OTHER).encode()))).status == 200
        assert OTHER in upstream.received[0].target
        assert upstream.received[0].header("Authorization") == basic()


def authorized(*lines: bytes) -> bytes:
    return request(b"GET %b HTTP/1.1" % TARGET, HOST, *lines)


TOKEN = basic().encode().split(b" ")[1]
NO_LOGINS: Mapping[str, bytes] = {
    "none": authorized(),
    "an empty one": authorized(b"Authorization:"),
    "Basic alone": authorized(b"Authorization: Basic"),
    "Basic and spaces": authorized(b"Authorization: Basic   "),
    "no base64": authorized(b"Authorization: Basic " + CANARY + b"!"),
    "base64 cut off": authorized(b"Authorization: Basic " + TOKEN[:-3]),
    "no colon": authorized(b"Authorization: Basic YWJj"),
    "no user": authorized(b"Authorization: Basic OmFiYw=="),
    "Bearer": authorized(b"Authorization: Bearer " + TOKEN),
    "Digest": authorized(b'Authorization: Digest username="' + CANARY + b'"'),
    "a control character inside": authorized(b"Authorization: Basic QQpCOkM="),
}


@pytest.mark.parametrize("name", NO_LOGINS)
async def test_input_31_what_is_no_login(name: str) -> None:
    await refuses(NO_LOGINS[name], 401, 20003)
    async with proxy_before() as (_, client, _):
        answer = await client.ask(NO_LOGINS[name])
        assert answer.header("WWW-Authenticate") == 'Basic realm="Twilio API"'


async def test_input_31_two_logins() -> None:
    await refuses(get(b"Authorization: Basic " + CANARY), 400)
    await refuses(get(AUTHORIZATION), 400)


@pytest.mark.parametrize(
    "line",
    [
        AUTHORIZATION.replace(b"Basic", b"basic"),
        AUTHORIZATION.replace(b"Basic", b"BASIC"),
        f"Authorization: {basic(password='to:ken:')}".encode(),
    ],
)
async def test_input_31_logins_that_are_meant_well(line: bytes) -> None:
    async with proxy_before(EMPTY_LIST) as (_, client, upstream):
        assert (await client.ask(authorized(line))).status == 200
        assert upstream.hits("GET") == 1


def test_input_32_a_wrong_token_takes_the_same_work_for_every_account() -> None:
    """And what is compared are digests, in constant time; more of this row is in test_logins.py."""
    entry = AccountEntry(bytes(32), OTHER, Credentials("", ""), "")
    accounts = AccountTable({f"AC{number:032x}": entry for number in range(100)})
    called: list[list[str]] = []

    def note(frame: FrameType, event: str, function: Any) -> None:
        if (
            event in ("call", "c_call")
            and frame.f_code.co_filename == AccountTable.authenticate.__code__.co_filename
        ):
            called[-1].append(function.__name__ if event == "c_call" else frame.f_code.co_name)

    for name in ("AC" + "0" * 32, NO_CALLER_IDS, "", "x" * 1000):
        called.append([])
        sys.setprofile(note)
        with pytest.raises(LegacyError, match="Authenticate"):
            accounts.authenticate(name, Credentials(name, "wrong"))
        sys.setprofile(None)
    assert all(each == called[0] for each in called)
    assert "compare_digest" in called[0]


async def test_input_32_who_guesses_is_not_judged_any_more() -> None:
    async with mapped(*[EMPTY_LIST] * 2) as (port, client, upstream):
        for number in range(20):
            answer = await client.ask(authorized(f"Authorization: {basic(password=str(number))}".encode()))
            assert answer.status == 401
        for line in (AUTHORIZATION, f"Authorization: {basic(password='x')}".encode()):
            answer = await client.ask(authorized(line))
            assert answer.status == 429
            assert 0 < int(answer.header("Retry-After") or 0) <= 60
            assert_rest_exception(answer, 20429)
        assert upstream.received == []
        other = authorized(f"Authorization: {basic(OTHER)}".encode()).replace(
            ACCOUNT.encode(), OTHER.encode(), 1
        )
        assert (await client.ask(other)).status == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
        assert (await RawClient(reader, writer).ask(get())).status == 200
        writer.close()


HEADERS = (
    b"X-Forwarded-For: " + CANARY,
    b"X-Forwarded-For: 127.0.0.1",
    b"X-Forwarded-Host: " + CANARY,
    b"X-Forwarded-Proto: " + CANARY,
    b"X-Real-IP: " + CANARY,
    b"Forwarded: for=" + CANARY,
    b"Via: 1.1 " + CANARY,
    b"Cookie: x=" + CANARY,
    b"Connection: Authorization",
    b"Connection: Host, Content-Length",
    b"User-Agent: " + CANARY,
    b"Referer: http://" + CANARY,
    b"Accept-Encoding: gzip, " + CANARY,
    b"X-HTTP-Method-Override: DELETE",
    b"Proxy-Authorization: Basic " + CANARY,
    b"Max-Forwards: 0",
)
SENT = {"host", "user-agent", "accept", "accept-encoding", "authorization"}


@pytest.mark.parametrize("header", HEADERS)
async def test_input_33_no_header_of_a_client_goes_on(header: bytes) -> None:
    async with proxy_before(EMPTY_LIST) as (_, client, upstream):
        answer = await client.ask(get(header))
        assert answer.status == 200
        assert CANARY not in answer.encode()
        (received,) = upstream.received
        assert {name.lower() for name, _ in received.headers} <= SENT
        assert received.start.startswith("GET ")
        assert received.header("Authorization") == basic()
        assert CANARY not in received.encode()
        await assert_alive(client)


@pytest.mark.parametrize("header", HEADERS)
async def test_input_33_nor_one_of_a_write(header: bytes) -> None:
    async with proxy_before(CALL) as (_, client, upstream):
        assert (await client.ask(post(LENGTH, header))).status == 200
        (received,) = upstream.received
        assert {name.lower() for name, _ in received.headers} <= SENT | {"content-type", "content-length"}
        assert CANARY not in received.encode()


@pytest.mark.parametrize("suffix", [b"", b".json", b".html"])
async def test_input_34_the_host_is_in_no_answer_and_no_key(suffix: bytes) -> None:
    page_uris = f"{REMEMBERING}legacy: {{page_uris: true}}\n"
    async with (
        scripted_upstream(listing(item())) as upstream,
        running_proxy(upstream.url, page_uris) as port,
        connect(port) as client,
    ):
        answers = []
        for host in (HOST, b"Host: " + CANARY, b"Host: " + CANARY + b":81"):
            for more in ((), (b"X-Forwarded-Host: " + CANARY,), (b"Forwarded: host=" + CANARY,)):
                data = get(*more, target=TARGET + suffix).replace(HOST, host)
                answers.append(undated(await client.ask(data)))
                assert (await client.ask(get(target=b"/x" + suffix).replace(HOST, host))).status == 404
        assert all(answer == answers[0] for answer in answers)
        assert CANARY not in answers[0].encode()
        assert upstream.hits("GET") == 1


@pytest.mark.parametrize(
    "headers",
    [
        [b"If-None-Match: *"],
        [b"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"],
        [b"Range: bytes=0-1"],
        [b"If-Match: x", b"If-Range: x", b"Range: bytes=-1"],
    ],
)
async def test_input_35_conditions_and_ranges_are_ignored(headers: Sequence[bytes]) -> None:
    async with proxy_before(*[listing(item())] * 2) as (_, client, _):
        whole = undated(await client.ask(get()))
        assert undated(await client.ask(get(*headers))) == whole
        assert whole.status == 200


async def test_input_36_paths_that_nobody_has_heard_of_leave_nothing_behind(*, full: bool) -> None:
    times = 1_000_000 if full else 3000
    async with (
        scripted_upstream() as upstream,
        running_listeners(upstream.url, "listen: {metrics: '127.0.0.1:0'}\n") as bound,
        connect(bound["address"].port) as client,
    ):

        async def wander(first: int, last: int) -> None:
            for number in range(first, last):
                path = f"{LIST}/{number}" if number % 2 else f"/{number}"
                assert (await client.ask(get(target=path.encode()))).status == 404

        async def metrics() -> bytes:
            return (await ask(bound["metrics"].port, METRICS)).body

        await wander(0, 500)
        before = await metrics()
        gc.collect()
        objects = len(gc.get_objects())
        await wander(500, times)
        gc.collect()
        assert len(gc.get_objects()) - objects < 200
        assert await metrics() == before
        assert upstream.received == []


# Rows 37 to 39: the other inputs

METRICS = b"GET /metrics HTTP/1.1\r\nHost: localhost:9464\r\n\r\n"


@asynccontextmanager
async def metrics_listener() -> AsyncIterator[RawClient]:
    async with running_listeners("http://127.0.0.1:1", "listen: {metrics: '127.0.0.1:0'}\n") as bound:
        assert bound["metrics"].host == "127.0.0.1"
        async with connect(bound["metrics"].port) as client:
            yield client


def assert_plain(answer: Message, status: int) -> None:
    assert answer.status == status
    assert (answer.header("Content-Type") or "").startswith("text/plain;")
    assert answer.header("Content-Security-Policy") == "default-src 'none'; frame-ancestors 'none'"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Access-Control-Allow-Origin") is None
    assert_no_stack(answer)
    assert CANARY not in answer.encode().lower()


HOSTS = (
    "localhost",
    "localhost:9464",
    "LOCALHOST",
    "127.0.0.1:9464",
    "[::1]:9464",
    "10.1.2.3:9464",
    "proxy:9464",
)
FOREIGN_HOSTS = (
    "evil.example",
    "evil.example:9464",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "[::1",
    "x@y.z",
)


@pytest.mark.parametrize("host", [*HOSTS, *FOREIGN_HOSTS])
async def test_input_37_counters_are_shown_under_names_of_this_network_alone(host: str) -> None:
    async with metrics_listener() as client:
        answer = await client.ask(METRICS.replace(b"localhost:9464", host.encode()))
        assert_plain(answer, 403 if host in FOREIGN_HOSTS else 200)
        assert (b"callerid_proxy" in answer.body) is (host in HOSTS)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
async def test_input_37_counters_are_shown_and_nothing_else(method: str) -> None:
    async with metrics_listener() as client:
        answer = await client.ask(
            request(f"{method} /metrics HTTP/1.1".encode(), HOST.replace(b".", b""), b"Origin: http://x")
        )
        assert_plain(answer, 405)
        assert answer.header("Allow") == "GET, HEAD"
        for path in (b"/", b"/metrics/", TARGET, b"/" + CANARY):
            assert_plain(await client.ask(METRICS.replace(b"/metrics", path)), 404)
        assert_plain(await client.ask(METRICS), 200)


@pytest.mark.parametrize("name", [*refused.HEADERS, *refused.TOO_LONG, *refused.VERSIONS])
async def test_input_37_bad_input_to_it_is_refused_like_any_other(name: str) -> None:
    async with metrics_listener() as client:
        await client.send(refused.REFUSED[name].data)
        answer = await client.receive()
        assert answer is not None
        assert_plain(answer, answer.status)
        assert answer.status in refused.REFUSED[name].statuses
        assert await client.is_closed(within=6)


def xml(body: bytes) -> bytes:
    return put(body, b"application/xml")


NAME = b"<FriendlyName>x</FriendlyName>"
DOCUMENTS: Mapping[str, bytes] = {
    "a DTD": b"<!DOCTYPE r><r>" + NAME + b"</r>",
    "an entity": b'<!DOCTYPE r [<!ENTITY e "%b">]><r><FriendlyName>&e;</FriendlyName></r>' % CANARY,
    "a file": b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r><FriendlyName>&e;</FriendlyName></r>',
    "another DTD": b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd"><r>' + NAME + b"</r>",
    "a parameter entity": b'<!DOCTYPE r [<!ENTITY % e SYSTEM "http://127.0.0.1:9/"> %e;]><r>'
    + NAME
    + b"</r>",
    "an entity that is not there": b"<r><FriendlyName>&e;</FriendlyName></r>",
    "a DTD in UTF-16": "<!DOCTYPE r><r><FriendlyName>x</FriendlyName></r>".encode("utf-16"),
    "no XML": CANARY,
    "nothing": b"",
    "cut off": b"<r>" + NAME,
}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_input_38_documents_that_are_more_than_their_text(name: str) -> None:
    await refuses(xml(DOCUMENTS[name]), 400)


async def test_input_38_nothing_else_is_read() -> None:
    """An XInclude and a stylesheet are so much text."""
    async with scripted_upstream() as elsewhere:
        included = (
            f'<?xml-stylesheet href="{elsewhere.url}"?>'
            f'<r xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{elsewhere.url}"/>'
            f'<FriendlyName xsi:schemaLocation="x {elsewhere.url}" xmlns:xsi='
            '"http://www.w3.org/2001/XMLSchema-instance">x</FriendlyName></r>'
        )
        await renames(xml(included.encode()), "x")
        assert elsewhere.received == []


@pytest.mark.parametrize("name", [name for name in BOMBS if name != "a gzip bomb"])
async def test_input_38_laughs_cost_nothing(name: str) -> None:
    data, most, statuses = DEAR[name]
    assert await cost(data, statuses) <= most


CONFIGURATIONS = Path(__file__).parents[1] / "configurations"
BROKEN: Mapping[str, Sequence[str]] = {
    "anchors": ("yaml-alias", "yaml-merge"),
    "duplicate keys": ("yaml-duplicate-key",),
    "unknown keys": ("keys-unknown", "keys-unknown-without-a-guess", "keys-listen"),
    "wrong types": ("types-nested", "types-list-and-mapping", "types-networks", "types-empty"),
    "unset variables": ("variables-unset", "variables-spelling"),
    "unreadable secret files": ("secrets-file-unreadable", "variables-file-unreadable"),
    "includes": ("yaml-tag", "keys-unknown"),
    "all faults at once": ("several-of-everything",),
}


@pytest.mark.parametrize("case", BROKEN)
def test_input_39_broken_configurations(case: str) -> None:
    """test_broken_configurations.py checks them: each with its line and column, all at once, status 78."""
    for name in BROKEN[case]:
        text = (CONFIGURATIONS / f"{name}.txt").read_text(encoding="utf-8")
        assert re.search(r"^--- check says\n[\w.-]+:\d+:\d+: ", text, re.MULTILINE)


@pytest.mark.parametrize(
    "bomb",
    [
        "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
        "upstream: &a {profile: *a}\n",
        "listen: &l\n  <<: *l\n",
    ],
)
def test_input_39_anchors_are_never_followed(bomb: str, tmp_path: Path) -> None:
    (tmp_path / "proxy.yaml").write_text(bomb, encoding="utf-8")
    said = CliRunner().invoke(main, ["check", str(tmp_path / "proxy.yaml")])
    assert said.exit_code == 78
    assert re.match(r".*proxy\.yaml:\d+:\d+: ", said.output)
    assert len(said.output) < 5000
