"""What arrives → pieces for the parser: where they end, and how heads of old clients are rewritten."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.raw import AUTHORIZATION, CHUNKED, FORM, HOST, LENGTH, NUMBER, chunked, get, post, request

from proxy.server import intake
from proxy.server.intake import Intake


class Sent(NamedTuple):
    """A request as it arrives, and the head that the parser is to be given for it."""

    head: bytes
    given: bytes
    body: bytes = b""
    is_chunked: bool = False


def as_it_is(head: bytes, body: bytes = b"") -> Sent:
    return Sent(head, head, body)


def chunks(*parts: bytes) -> Sent:
    head = post(CHUNKED, body=b"")
    return Sent(head, head, chunked(*parts), is_chunked=True)


def rewritten(head: bytes, written: bytes, other: bytes) -> Sent:
    assert head.count(written) == 1
    return Sent(head, head.replace(written, other))


def twice(first: bytes, second: bytes) -> Sent:
    """Write a head with two headers of one name, of which the second one is renamed."""
    return rewritten(get(first, b"Accept: */*", second), b"*/*\r\n" + second, b"*/*\r\n~" + second[1:])


LIKE_A_HEAD = get(b"User-Agent: a", b"User-Agent: b", target=b"/\xff \xff") + b"\r\n\r\n"
AS_THEY_ARE: Sequence[Sent] = (
    as_it_is(get()),
    as_it_is(request(b"GET / HTTP/1.0")),
    as_it_is(
        get(b"Accept: x", b"Accept: y", b"Cookie: x", b"Cookie: x", b"X-User-Agent: a", b"X-User-Agent: b")
    ),
    as_it_is(get(b"User-Agent: \xff", b"Accept:")),
    # What the parser refuses
    as_it_is(request(b"GET /a b HTTP/1.1", HOST)),
    as_it_is(get(b"Content-Type: a", b"Content-Type: b")),
    as_it_is(get(b"Host: x", b"Content-Length: 0", b"Content-Length: 0", b"Authorization: x")),
    as_it_is(get(b"User-Agent : a", b"User-Agent : b")),
    # Bodies, whatever they look like
    as_it_is(post(LENGTH, body=b""), NUMBER),
    as_it_is(post(body=b""), LIKE_A_HEAD),
    chunks(),
    chunks(LIKE_A_HEAD, NUMBER, b"\r\n"),
)
REWRITTEN: Sequence[Sent] = (
    twice(b"User-Agent: a", b"User-Agent: b"),
    twice(b"User-Agent: a", b"USER-AGENT:"),
    twice(b"Content-Type: a/b", b"content-type:\ta/B "),
    twice(b'ETag: "a"', b'Etag: "b"'),
    twice(b"Server: a", b"Server: a"),
    twice(b"Max-Forwards: 1", b"Max-Forwards: 2"),
    twice(b"Content-Location: /", b"Content-Location: /"),
    twice(b"Content-Range: a", b"Content-Range: b"),
    rewritten(get(FORM, FORM), FORM + b"\r\n" + FORM, FORM + b"\r\n~" + FORM[1:]),
    rewritten(get(target=b"/?FriendlyName=Caf\xe9"), b"\xe9", b"%E9"),
    rewritten(get(target=b"/?FriendlyName=Caf\xc3\xa9&page=1"), b"\xc3\xa9", b"%C3%A9"),
    rewritten(get(target=b"/\x80?\xff"), b"/\x80?\xff", b"/%80?%FF"),
    rewritten(get(b"Accept: \xff", target=b"/\x80"), b"/\x80", b"/%80"),
)
SPACED: Sequence[Sent] = (
    rewritten(
        get(target=b"/?FriendlyName=Company Main Line"), b"Company Main Line", b"Company%20Main%20Line"
    ),
    rewritten(get(target=b"/? HTTP/1.1 "), b"/? HTTP/1.1  HTTP", b"/?%20HTTP/1.1%20 HTTP"),
    rewritten(request(b"PUT /a  \xe9 HTTP/1.0"), b"/a  \xe9", b"/a%20%20%E9"),
    as_it_is(request(b"GET / HTTP/1.1 x", HOST)),
    as_it_is(request(b"GET /a\tb HTTP/1.1", HOST)),
)


def pieces(requests: Sequence[Sent], parts: Sequence[bytes], *, takes_spaces: bool = False) -> bytes:
    """Return all that the parser is given; each piece is part of one head or of one body."""
    held, all_given, begun, due = Intake(takes_spaces), b"", 0, 0
    for part in parts:
        held.add(part)
        while True:
            if len(all_given) < due:
                piece, is_end = held.take_body(is_delayed=False), False
            else:
                piece, is_end = held.take_head()
            all_given += piece
            if is_end:
                now = requests[begun]
                begun, due = begun + 1, due + len(now.given) + len(now.body)
                held.begin_body(intake.CHUNKED if now.is_chunked else len(now.body))
            if due:
                assert len(all_given) <= due or not is_end
            if not piece:
                break
    assert begun == len(requests)
    assert held.held == b""
    return all_given


def cut(data: bytes, places: Sequence[int]) -> Sequence[bytes]:
    ends = sorted({place % len(data) for place in places} - {0})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def shown(sent: Sent) -> str:
    return ascii(sent.head.replace(AUTHORIZATION, b""))[2:60]


def written(requests: Sequence[Sent]) -> bytes:
    return b"".join(each.head + each.body for each in requests)


def expected(requests: Sequence[Sent]) -> bytes:
    return b"".join(each.given + each.body for each in requests)


@pytest.mark.parametrize("sent", [*AS_THEY_ARE, *REWRITTEN], ids=shown)
def test_a_request_whole_and_byte_by_byte(sent: Sent) -> None:
    data = written([sent])
    assert pieces([sent], [data]) == expected([sent])
    assert pieces([sent], [bytes([byte]) for byte in data]) == expected([sent])


@pytest.mark.parametrize("sent", [*AS_THEY_ARE[:4], *REWRITTEN, *SPACED], ids=shown)
def test_found_d7_spaces_where_they_are_taken(sent: Sent) -> None:
    data = written([sent])
    assert pieces([sent], [data], takes_spaces=True) == expected([sent])
    assert pieces([sent], [bytes([byte]) for byte in data], takes_spaces=True) == expected([sent])


@given(
    st.lists(st.sampled_from([*AS_THEY_ARE, *REWRITTEN]), min_size=1, max_size=8),
    st.lists(st.integers(0, 2**16), max_size=40),
    st.sampled_from([b"", b"\r\n", b"\n", b"\r\n\r\n"]),
)
def test_requests_cut_anywhere(requests: Sequence[Sent], places: Sequence[int], between: bytes) -> None:
    data = b"".join(between + each.head + each.body for each in requests)
    assert pieces(requests, cut(data, places)) == expected(requests)


@pytest.mark.parametrize("sent", [*AS_THEY_ARE, *REWRITTEN], ids=shown)
def test_a_plain_head_is_given_as_it_is(sent: Sent) -> None:
    assert not Intake().is_plain(sent.head) or (sent.head == sent.given and not sent.is_chunked)


@pytest.mark.parametrize("sent", [*AS_THEY_ARE[:8], *REWRITTEN], ids=shown)
def test_what_is_given_as_it_is_is_plain(sent: Sent) -> None:
    """Unless it may need a look where targets may have spaces."""
    has_two_spaces = sent.head.partition(b"\r")[0].count(b" ") == 2
    as_it_is = sent.head == sent.given and sent.head.isascii()
    assert Intake().is_plain(sent.head) == (as_it_is and has_two_spaces)


@pytest.mark.parametrize("headers", [b"", b"Host: a\r\nContent-Length: 3\r\n"])
@pytest.mark.parametrize("line", [b"GET / HTTP/1.0", b"POST /2008-08-01/Accounts?page=1&num=%20 HTTP/1.1"])
def test_most_heads_are_plain(line: bytes, headers: bytes) -> None:
    head = b"%b\r\n%b\r\n" % (line, headers)
    assert Intake().is_plain(head)
    assert not Intake().is_plain(head[:-1])
    assert not Intake().is_plain(head + b"GET")
    assert not Intake().is_plain(b"\r\n" + head)


@pytest.mark.parametrize(
    "head",
    [
        b"PRI * HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\r\nuser-agent: b\r\n\r\n",
    ],
)
def test_a_head_that_needs_a_look_is_not_plain(head: bytes) -> None:
    assert not Intake().is_plain(head)
    assert not Intake().is_plain(head)  # when it has been seen before


def test_what_comes_late_is_not_rewritten() -> None:
    """Where the parser may not have seen the end of a chunked body, nothing tells where a head begins."""
    sent = REWRITTEN[0]
    held = Intake()
    held.begin_body(intake.CHUNKED)
    held.take_body(is_delayed=True)
    held.begin_body(0)
    held.add(sent.head)
    assert held.take_head() == (sent.head, True)


SCRAPS = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /\xff \xff HTTP/1.0\r\n",
        b"GET /",
        b"PRI ",
        b"User-Agent: a\r\n",
        b"user-agent:",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\0",
        b"\xff",
        b"x" * 20_000,
    ]
)


@given(st.lists(st.tuples(SCRAPS | st.binary(max_size=8), st.integers(-1, 30)), max_size=30), st.booleans())
def test_any_bytes_are_given_on_in_order(parts: Sequence[tuple[bytes, int]], takes_spaces: bool) -> None:
    """And nothing is held for long but the beginning of a line."""
    held, left, all_given = Intake(takes_spaces), 0, b""
    for part, length in parts:
        held.add(part)
        while True:
            if left:
                piece, is_end = held.take_body(is_delayed=False), False
                left = left if left == intake.CHUNKED else left - len(piece)
                left = 0 if left == intake.CHUNKED and piece.endswith(b"\r\n\r\n") else left
            else:
                piece, is_end = held.take_head()
            if is_end:
                held.begin_body(length)
                left = length
            all_given += piece
            if not piece:
                break
        assert held.size <= 16 * 1024 + 2
    assert as_sent(b"".join(part for part, _ in parts)).startswith(as_sent(all_given))


def as_sent(data: bytes) -> bytes:
    """Undo what rewriting does, and leave out line breaks and NUL, which may be dropped and added."""
    decoded = re.sub(rb"%([89A-F][0-9A-F]|20)", lambda found: bytes([int(found[1], 16)]), data)
    return re.sub(rb"[\r\n\0]", b"", decoded.lower()).replace(b"~ser-agent", b"user-agent")
