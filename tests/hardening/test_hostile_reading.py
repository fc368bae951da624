"""What costs a server far more than its sender: time that grows with the square of a text, or without end."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_network

import pytest
from support.callers import CANNOT_WAIT
from support.raw import assert_alive, assert_last
from support.running import running_proxy
from support.wire import connect

from proxy.errors import LegacyError
from proxy.legacy.forms import parse_body
from proxy.server.intake import CHUNKED as UNKNOWN_LENGTH
from proxy.server.intake import Intake
from proxy.server.peers import peer_of

NOWHERE = "http://127.0.0.1:1"
MULTIPART = "multipart/form-data; boundary=b"
TRUSTED = [ip_network("10.0.0.0/8")]


def in_parts(disposition: bytes, count: int) -> bytes:
    part = b"--b\r\nContent-Disposition: form-data; name=a%b\r\n\r\nx\r\n" % disposition
    return part * count + b"--b--\r\n"


def form(content_type: str | None, body: bytes) -> Callable[[], object]:
    return lambda: parse_body(content_type, body)


def one_byte_chunks() -> None:
    held = Intake()
    held.begin_body(UNKNOWN_LENGTH)
    held.add(b"1\r\nx\r\n" * 11_000)
    held.take_body(is_delayed=False)
    assert held.is_excessive


def line_breaks() -> None:
    held = Intake()
    held.add(b"\r\n" * 32_768)
    held.take_head()


COSTLY: Mapping[str, Callable[[], object]] = {
    "hops": lambda: peer_of("10.0.0.1", [*["," * 8150] * 95, "192.0.2.1"], TRUSTED),
    "hops of a peer that is not trusted": lambda: peer_of("192.0.2.1", ["," * 8150] * 95, TRUSTED),
    "trusted hops": lambda: peer_of("10.0.0.1", [",".join(["10.0.0.2"] * 900)] * 95, TRUSTED),
    "semicolons in a Content-Type": form(MULTIPART + ";" * 8000, in_parts(b"", 1)),
    "a quoted one": form(MULTIPART + ';a="' + ";" * 8000, in_parts(b"", 1)),
    "semicolons in parts": form(MULTIPART, in_parts(b";" * 1000, 60)),
    "quoted ones in parts": form(MULTIPART, in_parts(b';a="' + b";" * 4000, 15)),
    "one-byte chunks": one_byte_chunks,
    "line breaks": line_breaks,
}


@pytest.mark.parametrize("name", COSTLY)
def test_found_f5_what_a_stranger_sends_is_read_in_linear_time(name: str) -> None:
    assert min(_cost(COSTLY[name]) for _ in range(5)) < 0.010


def _cost(read: Callable[[], object]) -> float:
    begin = time.process_time()
    with suppress(LegacyError):
        read()
    return time.process_time() - begin


def test_found_f5_a_line_that_comes_byte_by_byte_is_looked_at_once() -> None:
    """And wherever it is cut, it is held as long as it may be a line."""
    short, long = (min(_drip(length) for _ in range(5)) for length in (1_500, 12_000))
    assert long < 3**3 * short  # three doublings; looked at again with each byte, it is 4**3


def _drip(length: int) -> float:
    """Return the CPU time in which a line of a head is read that comes byte by byte."""
    held = Intake()
    held.add(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
    held.take_head()

    def drip() -> None:
        for _ in range(length):
            held.add(b"x")
            assert held.take_head() == (b"", False)

    cost = _cost(drip)
    held.add(b"\r")
    assert held.take_head() == (b"", False)
    held.add(b"\n\r\n")
    assert held.take_head() == (b"A: " + b"x" * length + b"\r\n\r\n", True)
    return cost


def test_a_carriage_return_within_a_line_is_given_to_the_parser() -> None:
    held = Intake()
    for part in (b"GET / HTTP/1.1\r\n", b"A: x\r"):
        held.add(part)
        held.take_head()
    held.add(b"y")
    assert held.take_head() == (b"A: x\ry", False)


@pytest.mark.parametrize("cut", [1, 100, 2000])
async def test_found_f1_line_breaks_without_end_are_refused(cut: int) -> None:
    async with running_proxy(NOWHERE) as port:
        async with connect(port) as client:
            await client.send(b"\r\n" * 500)
            await assert_alive(client)
            await client.send(b"\r\n" * 500)
            await assert_alive(client)
        async with connect(port) as client:
            for _ in range(2000 // cut):
                await client.send(b"\r\n" * cut)
                await asyncio.sleep(0)
            answer = await client.receive()
            assert answer is not None
            assert answer.status == 400
            assert_last(answer)


async def test_found_f7_requests_of_one_connection_do_not_keep_others_waiting() -> None:
    """A thousand that are sent at once are answered in turn with those of others."""
    async with running_proxy(NOWHERE) as port, connect(port) as other, connect(port) as hostile:
        await assert_alive(other)
        requests = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
        answered = 0

        async def count() -> None:
            nonlocal answered
            for _ in range(1000):
                assert await hostile.receive() is not None
                answered += 1

        await hostile.send(requests)
        counting = asyncio.create_task(count())
        assert (await other.ask(CANNOT_WAIT)).status
        assert answered < 500
        await counting
