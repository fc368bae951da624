"""The reader of answers by itself: what bounds it, and what stays of an answer."""

import itertools
import tracemalloc
from collections.abc import Iterable

import pytest

from proxy.errors import LegacyError
from proxy.profile.calls import Reply
from proxy.upstream.response import MalformedResponseError, ResponseReader

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
KIB, MIB = 1024, 1024 * 1024


def read(*slices: bytes, is_head: bool = False) -> tuple[Reply, bool]:
    reader = ResponseReader()
    reader.begin(is_head=is_head)
    assert any(reader.feed(each) for each in slices) or reader.end()
    return reader.reply(), reader.may_reuse


ENDLESS: dict[str, tuple[bytes, bytes, int]] = {
    "a status line": (b"HTTP/1.1 200 ", b"x", 40 * KIB),
    "a header's name": (HEAD, b"x", 40 * KIB),
    "a header's value": (HEAD + b"Link: ", b"x", 40 * KIB),
    "headers": (HEAD, b"Link: x\r\n", 40 * KIB),
    "line ends": (b"", b"\r\n", 40 * KIB),
    "hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", KIB),
    "a chunk's length": (CHUNKED, b"0", 40 * KIB),
    "a chunk's extension": (CHUNKED + b"1;", b"x", 40 * KIB),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"X: x\r\n", 40 * KIB),
    "a body": (HEAD + b"\r\n", b"x", 8 * MIB + 8 * KIB),
    "chunks": (CHUNKED, b"1\r\nx\r\n", 6 * (8 * MIB + 8 * KIB)),
}


@pytest.mark.parametrize("size", [1000, 65536])
@pytest.mark.parametrize(("begin", "more", "most"), ENDLESS.values(), ids=ENDLESS.keys())
def test_nothing_is_endless(begin: bytes, more: bytes, most: int, size: int) -> None:
    reader = ResponseReader()
    reader.begin()
    reader.feed(begin)
    slices: Iterable[bytes] = itertools.repeat(more * (size // len(more) + 1), most // size + 2)
    tracemalloc.start()
    try:
        with pytest.raises((LegacyError, MalformedResponseError)):  # before they end
            any(reader.feed(each) for each in slices)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (20 * MIB if most > MIB else 256 * KIB)


def test_32_kib_of_headers_are_read() -> None:
    link = b"<" + b"x" * 16_000 + b">"
    reply, _ = read(
        HEAD + b"Link: " + link + b"\r\nLink: " + link[:15_000] + b"\r\nContent-Length: 0\r\n\r\n"
    )
    assert reply.headers == {"link": (link + b", " + link[:15_000]).decode()}


def test_eight_interim_answers_are_read() -> None:
    hints = b"HTTP/1.1 103 X\r\nLink: <x>\r\nRetry-After: 7\r\n\r\n" * 8
    reply, may_reuse = read(hints + HEAD + b"Content-Length: 2\r\n\r\n{}")
    assert (reply, may_reuse) == (Reply(200, b"{}"), True)


@pytest.mark.parametrize("rest", [b"", b"0\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n"])
def test_a_204_ends_with_its_head(rest: bytes) -> None:
    """Some upstreams announce chunks nevertheless, and send the end of them, perhaps later."""
    head = b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert read(head + rest) == (Reply(204, b""), False)


@pytest.mark.parametrize("upgrade", [b"h2c", b"h2,h2c", b"websocket"])
def test_an_offer_to_upgrade_changes_nothing(upgrade: bytes) -> None:
    head = HEAD + b"Upgrade: " + upgrade + b"\r\nConnection: Upgrade\r\n"
    assert read(head + b"Content-Length: 2\r\n\r\n{}") == (Reply(200, b"{}"), True)
    assert read(head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n") == (Reply(200, b"{}"), True)
    assert read(head + b"\r\n{", b"}") == (Reply(200, b"{}"), False)


def test_a_101_ends_what_is_read() -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    assert read(head + b"\0\0\0") == (Reply(101, b""), False)


@pytest.mark.parametrize(
    ("head", "may_reuse"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n", True),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", False),
    ],
)
def test_what_is_said_of_the_connection_counts(head: bytes, may_reuse: bool) -> None:
    assert read(head, b"{}") == (Reply(200, b"{}"), may_reuse)
    assert read(head + b"{}") == (Reply(200, b"{}"), may_reuse)


@pytest.mark.parametrize("more", [HEAD, b"HTTP/1.1 2", HEAD + b"Content-Length: 2\r\n\r\n{}"])
def test_no_connection_carries_more_after_two_answers(more: bytes) -> None:
    whole = HEAD + b"Content-Length: 2\r\n\r\n{}"
    assert read(whole + more) == (Reply(200, b"{}"), False)
    assert read(HEAD + b"Content-Length: 2\r\n\r\n" + more, is_head=True) == (Reply(200, b""), False)


def test_nothing_of_a_large_answer_stays_with_an_idle_connection() -> None:
    reader = ResponseReader()
    tracemalloc.start()
    try:
        reader.begin()
        assert reader.feed(HEAD + b"Content-Length: 4194304\r\n\r\n" + bytes(4 * MIB))
        assert len(reader.reply().body) == 4 * MIB
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 64 * KIB
