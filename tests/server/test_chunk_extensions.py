"""Chunked bodies: beyond a KiB of extensions, zeros and trailers it is a 400, beyond 1,024 chunks a 413."""

from collections.abc import AsyncIterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.raw import (
    CHUNKED,
    Proxy,
    assert_alive,
    assert_last,
    assert_rest_exception,
    chunked,
    post,
    proxy_before,
)

from proxy.server.intake import CHUNKED as UNKNOWN_LENGTH
from proxy.server.intake import Intake

NO_NUMBER = b"PhoneNumber=1"


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with proxy_before() as running:
        yield running


def extended(*extensions: bytes, last: bytes = b"", trailer: bytes = b"") -> bytes:
    """Write NO_NUMBER in as many chunks as there are extensions, one byte in each but for the last one."""
    parts = [*(NO_NUMBER[n : n + 1] for n in range(len(extensions) - 1)), NO_NUMBER[len(extensions) - 1 :]]
    chunks = [
        b"%x%b\r\n%b\r\n" % (len(part), each, part) for part, each in zip(parts, extensions, strict=True)
    ]
    return b"".join(chunks) + b"0%b\r\n%b\r\n" % (last, trailer)


WITHIN: Mapping[str, bytes] = {
    "one": extended(b";" + b"x" * 1023),
    "several": extended(*[b";x=" + b"1" * 97] * 10),
    "the last chunk's": extended(b"", last=b";" + b"x" * 1000),
    "a quoted one": extended(b';x="' + b"1" * 900 + b'"'),
    "a semicolon in the data": chunked(NO_NUMBER, b"&x=" + b";" * 3000),
    "many chunks": chunked(*[b"x"] * 1000),
    "a trailer": extended(b"", trailer=b"X: " + b"x" * 900 + b"\r\n"),
}
BEYOND: Mapping[str, bytes] = {
    "one": extended(b";" + b"x" * 1024),
    "one of many KiB": extended(b";" + b"x" * 200_000),
    "several": extended(*[b";x=" + b"1" * 97] * 11),
    "the last chunk's": extended(b"", last=b";" + b"x" * 1100),
    "a quoted one": extended(b';x="' + b"1" * 1100 + b'"'),
    "zeros": extended(b"").replace(b"d\r\n", b"0" * 1100 + b"d\r\n", 1),
    "a trailer": extended(b"", trailer=b"X: " + b"x" * 1100 + b"\r\n"),
    "trailers": extended(b"", trailer=b"X: x\r\n" * 300),
    "without an end": b"1;" + b"x" * 1100,
}
HEAD = post(CHUNKED, body=b"")


@pytest.mark.parametrize("name", WITHIN)
async def test_found_f12_a_kib_of_extensions_is_read(name: str, proxy: Proxy) -> None:
    for data in (HEAD + WITHIN[name], HEAD, WITHIN[name]):
        await proxy.client.send(data)
    for _ in range(2):
        answer = await proxy.client.receive()
        assert answer is not None
        assert answer.status == 400
        assert b"ten-digit" in answer.body
    await assert_alive(proxy.client)


@pytest.mark.parametrize("name", BEYOND)
@pytest.mark.parametrize("cut", [0, 1, 7, len(HEAD), len(HEAD) + 3, len(HEAD) + 500])
async def test_found_f12_more_is_refused_at_once(name: str, cut: int, proxy: Proxy) -> None:
    data = HEAD + BEYOND[name]
    await proxy.client.send(data[:cut])
    await proxy.client.send(data[cut:])
    answer = await proxy.client.receive(within=2)
    assert answer is not None
    assert answer.status == 400
    assert b"ten-digit" not in answer.body
    assert_rest_exception(answer)
    assert_last(answer)
    assert not proxy.upstream.hits()


@pytest.mark.parametrize("cut", [0, 1, 7, len(HEAD), len(HEAD) + 3, len(HEAD) + 500])
@pytest.mark.parametrize("number", [1100, 60_000])
async def test_found_f1_more_chunks_are_too_large_a_body(number: int, cut: int, proxy: Proxy) -> None:
    data = HEAD + chunked(*[b"x"] * number)
    await proxy.client.send(data[:cut])
    await proxy.client.send(data[cut:])
    answer = await proxy.client.receive(within=2)
    assert answer is not None
    assert answer.status == 413
    assert_rest_exception(answer)
    assert_last(answer)
    assert not proxy.upstream.hits()


async def test_found_f12_each_body_has_its_own_kib(proxy: Proxy) -> None:
    for _ in range(5):
        for data in (HEAD, WITHIN["one"]):
            await proxy.client.send(data)
        answer = await proxy.client.receive()
        assert answer is not None
        assert b"ten-digit" in answer.body


@given(
    st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 40)), max_size=20), st.lists(st.integers(1, 50))
)
def test_found_f12_what_is_counted_does_not_depend_on_cuts(
    chunks: list[tuple[bytes, int]], cuts: list[int]
) -> None:
    body = b"".join(
        b"%x%b\r\n%b\r\n" % (len(data), b";" + b"e" * size, data) for data, size in chunks if data
    )
    counted = sum(size + 1 for data, size in chunks if data)
    intake = Intake()
    intake.begin_body(UNKNOWN_LENGTH)
    for cut in [*cuts, len(body)]:
        intake.add(body[:cut])
        body = body[cut:]
        while intake.take_body(is_delayed=False):
            pass
    assert intake.is_excessive == (counted > 1024)
