"""Upstream faults, row by row: the client's answer, and the number of upstream calls.

The rows are those of the table of upstream faults; `test_fault_07_…` is row 7.
"""

import asyncio
import gzip
import itertools
import json
import logging
import re
import socket
import ssl
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
import trustme
from support import leap
from support.proxied import (
    AN_INSTANCE,
    BOBS,
    CODE,
    LISTED,
    MAPPED,
    NONSENSE,
    PAGES,
    PERHAPS,
    Proxied,
    about,
    asked_once,
    error,
    item,
    message_of,
    now,
    ok,
    one,
    page,
    profile_with,
    proxied,
    shown,
    timed,
    told,
)
from support.running import running_listeners, running_proxy
from support.seed import BOB, COMPANY, LIST, UPSTREAM_LIST, basic
from support.valkey import Server, running_valkey
from support.wire import (
    Answer,
    Drip,
    End,
    Message,
    ScriptedUpstream,
    Stall,
    ask,
    connect,
    json_answer,
    scripted_upstream,
)

LOST = b""  # the connection is closed instead
RESET = (End.RST,)
UNREACHED = "The upstream API cannot be reached"
DECLINED = "The upstream API declines requests at the moment"
SLOW = "The upstream API took too long to answer"
LARGE = "The list is too large"
MIB = 1024 * 1024
CACHED = "snapshots: {fresh: 3600}\n"


def head(*headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: application/json", *headers, "", ""]).encode()


def following(number: int) -> str:
    return f"{PAGES}?PageSize=1000&Page={number}&PageToken=PA{number}"


@pytest.fixture
def security() -> Iterator[list[str]]:
    """Collect the security log: one line, which holds no secret."""
    lines: list[str] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    collecting, log = Collecting(), logging.getLogger("proxy.security")
    log.addHandler(collecting)
    yield lines
    log.removeHandler(collecting)
    assert len(lines) == 1
    assert not re.search("demo-token|of-the-proxy|s3cret|4158675309|Token|Bob", lines[0])


def of_vendor(profile: str) -> str:
    """Return a configuration with a profile that comes with the program."""
    return f"  profile: {profile}\n  variables: {{}}\n{MAPPED}"


def bound_port() -> tuple[socket.socket, int]:
    """Return a port that no process listens on, and the socket that reserves it."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound, bound.getsockname()[1]


# 1 to 5: not reached, not trusted, lost, too slow


async def test_fault_01_no_such_host() -> None:
    async with running_proxy("https://nowhere.invalid") as port:
        assert told(await Proxied(port, ScriptedUpstream()).ask()) == (503, UNREACHED, "1")


@pytest.mark.parametrize(
    ("method", "target", "found"),
    [("GET", LIST, LISTED), ("DELETE", AN_INSTANCE, error(204)), ("POST", LIST, CODE)],
)
def test_fault_01_connection_refused(method: str, target: str, found: bytes) -> None:
    """An upstream that starts a little late is reached: requests that were not sent are retried."""

    async def ask() -> None:
        bound, upstream_port = bound_port()
        async with running_proxy(f"http://127.0.0.1:{upstream_port}") as port:
            between = Proxied(port, ScriptedUpstream())
            assert told(await between.ask(method, target)) == (503, UNREACHED, "1")
            asking = asyncio.create_task(between.ask(method, target))
            await asyncio.sleep(0.01)
            async with scripted_upstream(found, on=bound) as upstream:
                assert (await asking).status in (200, 204)
                assert (upstream.hits(method), upstream.begun) == (1, 1)

    leap.run(ask())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_fault_02_connections_are_not_accepted(method: str) -> None:
    async def ask() -> tuple[tuple[int, str, str | None], float]:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first:
            first.connect(listener.getsockname())  # and is never accepted: the backlog is full
            async with running_proxy(f"http://127.0.0.1:{listener.getsockname()[1]}") as port:
                begun = now()
                return told(await Proxied(port, ScriptedUpstream()).ask(method)), now() - begun

    answer, seconds = leap.run(ask())
    assert answer == (504, SLOW, None)
    assert 4.9 <= seconds <= 6  # a busy machine makes it later, never earlier


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.2"])
async def test_fault_03_an_untrusted_certificate(name: str, method: str) -> None:
    """Names and expiry of trusted certificates are tested in tests/upstream/test_client.py."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert(name).configure_cert(tls)
    async with scripted_upstream(LISTED, tls=tls) as upstream, running_proxy(upstream.url) as port:
        answer = await Proxied(port, upstream).ask(method)
    assert told(answer) == (502, "The upstream API cannot be trusted", None)
    assert (upstream.accepted, upstream.begun) == (0, 0)  # by asyncio, which accepts after the handshake


LOSSES: dict[str, Answer] = {
    "closed": LOST,
    "reset": RESET,
    "reset early": (End.RST_EARLY,),
    "half a head": (b"HTTP/1.1 2", End.FIN),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_fault_04_closed_before_a_byte(loss: Answer) -> None:
    answer, upstream = asked_once(loss, LISTED)
    assert (shown(answer), upstream.begun, upstream.accepted) == (["Bob"], 2, 2)
    answer, upstream = asked_once(loss, loss, LISTED)
    assert (told(answer), upstream.begun, upstream.accepted) == ((502, NONSENSE, None), 2, 2)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_fault_04_a_kept_connection_is_closed(loss: Answer) -> None:
    async def twice(between: Proxied) -> tuple[list[str], int, int]:
        assert shown(await between.ask()) == ["Bob"]
        return shown(await between.ask()), between.upstream.begun, between.upstream.accepted

    assert timed(twice, LISTED, loss, LISTED) == (["Bob"], 3, 2)  # the second connection is the first call's


ITEMS: dict[str, tuple[bytes, bytes]] = {
    "signalwire": (
        b'{"id": "00000000-0000-0000-0000-000000000001", "number": "+14158675309", "verified": true}',
        b'{"data": [%b]}',
    ),
    "example-rest": (b'{"id": 1, "number": "+14158675309"}', b'{"items": [%b], "total": 1}'),
    "restcomm": (json.dumps(item()).encode(), b"[%b]"),
}


@pytest.mark.parametrize("profile", ITEMS)
def test_fault_04_a_rename_has_a_connection_of_its_own(profile: str) -> None:
    """With any verb: a kept connection may be stale, and the request is not retried."""
    one_of_it, page_of_it = ITEMS[profile]

    async def rename(between: Proxied) -> tuple[int, int, int]:
        (sid,) = re.findall("<Sid>(.*?)</Sid>", (await between.ask()).body.decode())
        answer = await between.ask("PUT", f"{LIST}/{sid}")
        return answer.status, between.upstream.accepted, between.upstream.begun

    script = ok(page_of_it % one_of_it), ok(one_of_it)
    assert timed(rename, *script, configuration=of_vendor(profile)) == (200, 2, 2)


SLOWNESS: dict[str, tuple[Answer, float]] = {
    "silence": ((Stall(),), 10),
    "headers alone": ((head("Content-Length: 100"), Stall()), 10),
    "half a body": ((head("Content-Length: 100"), b"{", Stall()), 10),
    "a byte a second": ((head("Content-Length: 100"), Drip(b" " * 100)), 25),
    "headers by bytes": ((Drip(head("Content-Length: 100")),), 25),
    "hints for ever": ((b"HTTP/1.1 103 Early Hints\r\n\r\n", Stall(4)) * 9, 25),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("slow", "seconds"), SLOWNESS.values(), ids=SLOWNESS.keys())
def test_fault_05_too_slow(slow: Answer, seconds: float, method: str) -> None:
    async def ask(between: Proxied) -> tuple[tuple[int, str, str | None], float, int]:
        begun = now()
        return told(await between.ask(method)), now() - begun, between.upstream.hits(method)

    message = PERHAPS if method == "POST" else SLOW
    assert timed(ask, slow, LISTED) == ((504, message, None), about(seconds), 1)


def test_fault_05_many_calls_together_take_no_longer() -> None:
    """Each page takes less than its timeout, and is requested twice."""

    async def ask(between: Proxied) -> tuple[tuple[int, str, str | None], float]:
        begun = now()
        return told(await between.ask()), now() - begun

    pages: list[Answer] = []
    for number in range(9):
        pages += [(Stall(4), error(503)), (Stall(4), ok(page(item(), following=following(number))))]
    assert timed(ask, *pages) == ((503, LARGE, None), about(25))


# 6 to 13: bodies


WHOLE = b'{"outgoing_caller_ids": [], "next_page_uri": null}'
CUT: dict[str, Answer] = {
    "reset": (head(f"Content-Length: {len(WHOLE) + 1}"), WHOLE, End.RST),
    "short": (head(f"Content-Length: {len(WHOLE) + 1}"), WHOLE, End.FIN),
    "cut chunk": (head("Transfer-Encoding: chunked"), b"%x\r\n" % (len(WHOLE) + 1), WHOLE, End.FIN),
    "no last chunk": (head("Transfer-Encoding: chunked"), b"%x\r\n" % len(WHOLE), WHOLE, b"\r\n", End.FIN),
    "no chunk": (head("Transfer-Encoding: chunked"), b"zz\r\n", WHOLE, b"\r\n0\r\n\r\n", End.FIN),
    "two lengths": (head("Content-Length: 1", f"Content-Length: {len(WHOLE)}"), WHOLE),
}


@pytest.mark.parametrize("cut", CUT.values(), ids=CUT.keys())
def test_fault_06_truncated(cut: Answer) -> None:
    answer, upstream = asked_once(cut, LISTED)
    assert (shown(answer), upstream.hits("GET")) == (["Bob"], 2)
    answer, upstream = asked_once(cut, cut, LISTED)
    assert (told(answer), upstream.hits("GET")) == ((502, NONSENSE, None), 2)


@pytest.mark.parametrize("end", [1, -5, None])
def test_fault_06_compressed_against_accept_encoding(end: int | None) -> None:
    zipped = ok(gzip.compress(BOBS)[:end], ("Content-Encoding", "gzip"))
    answer, upstream = asked_once(zipped, LISTED)
    assert (shown(answer), upstream.hits("GET")) == (["Bob"], 2 if end else 1)
    assert upstream.received[0].header("Accept-Encoding") == "identity"
    if end:
        answer, upstream = asked_once(zipped, zipped, LISTED)
        assert (told(answer), upstream.hits("GET")) == ((502, NONSENSE, None), 2)


async def worst_stall(stop: asyncio.Event) -> float:
    """Return the most CPU time between two rounds of the loop."""
    worst, last = 0.0, time.thread_time()
    while not stop.is_set():
        await asyncio.sleep(0)
        this = time.thread_time()
        worst, last = max(worst, this - last), this
    return worst


BLOCK = b" " * 0x10000
LARGE_BODIES: dict[str, Answer] = {
    "length": (head(f"Content-Length: {64 * MIB}"), *[BLOCK] * 1024),
    "chunks": (head("Transfer-Encoding: chunked"), *[b"10000\r\n" + BLOCK + b"\r\n"] * 1024),
    "until the end": (head(), *[BLOCK] * 1024, End.FIN),
    "bomb": ok(gzip.compress(bytes(64 * MIB), 9), ("Content-Encoding", "gzip")),
}


@pytest.mark.parametrize("large", LARGE_BODIES.values(), ids=LARGE_BODIES.keys())
async def test_fault_07_too_large(large: Answer) -> None:
    # A busy machine adds CPU time that the proxy did not cause, but not each time
    assert min(await stall_of(large), await stall_of(large)) < 0.05


async def stall_of(large: Answer) -> float:
    """Get an answer that is too large; return the longest stall of the loop."""
    async with proxied(large, LISTED) as between:
        stop = asyncio.Event()
        stall = asyncio.create_task(worst_stall(stop))
        tracemalloc.start()
        try:
            answer = await between.ask()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            stop.set()
    assert (told(answer), between.upstream.hits("GET")) == ((502, NONSENSE, None), 1)
    assert peak < 2 * 8 * MIB
    return await stall


NO_JSON = {
    "nothing": b"",
    "blanks": b" \r\n",
    "half": BOBS[:-1],
    "twice": BOBS + BOBS,
    "NaN": page(item(x=float("nan"))),
    "Infinity": page(item(x=float("inf"))),
    "deep": b'{"outgoing_caller_ids": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep and half a character": b'{"x": "\\ud800", "outgoing_caller_ids": '
    + b"[" * 10_000
    + b"]" * 10_000
    + b"}",
    "a key twice": BOBS[:-1] + b', "next_page_uri": null}',
    "a key of an item twice": BOBS.replace(b'"friendly_name"', b'"sid": "", "friendly_name"'),
    "far too many lists": b'{"outgoing_caller_ids": [' + b"[]," * 200_000 + b'[]], "next_page_uri": null}',
    "a list": b"[]",
    "null": b"null",
    "UTF-16": BOBS.decode().encode("utf-16"),
    "no UTF-8": BOBS.replace(b"Bob", b"B\xf6b"),
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON.keys())
def test_fault_08_not_json(body: bytes) -> None:
    answer, upstream = asked_once(ok(body), LISTED)
    assert (told(answer), upstream.hits("GET")) == ((502, NONSENSE, None), 1)


@pytest.mark.parametrize("body", [b"", b"null", b" "])
def test_fault_08_an_empty_body_is_no_empty_list(body: bytes) -> None:
    assert told(asked_once(ok(body), target=AN_INSTANCE)[0]) == (502, NONSENSE, None)


def test_fault_08_a_byte_order_mark_does_no_harm() -> None:
    assert shown(asked_once(ok(b"\xef\xbb\xbf" + BOBS))[0]) == ["Bob"]


@pytest.mark.parametrize(
    "kind", ["text/html", "text/html; charset=utf-8", "Text/HTML", "application/xhtml+xml"]
)
@pytest.mark.parametrize("body", [BOBS, b"<html><body>It works!</body></html>"])
def test_fault_09_an_html_page(kind: str, body: bytes) -> None:
    answer, upstream = asked_once(Message("HTTP/1.1 200 OK", (("Content-Type", kind),), body), LISTED)
    assert (told(answer), upstream.hits("GET")) == ((502, NONSENSE, None), 1)


@pytest.mark.parametrize(
    "wrong",
    [{"sid": None}, {"sid": 5}, {"friendly_name": ["x"]}, {"phone_number": {}}, {"sid": "../x"}],
    ids=str,
)
def test_fault_10_a_malformed_item(wrong: dict[str, object]) -> None:
    """The whole list is refused; the item is not left out."""
    body = page(item(), item(**{"sid": COMPANY, **wrong}))
    assert told(asked_once(ok(body))[0]) == (502, NONSENSE, None)
    body = page(item(), {name: value for name, value in item().items() if name != "sid"})
    assert told(asked_once(ok(body))[0]) == (502, NONSENSE, None)


@pytest.mark.parametrize("wrong", [b"null", b"5", b'"x"', b"[]"])
@pytest.mark.parametrize("profile", ["signalwire", "restcomm"])
def test_fault_10_no_item(profile: str, wrong: bytes) -> None:
    """Nor is it left out as one that is not verified."""
    one_of_it, page_of_it = ITEMS[profile]
    body = page_of_it % (one_of_it + b", " + wrong)
    assert told(asked_once(ok(body), configuration=of_vendor(profile))[0]) == (502, NONSENSE, None)


def test_fault_10_defaults_of_the_profile() -> None:
    names = shown(asked_once(ok(page(item(friendly_name=None, date_created=None))))[0])
    assert names == ["(415) 867-5309"]


@pytest.mark.parametrize("target", [LIST, AN_INSTANCE])
def test_fault_11_of_another_account(target: str, security: list[str]) -> None:
    theirs = item(account_sid="AC" + "e" * 32)
    body = page(item(sid=COMPANY), theirs) if target == LIST else json.dumps(theirs).encode()
    answer, upstream = asked_once(ok(body), target=target)
    assert (told(answer), upstream.hits("GET")) == ((502, NONSENSE, None), 1)


@pytest.mark.parametrize("written", [r"\ud800", r"\udc00x", r"\u0000", r"\u0008", r"\ufffe", r"\uffff"])
def test_fault_12_characters_that_xml_cannot_hold(written: str) -> None:
    body = page(item("Bob"), item("NAME", COMPANY)).replace(b"NAME", written.encode())
    names = shown(asked_once(ok(body))[0])
    assert names[0] == "Bob"
    assert names[1].startswith("\ufffd")


NAMES = page(item("Bob"), item("\ud800", COMPANY), item("\0\1", f"PN{5:032x}"))
A_NUMBER = item("\ufffe", phone_number="+44\0")
STARTED = {"validation_code": "123456", "phone_number": "+44\0", "friendly_name": "\ud800"}


@pytest.mark.parametrize(
    ("method", "target", "said", "policy", "replaced"),
    [
        ("GET", LIST, NAMES, "digits", 2),
        ("GET", LIST, page(A_NUMBER), "digits", 1),
        ("GET", LIST, page(A_NUMBER), "e164", 2),
        ("GET", LIST, page(A_NUMBER), "skip", 0),
        ("GET", f"{LIST}.csv", page(A_NUMBER), "e164", 2),
        ("GET", AN_INSTANCE, json.dumps(A_NUMBER).encode(), "e164", 2),
        ("PUT", AN_INSTANCE, json.dumps(A_NUMBER).encode(), "e164", 2),
        ("PUT", AN_INSTANCE, json.dumps(A_NUMBER).encode(), "digits", 1),
        ("PUT", f"{AN_INSTANCE}.json", json.dumps(A_NUMBER).encode(), "e164", 2),
        ("PUT", AN_INSTANCE, one("\ufffd"), "digits", 0),
        ("POST", LIST, json.dumps(STARTED).encode(), "e164", 1),
    ],
)
async def test_fault_12_is_counted(method: str, target: str, said: bytes, policy: str, replaced: int) -> None:
    configuration = f"listen: {{metrics: '127.0.0.1:0'}}\nnumbers: {{outside_nanp: {policy}}}\n"
    async with (
        scripted_upstream(ok(said)) as upstream,
        running_listeners(upstream.url, configuration) as bound,
    ):
        form = "PhoneNumber=4158675309&FriendlyName=Bob" if method == "POST" else None
        answer = await Proxied(bound["address"].port, upstream).ask(method, target, form)
        metrics = await ask(bound["metrics"].port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 200
    assert answer.body.count("\ufffd".encode()) >= replaced
    assert f"\ncallerid_proxy_replaced_names_total {replaced}.0\n".encode() in metrics.body


@pytest.mark.parametrize(
    ("policy", "seen"), [("digits", ["442071838750"]), ("e164", ["+442071838750"]), ("skip", [])]
)
def test_fault_13_a_number_of_another_country(policy: str, seen: list[str]) -> None:
    body = ok(page(item(phone_number="+442071838750")))
    answer, _ = asked_once(body, configuration=f"numbers: {{outside_nanp: {policy}}}\n")
    assert answer.status == 200
    assert re.findall("<PhoneNumber>(.*?)</PhoneNumber>", answer.body.decode()) == seen


@pytest.mark.parametrize("date", [None, "", "yesterday", "Tue, 99 Apr 2008 18:26:32 +0000", 5, {}])
def test_fault_13_no_date(date: object) -> None:
    answer, _ = asked_once(ok(page(item(date_created=date))))
    assert b"<DateCreated></DateCreated>" in answer.body or b"<DateCreated/>" in answer.body


# 14 to 18: statuses


PASSING = {
    500: (502, NONSENSE, None),
    502: (502, NONSENSE, None),
    503: (503, DECLINED, "1"),
    504: (504, SLOW, None),
}


@pytest.mark.parametrize("status", PASSING)
def test_fault_14_retried_requests(status: int) -> None:
    answer, upstream = asked_once(error(status), LISTED)
    assert (shown(answer), upstream.hits("GET")) == (["Bob"], 2)
    answer, upstream = asked_once(error(status), error(status), LISTED)
    assert (told(answer), upstream.hits("GET")) == (PASSING[status], 2)


@pytest.mark.parametrize("status", [501, 505, 599, 400, 405, 409, 422])
def test_fault_14_requests_not_retried(status: int) -> None:
    answer, upstream = asked_once(error(status), LISTED)
    assert answer.status in (400, 502)
    assert upstream.hits("GET") == 1


@pytest.mark.parametrize(("asked", "hits"), [(3, 2), (20, 2), (30, 1), (3600, 1)])
def test_fault_14_retry_after_is_kept_if_time_allows(asked: int, hits: int) -> None:
    async def ask(between: Proxied) -> tuple[Message, float, int]:
        begun = now()
        return await between.ask(), now() - begun, between.upstream.hits("GET")

    answer, seconds, times = timed(ask, error(503, ("Retry-After", str(asked))), LISTED)
    assert times == hits
    if hits == 2:
        assert (answer.status, seconds) == (200, about(asked))
    else:
        assert (told(answer), seconds) == ((503, DECLINED, str(asked)), about(0))


AT_NOON, A_MINUTE_LATER = "Sun, 13 Mar 2011 12:00:00 GMT", "Sun, 13 Mar 2011 12:01:00 GMT"


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("40", 40),
        ("3600", 3600),
        ("1000000000000", 3600),
        ("0", 1),
        ("-5", 1),
        ("soon", 1),
        (A_MINUTE_LATER, 60),
        ("Sun, 13 Mar 2011 11:00:00 GMT", 1),
        ("Sun, 13 Mar 2061 12:00:00 GMT", 3600),
    ],
)
@pytest.mark.parametrize(("status", "words"), [(429, "Too many requests"), (503, DECLINED)])
def test_fault_15_callers_wait_for_retry_after(status: int, words: str, asked: str, seconds: int) -> None:
    async def ask(between: Proxied) -> None:
        upstream = between.upstream
        first = await between.ask()
        assert told(first) == (status, words, str(seconds))
        hits = len(upstream.received)
        for method in ("GET", "POST", "DELETE"):
            target = AN_INSTANCE if method == "DELETE" else LIST
            again = await between.ask(method, target)
            assert told(again)[:2] == (status, words)
            assert 1 <= int(again.header("Retry-After") or "") <= seconds
        assert len(upstream.received) == hits
        assert shown(await between.ask(token="another")) == ["Bob"]
        await asyncio.sleep(seconds)
        assert shown(await between.ask()) == ["Bob"]

    told_so = error(status, ("Retry-After", asked), ("Date", AT_NOON))
    # A 503 is retried if there is time for it
    tries = 2 if status == 503 and seconds < 25 else 1
    timed(ask, *[told_so] * tries, LISTED, LISTED)


def test_fault_15_the_pause_ends_with_the_retry() -> None:
    """A list of several pages is read to its end although its upstream has asked for a pause."""

    async def ask(between: Proxied) -> tuple[list[str], int]:
        return shown(await between.ask()), between.upstream.hits()

    pause = error(503, ("Retry-After", "2"))
    pages = [ok(page(item(), following=following(1))), ok(page(item("Company", COMPANY)))]
    assert timed(ask, pause, pages[0], pause, pages[1]) == (["Bob", "Company"], 4)


@pytest.mark.parametrize("status", [401, 403])
def test_fault_16_the_callers_credentials(status: int) -> None:
    answer, upstream = asked_once(error(status), LISTED)
    assert (answer.status, upstream.hits("GET")) == (status, 1)


@pytest.mark.parametrize("status", [401, 403])
def test_fault_16_the_proxys_credentials(status: int, security: list[str]) -> None:
    answer, upstream = asked_once(error(status), LISTED, configuration=MAPPED)
    assert (told(answer), upstream.hits("GET")) == ((502, NONSENSE, None), 1)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("status", [401, 403])
def test_fault_16_their_cached_lists_are_dropped(status: int, mapped: bool) -> None:
    async def ask(between: Proxied) -> list[int]:
        assert shown(await between.ask()) == ["Bob"]
        assert shown(await between.ask()) == ["Bob"]
        assert between.upstream.hits() == 1
        theirs = [] if mapped else [(await between.ask(token="another")).status]
        refused = (await between.ask(target=f"{LIST}/{COMPANY}")).status
        theirs += [] if mapped else [(await between.ask(token="another")).status]
        assert set(theirs) <= {200}
        return [refused, (await between.ask()).status]

    script = [LISTED, *([] if mapped else [LISTED]), error(status), error(status), LISTED]
    found = timed(ask, *script, configuration=CACHED + (MAPPED if mapped else ""))
    assert found == [502 if mapped else status] * 2


def test_fault_17_no_such_instance() -> None:
    async def ask(between: Proxied) -> tuple[list[int], int]:
        found = [(await between.ask(target=AN_INSTANCE)).status for _ in range(2)]
        return found, between.upstream.hits("GET", f"{UPSTREAM_LIST}/{BOB}.json")

    assert timed(ask, error(404), error(404), configuration=CACHED) == ([404, 404], 2)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_fault_18_no_redirect_is_followed(method: str, status: int) -> None:
    async with scripted_upstream() as elsewhere:
        target = LIST if method == "POST" else AN_INSTANCE
        async with proxied(error(status, ("Location", f"{elsewhere.url}/x"))) as between:
            answer = await between.ask(method, target)
    assert told(answer) == (502, PERHAPS if method == "POST" else NONSENSE, None)
    assert (elsewhere.accepted, between.upstream.hits()) == (0, 1)


# 19 to 25: lists


async def test_fault_24_a_new_link_with_a_repeated_page(tmp_path: Path) -> None:
    """A parsed page may be reused only if its link headers are the same too."""
    by_link = "paging: {strategy: next_url, next: /next_page_uri}", "paging: {strategy: link_header}"
    configuration = profile_with(tmp_path, by_link) + "snapshots: {fresh: 0.1}\n"
    more = ok(BOBS, ("Link", f'<{following(1)}>; rel="next"')), ok(page(item("Company", COMPANY)))
    async with proxied(LISTED, *more, configuration=configuration) as between:
        assert shown(await between.ask()) == ["Bob"]
        await asyncio.sleep(0.2)
        assert shown(await between.ask()) == ["Bob", "Company"]


@pytest.mark.parametrize("relation", ["next", "NEXT"])
@pytest.mark.parametrize("are_separate", [True, False])
def test_fault_24_any_link_header_names_the_next_page(
    are_separate: bool, relation: str, tmp_path: Path
) -> None:
    """A listing that overlooks it would end early, with a wrong total."""
    by_link = "paging: {strategy: next_url, next: /next_page_uri}", "paging: {strategy: link_header}"
    links = [f'<{PAGES}>; rel="first"', f'<{following(1)}>; rel="{relation}"']
    lines = links if are_separate else [", ".join(links)]
    script = ok(BOBS, *[("Link", line) for line in lines]), ok(page(item("Company", COMPANY)))
    answer, upstream = asked_once(*script, configuration=profile_with(tmp_path, by_link))
    assert (shown(answer), upstream.hits()) == (["Bob", "Company"], 2)


@pytest.mark.parametrize(
    "place",
    [
        "{elsewhere}/x",
        "//127.0.0.1:{port}/x",
        "http://0x7f.1:{upstream}/x",
        "http://2130706433:{upstream}/x",
        "http://localhost:{upstream}/x",
        "http://[::1]:{upstream}/x",
        "http://user:s3cret@127.0.0.1:{upstream}/x",
        "https://127.0.0.1:{upstream}/x",
        "file:///etc/passwd",
        "http://[",
    ],
)
async def test_fault_19_a_next_page_elsewhere(place: str, security: list[str]) -> None:
    async with scripted_upstream() as elsewhere, proxied() as between:
        upstream = between.upstream
        target = place.format(elsewhere=elsewhere.url, port=elsewhere.port, upstream=upstream.port)
        upstream.then(ok(page(item(), following=f"{target}?Token=s3cret")), LISTED)
        answer = await between.ask()
    assert told(answer) == (502, NONSENSE, None)
    assert (elsewhere.accepted, upstream.hits()) == (0, 1)


CYCLES: dict[str, list[int]] = {
    "itself": [0],
    "the first": [1, 0],
    "the one before": [1, 2, 1],
    "later": [1, 2, 3, 1],
}


@pytest.mark.parametrize("way", CYCLES.values(), ids=CYCLES.keys())
def test_fault_20_a_cycle(way: list[int]) -> None:
    sids = (f"PN{number:032x}" for number in itertools.count())
    pages = [
        ok(page(item(sid=next(sids)), following=following(to) if to else f"{PAGES}?PageSize=1000"))
        for to in way
    ]
    answer, upstream = asked_once(*pages, LISTED)
    assert (told(answer), upstream.hits()) == ((502, NONSENSE, None), len(way))


@pytest.mark.parametrize("before", [0, 1])
def test_fault_20_an_empty_page_with_another_one(before: int) -> None:
    """It is followed: some upstreams filter a page after they have cut it out."""
    pages = [ok(page(item(), following=following(1)))] * before
    last = ok(page(item("Company", COMPANY)))
    answer, upstream = asked_once(*pages, ok(page(following=following(2))), last)
    assert (shown(answer), upstream.hits()) == (["Bob"] * before + ["Company"], before + 2)


async def endless(between: Proxied, body: int = 0) -> tuple[tuple[int, str, str | None], int]:
    """Request a list that never ends."""
    numbers = itertools.count(1)

    def answer(_: Message) -> Answer:
        number = next(numbers)
        listed = item(sid=f"PN{number:032x}", friendly_name="x" * body)
        return ok(page(listed, following=following(number)))

    between.upstream.otherwise = answer
    return told(await between.ask()), between.upstream.hits()


@pytest.mark.parametrize(
    ("limits", "body", "hits"),
    [
        ("", 0, 200),
        ("{items: 7}", 0, 8),
        ("{pages: 3}", 0, 3),
        ("", 1_100_000, 31),
        ("{bytes: 5000}", 600, 5),
    ],
)
async def test_fault_21_an_endless_list(limits: str, body: int, hits: int, tmp_path: Path) -> None:
    changes = [("\nauth:", f"\nlimits: {limits}\nauth:")] if limits else []
    async with proxied(configuration=profile_with(tmp_path, *changes)) as between:
        assert await endless(between, body) == ((503, LARGE, None), hits)


@pytest.mark.parametrize(("pages", "told_then"), [(0, (504, SLOW, None)), (1, (503, LARGE, None))])
def test_fault_21_no_time_left(pages: int, told_then: tuple[int, str, str | None]) -> None:
    async def ask(between: Proxied) -> tuple[tuple[int, str, str | None], float]:
        begun = now()
        return told(await between.ask()), now() - begun

    slow = Drip(page(item(), following=following(1)))
    script: list[Answer] = [ok(page(item(), following=following(1)))] * pages
    script.append((head("Content-Length: 9999"), slow))
    assert timed(ask, *script) == (told_then, about(25))


FIRST = ok(page(item("Old"), following=following(1)))
NEW = [ok(page(item("New"), following=following(2))), ok(page(item("Company", COMPANY)))]


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_fault_22_a_cursor_expires(status: int) -> None:
    answer, upstream = asked_once(FIRST, error(status), *NEW)
    assert (shown(answer), upstream.hits("GET", PAGES)) == (["New", "Company"], 4)
    answer, upstream = asked_once(FIRST, error(status), FIRST, error(status), *NEW)
    assert (told(answer), upstream.hits("GET", PAGES)) == ((503, DECLINED, "1"), 4)


@pytest.mark.parametrize(("status", "hits"), [(401, 2), (403, 2), (429, 2), (500, 3)])
def test_fault_22_other_errors_are_no_expiry(status: int, hits: int) -> None:
    answer, upstream = asked_once(FIRST, error(status), error(status), *NEW)
    assert (answer.status, upstream.hits()) == (502 if status == 500 else status, hits)


def test_fault_23_a_list_that_changes_meanwhile() -> None:
    twice = [
        ok(page(item("Bob"), following=following(1))),
        ok(page(item("Bob again"), item("Company", COMPANY))),
    ]
    assert shown(asked_once(*twice)[0]) == ["Bob", "Company"]


@pytest.mark.parametrize("total", [0, 1, 7, -1, "x", None])
def test_fault_24_a_total_that_is_wrong(total: object) -> None:
    body = page(item(), item("Company", COMPANY))[:-1] + b', "total": ' + str(total or 0).encode() + b"}"
    body = body.replace(b": x}", b': "x"}')
    assert shown(asked_once(ok(body))[0]) == ["Bob", "Company"]


@pytest.mark.parametrize("hours", [-1, 1])
async def test_fault_25_the_clock_jumps(hours: int) -> None:
    """TTLs, pauses and deadlines are not affected."""
    pause = error(429, ("Retry-After", "1800"))
    async with proxied(LISTED, pause, configuration=CACHED) as between:
        assert shown(await between.ask()) == ["Bob"]
        assert (await between.ask(token="another")).status == 429
        with time_machine.travel(time.time() + 3600 * hours, tick=True):
            assert shown(await between.ask()) == ["Bob"]
            again = await between.ask(token="another")
            assert (again.status, int(again.header("Retry-After") or "")) == (
                429,
                about(1800, within=60),
            )
            between.upstream.then((Stall(0.01), LISTED))
            assert shown(await between.ask(token="a third")) == ["Bob"]
    assert between.upstream.hits() == 3


# 26, 27, 31, 32: the cache; tests/cache has more


@pytest.fixture
def redis() -> Iterator[Server]:
    with running_valkey() as server:
        yield server


def shared(redis: Server, fresh: float = 10) -> str:
    return f'snapshots: {{fresh: {fresh}, redis: {{url: "{redis.url}"}}}}\n'


def spoil(server: Server, how: str) -> None:
    """Do something to Redis, or to everything in it."""
    match how:
        case "down":
            server.stop()
        case "flushed":
            server.client.flushall()
        case "full":
            server.client.config_set("maxmemory", 1)
        case _:
            for name in list(server.client.scan_iter()):
                server.client.delete(name)
                if how == "corrupt":
                    server.client.set(name, b"nonsense")
                else:
                    server.client.rpush(name, b"nonsense")


@pytest.mark.parametrize("how", ["down", "flushed", "full", "wrong type", "corrupt"])
async def test_fault_26_redis_failures(how: str, redis: Server) -> None:
    async with proxied(LISTED, configuration=shared(redis, fresh=0.5)) as between:
        assert shown(await between.ask()) == ["Bob"]
        await asyncio.sleep(0.1)  # until it is saved for other replicas
        spoil(redis, how)
        between.upstream.otherwise = lambda _: LISTED
        assert [shown(await between.ask()) for _ in range(2)] == [["Bob"]] * 2
        between.upstream.then(ok(one("Renamed")))
        between.upstream.otherwise = lambda _: ok(page(item("Renamed")))
        assert (await between.ask("PUT", AN_INSTANCE)).status == 200
        assert [shown(await between.ask()) for _ in range(2)] == [["Renamed"]] * 2


async def test_fault_26_a_hanging_redis(redis: Server) -> None:
    async with proxied(configuration=shared(redis)) as between:
        between.upstream.otherwise = lambda _: LISTED
        assert shown(await between.ask()) == ["Bob"]
        with redis.frozen():
            assert [shown(await between.ask()) for _ in range(3)] == [["Bob"]] * 3
    assert between.upstream.hits() == 4


async def test_fault_27_a_hundred_requests_and_the_first_disconnects() -> None:
    async with proxied(LISTED, configuration=CACHED) as between, connect(between.port) as leader:
        between.upstream.released.clear()
        request = Message(f"GET {LIST} HTTP/1.1", (("Host", "x"), ("Authorization", basic())))
        await leader.send(request.encode())
        await between.upstream.is_asked(1)
        others = [asyncio.create_task(between.ask()) for _ in range(99)]
        await asyncio.sleep(0.2)
        leader.writer.transport.abort()
        await asyncio.sleep(0.1)
        between.upstream.released.set()
        answers = await asyncio.gather(*others)
    assert [shown(answer) for answer in answers] == [["Bob"]] * 99
    assert between.upstream.hits() == 1


# 29, 30: writes whose answers are lost


GONE = error(404)
DELETED = Message("HTTP/1.1 204 No Content")


@pytest.mark.parametrize("loss", [LOST, RESET, (head("Content-Length: 9"), End.RST), error(502)])
@pytest.mark.parametrize("again", [GONE, DELETED.encode()])
def test_fault_29_a_deletion_is_lost(loss: Answer, again: bytes) -> None:
    answer, upstream = asked_once(loss, again, method="DELETE", target=AN_INSTANCE)
    assert (answer.status, upstream.hits("DELETE")) == (204, 2)


def test_fault_29_a_missing_instance_was_not_deleted() -> None:
    answer, upstream = asked_once(GONE, method="DELETE", target=AN_INSTANCE)
    assert (answer.status, upstream.hits("DELETE")) == (404, 1)


ITEM_OF_VOXIMPLANT = b'{"callerid_id": 42, "callerid_number": "14158675309", "active": true}'


def test_fault_29_a_deletion_is_lost_with_errors_in_200() -> None:
    async def delete(between: Proxied) -> tuple[int, int]:
        (sid,) = re.findall("<Sid>(.*?)</Sid>", (await between.ask()).body.decode())
        return (await between.ask("DELETE", f"{LIST}/{sid}")).status, between.upstream.begun

    listed = ok(b'{"result": [%b], "total_count": 1}' % ITEM_OF_VOXIMPLANT)
    gone = ok(b'{"error": {"msg": "No such caller ID", "code": 183}}')
    assert timed(delete, listed, LOST, gone, configuration=of_vendor("voximplant")) == (204, 3)
    assert timed(delete, listed, gone, configuration=of_vendor("voximplant")) == (404, 2)


RENAMED = ok(one("New"))
AGAIN = ("  rename: # the current API has no PUT\n", "  rename:\n    retries: 1\n")


@pytest.mark.parametrize("loss", [LOST, RESET, (End.RST_EARLY,), error(503)])
def test_fault_30_a_rename_is_lost(loss: Answer, tmp_path: Path) -> None:
    """It is retried only if its profile says that this is safe."""
    answer, upstream = asked_once(loss, RENAMED, method="PUT", target=AN_INSTANCE)
    assert (answer.status, upstream.begun) == (503 if loss == error(503) else 502, 1)
    told_so = profile_with(tmp_path, AGAIN)
    answer, upstream = asked_once(loss, RENAMED, method="PUT", target=AN_INSTANCE, configuration=told_so)
    assert (answer.status, upstream.begun) == (200, 2)


def test_fault_30_no_retry_after_a_newer_rename(tmp_path: Path) -> None:
    async def ask(between: Proxied) -> tuple[int, int, list[bytes]]:
        upstream = between.upstream
        first = asyncio.create_task(between.ask("PUT", AN_INSTANCE, "FriendlyName=First"))
        await upstream.is_asked(1)
        second = await between.ask("PUT", AN_INSTANCE, "FriendlyName=Second")
        bodies = [message.body for message in upstream.received]
        return (await first).status, second.status, bodies

    found = timed(ask, (Stall(1), End.FIN), RENAMED, RENAMED, configuration=profile_with(tmp_path, AGAIN))
    assert found == (502, 200, [b"FriendlyName=First", b"FriendlyName=Second"])


async def test_fault_31_a_write_cannot_be_announced(redis: Server) -> None:
    """The write is acknowledged once no replica shows the old value; nothing is cached meanwhile."""
    async with proxied(LISTED, RENAMED, configuration=shared(redis, fresh=0.5)) as between:
        assert shown(await between.ask()) == ["Bob"]
        redis.stop()
        assert (await between.ask("PUT", AN_INSTANCE)).status == 200
        between.upstream.otherwise = lambda _: ok(page(item("New")))
        assert [shown(await between.ask()) for _ in range(3)] == [["New"]] * 3
    assert between.upstream.hits("GET") == 4


async def test_fault_32_a_listing_from_before_a_write() -> None:
    ends = asyncio.Event()
    async with proxied((ends, LISTED), RENAMED, ok(page(item("New"))), configuration=CACHED) as between:
        before = asyncio.create_task(between.ask())
        await between.upstream.is_asked(1)
        assert (await between.ask("PUT", AN_INSTANCE)).status == 200
        ends.set()
        assert shown(await before) == ["Bob"]
        assert [shown(await between.ask()) for _ in range(2)] == [["New"]] * 2
    assert between.upstream.hits("GET") == 2


# 33 to 36: validation


def test_fault_33_a_validation_has_a_connection_of_its_own() -> None:
    """A kept connection may be stale, and a validation is sent only once."""

    async def ask(between: Proxied) -> tuple[int, int, int]:
        assert shown(await between.ask()) == ["Bob"]
        answer = await between.ask("POST")
        return answer.status, between.upstream.accepted, between.upstream.hits("POST")

    assert timed(ask, (LISTED, End.FIN), CODE) == (200, 2, 1)
    assert timed(ask, LISTED, CODE) == (200, 2, 1)


async def test_fault_33_nothing_was_sent() -> None:
    """Nothing was sent, so no call was placed: it is retried, see row 1."""
    bound, upstream_port = bound_port()
    with bound:
        async with running_proxy(f"http://127.0.0.1:{upstream_port}") as port:
            answer = await Proxied(port, ScriptedUpstream()).ask("POST")
    assert told(answer) == (503, UNREACHED, "1")


UNCERTAIN: dict[str, tuple[Answer, int]] = {
    **{name: (loss, 502) for name, loss in {**LOSSES, **CUT}.items()},
    "silence": ((Stall(),), 504),
    "half an answer": ((head("Content-Length: 100"), Stall()), 504),
    **{
        str(status): (error(status, ("Retry-After", "7")), 504 if status == 504 else 502)
        for status in (500, 501, 502, 503, 504, 302, 307, 308)
    },
    "half a document": (ok(b'{"validation_code": '), 502),
    "a page for people": (ok(b"<html></html>"), 502),
    "no code": (ok(b"{}"), 502),
    "too much": ((head("Content-Length: 99999999"), *[BLOCK] * 200), 502),
}


@pytest.mark.parametrize(("answer", "status"), UNCERTAIN.values(), ids=UNCERTAIN.keys())
def test_fault_34_a_call_that_may_have_been_placed(answer: Answer, status: int) -> None:
    seen, upstream = asked_once(answer, CODE, CODE, method="POST")
    assert told(seen) == (status, PERHAPS, None)
    assert upstream.begun == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
@pytest.mark.parametrize("configuration", ["", MAPPED])
def test_fault_34_a_call_that_was_refused(status: int, configuration: str) -> None:
    seen, upstream = asked_once(error(status), CODE, method="POST", configuration=configuration)
    assert seen.status == (502 if configuration and status in (401, 403) else status)
    assert message_of(seen) != PERHAPS
    assert upstream.begun == 1


@pytest.mark.parametrize("code", [None, "", "12345", "1234567", "12345a", True, ["123456"], "١٢٣٤٥٦"])
def test_fault_36_no_code(code: object) -> None:
    said = ok(json.dumps({"validation_code": code, "phone_number": "+14158675309"}).encode())
    seen, upstream = asked_once(said, CODE, method="POST")
    assert (told(seen), upstream.hits("POST")) == ((502, PERHAPS, None), 1)


@pytest.mark.parametrize("status", [201, 202, 206])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_fault_36_a_success_without_its_content(status: int, method: str) -> None:
    """Its answer does not refuse the client's request: a call may have been placed."""
    said = json_answer(status, b'{"code": 20001, "message": "Accepted"}').encode()
    seen, upstream = asked_once(said, CODE, method=method)
    assert told(seen) == (502, PERHAPS if method == "POST" else NONSENSE, None)
    assert upstream.begun == 1


# 37: the circuit breaker


async def until_open(between: Proxied) -> None:
    """Let the upstream fail as often as it takes."""
    for _ in range(10):
        answer = await between.ask("PUT", AN_INSTANCE)
        assert answer.status in (502, 503)
    assert between.upstream.begun == 10


@pytest.mark.parametrize("loss", [LOST, RESET, error(500), error(503)])
def test_fault_37_the_circuit_breaker_opens(loss: Answer) -> None:
    async def ask(between: Proxied) -> None:
        between.upstream.otherwise = lambda _: loss
        await until_open(between)
        between.upstream.otherwise = lambda message: CODE if message.start.startswith("POST") else LISTED
        for method in ("GET", "POST"):
            answer = await between.ask(method)
            assert told(answer)[:2] == (503, DECLINED)
            assert int(answer.header("Retry-After") or "") in (4, 5)
        assert between.upstream.begun == 10
        await asyncio.sleep(5)
        assert told(await between.ask("POST")) == (503, DECLINED, "1")  # it is never the probe
        assert sum(each.start.startswith("POST") for each in between.upstream.received) == 10
        assert shown(await between.ask()) == ["Bob"]
        assert (await between.ask("POST")).status == 200

    timed(ask)


@pytest.mark.parametrize(
    ("method", "target"), [("POST", LIST), ("PUT", AN_INSTANCE), ("DELETE", AN_INSTANCE)]
)
def test_fault_37_programs_that_never_read(method: str, target: str) -> None:
    """The breaker closes for them too: the proxy reads for them, as often as the breaker admits a read."""

    async def ask(between: Proxied) -> None:
        upstream = between.upstream
        upstream.otherwise = lambda _: error(500)
        await until_open(between)
        for pause, probes in ((0, 0), (4, 0), (1.1, 1), (0, 1), (10.1, 2)):
            await asyncio.sleep(pause)
            for _ in range(3):
                assert told(await between.ask(method, target))[:2] == (503, DECLINED)
                await asyncio.sleep(0.01)
            reads = [each for each in upstream.received if each.start.startswith("GET")]
            assert (len(reads), upstream.begun) == (probes, 10 + probes)
        upstream.otherwise = lambda message: answers[message.start.split()[0]]
        await asyncio.sleep(20.1)
        assert (await between.ask(method, target)).status == 503
        await asyncio.sleep(0.1)
        assert (await between.ask(method, target)).status in (200, 204)
        sent = "DELETE" if method == "DELETE" else "POST"
        assert [each.start.split()[0] for each in upstream.received[-2:]] == ["GET", sent]

    answers = {
        "GET": LISTED,
        "POST": CODE if method == "POST" else ok(json.dumps(item(name="New")).encode()),
        "DELETE": error(204),
    }
    timed(ask)


def test_fault_37_one_probe_at_a_time_and_longer_pauses() -> None:
    async def ask(between: Proxied) -> list[int]:
        upstream = between.upstream
        upstream.otherwise = lambda _: error(500)
        await until_open(between)
        asked = []
        for seconds in (5, 5, 5, 10, 10):
            await asyncio.sleep(seconds)
            upstream.released.clear()
            probes = [asyncio.create_task(between.ask()) for _ in range(5)]
            await asyncio.sleep(0.1)
            upstream.released.set()
            assert {(await probe).status for probe in probes} <= {502, 503}
            asked.append(upstream.begun - 10)
        return asked

    assert timed(ask) == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("status", [400, 401, 404, 429])
def test_fault_37_client_errors_are_no_failures(status: int) -> None:
    async def ask(between: Proxied) -> int:
        between.upstream.otherwise = lambda _: error(status)
        for _ in range(15):  # failures would open it after ten, and logins may fail twenty times
            assert (await between.ask()).status == status
        return between.upstream.hits()

    assert timed(ask) == 15


@pytest.mark.parametrize("loss", [LOST, RESET, error(500), error(503), (Stall(),)])
def test_fault_37_other_callers_are_not_affected(loss: Answer) -> None:
    """Failures for one account, however many, do not affect another one."""

    async def ask(between: Proxied) -> None:
        upstream, hapless = between.upstream, basic(password="hapless")
        upstream.otherwise = lambda message: loss if message.header("Authorization") == hapless else LISTED
        for pause in (0, 5, 10):  # then it is open, and then a probe fails
            await asyncio.sleep(pause)
            answers = await asyncio.gather(*[between.ask(token="hapless") for _ in range(20)])
            assert pause == 0 or [told(each)[1] for each in answers].count(DECLINED) >= 19
            for _ in range(20):
                assert shown(await between.ask()) == ["Bob"]
        asked = Counter(message.header("Authorization") == hapless for message in upstream.received)
        assert (asked[False], asked[True] <= 20 + 3 + 2) == (60, True)

    timed(ask)


@pytest.mark.parametrize(
    ("failing", "callers", "most"), [(1, 1, 10), (4, 1, 120), (1, 100, 120), (4, 100, 120)]
)
def test_fault_37_retries_add_little_load(failing: int, callers: int, most: int) -> None:
    """If one in four calls gets 503, retries add a fifth, not a quarter; if all do, next to nothing.

    Other callers' failures do not affect a caller's first call.
    """

    async def ask(between: Proxied) -> int:
        for number in range(100):
            answer = error(503) if number % failing == 0 else LISTED
            between.upstream.otherwise = lambda _, answer=answer: answer  # type: ignore[misc]
            found = await between.ask(token=f"token {number % callers}")
            assert found.status == (503 if number % failing == 0 else 200)
        return between.upstream.hits()

    assert most - 2 <= timed(ask) <= most


# The table


def test_every_row_has_a_test() -> None:
    texts = [file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py")]
    rows = {int(row) for text in texts for row in re.findall(r"def test_fault_(\d\d)_", text)}
    assert rows == set(range(1, 38))
