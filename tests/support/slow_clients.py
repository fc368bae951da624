"""Clients that stop or trickle in the middle of a request, and the deadlines of the server, in seconds."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from support.raw import (
    CHUNKED,
    LENGTH,
    NUMBER,
    SMUGGLED,
    WRONG,
    Proxy,
    assert_alive,
    assert_last,
    assert_rest_exception,
    chunked,
    get,
    post,
)
from support.wire import RawClient

Check = Callable[[Proxy], Awaitable[None]]


@contextmanager
def seconds(least: float, most: float) -> Iterator[None]:
    """Check how long the block took."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    yield
    assert least <= clock() - begun <= most


async def trickle(client: RawClient, data: bytes, *, every: float = 1) -> None:
    """Send a byte a second for as long as the peer reads."""
    with contextlib.suppress(ConnectionError):
        for byte in data:
            await client.send(bytes([byte]))
            await asyncio.sleep(every)


async def assert_late(client: RawClient, least: float, most: float, *, linger: float = 10.5) -> None:
    """Check that a 408 comes between these seconds from now, and closes the connection."""
    with seconds(least, most):
        answer = await client.receive(within=200)
    assert answer is not None, "the connection was closed without an answer"
    assert answer.status == 408
    assert_rest_exception(answer)
    assert_last(answer)
    with seconds(0, linger):
        assert await client.is_closed(within=200)


async def silence(proxy: Proxy) -> None:
    with seconds(9.9, 10.5):
        assert await proxy.client.receive(within=200) is None


async def line_breaks_and_then_silence(proxy: Proxy) -> None:
    """Line breaks begin no request, so the connection counts as silent."""
    await proxy.client.send(b"\r\n")
    with seconds(9.9, 10.5):
        answer = await proxy.client.receive(within=200)
        assert answer is None or answer.status == 408
        assert await proxy.client.is_closed()


async def half_a_head(proxy: Proxy) -> None:
    await proxy.client.send(SMUGGLED[:-2])
    await assert_late(proxy.client, 9.9, 10.5)


async def half_a_request_line(proxy: Proxy) -> None:
    await proxy.client.send(b"G")
    await assert_late(proxy.client, 9.9, 10.5)


async def a_head_that_trickles(proxy: Proxy) -> None:
    async with asyncio.TaskGroup() as both:
        both.create_task(trickle(proxy.client, get()[:30]))
        both.create_task(assert_late(proxy.client, 9.9, 10.5))


async def a_second_head_that_trickles(proxy: Proxy) -> None:
    await assert_alive(proxy.client)
    await asyncio.sleep(30)
    async with asyncio.TaskGroup() as both:
        both.create_task(trickle(proxy.client, get()[:30]))
        both.create_task(assert_late(proxy.client, 9.9, 10.5))


async def half_a_head_behind_a_request(proxy: Proxy) -> None:
    await proxy.client.send(WRONG + SMUGGLED[:-2])
    answer = await proxy.client.receive()
    assert answer is not None
    assert answer.status == 401
    await assert_late(proxy.client, 9.9, 10.5)


async def half_a_head_behind_a_body(proxy: Proxy) -> None:
    await proxy.client.send(post(LENGTH, body=b""))
    await proxy.client.send(NUMBER[:-1] + b"x" + SMUGGLED[:-2])
    answer = await proxy.client.receive()
    assert answer is not None
    assert answer.status == 400
    await assert_late(proxy.client, 9.9, 10.5)


async def half_a_body(proxy: Proxy) -> None:
    await proxy.client.send(post(b"Content-Length: 23"))
    await assert_late(proxy.client, 19.9, 20.5)


async def half_a_body_is_not_waited_for_any_longer(proxy: Proxy) -> None:
    await proxy.client.send(post(b"Content-Length: 23"))
    await assert_late(proxy.client, 19.9, 20.5, linger=0.5)


async def half_a_chunked_body(proxy: Proxy) -> None:
    await proxy.client.send(post(CHUNKED, body=chunked(NUMBER)[:-5]))
    await assert_late(proxy.client, 19.9, 20.5)


async def a_body_that_trickles(proxy: Proxy) -> None:
    await proxy.client.send(post(b"Content-Length: 100", body=b""))
    async with asyncio.TaskGroup() as both:
        both.create_task(trickle(proxy.client, b"&" * 99))
        both.create_task(assert_late(proxy.client, 19.9, 20.5))


async def the_body_of_a_get_that_trickles(proxy: Proxy) -> None:
    await proxy.client.send(get(b"Content-Length: 100"))
    async with asyncio.TaskGroup() as both:
        both.create_task(trickle(proxy.client, b"&" * 99))
        both.create_task(assert_late(proxy.client, 19.9, 20.5))


async def leave_that_is_not_used(proxy: Proxy) -> None:
    await proxy.client.send(post(LENGTH, b"Expect: 100-continue", body=b""))
    leave = await proxy.client.receive()
    assert leave is not None
    assert leave.status == 100
    await assert_late(proxy.client, 19.9, 20.5)


async def a_body_beyond_the_limit_that_never_comes(proxy: Proxy) -> None:
    with seconds(0, 0.5):
        answer = await proxy.client.ask(post(b"Content-Length: 99999999999", body=b""))
        assert answer.status == 413
    with seconds(0, 10.5):
        assert await proxy.client.is_closed(within=200)


async def a_body_beyond_the_limit_that_trickles(proxy: Proxy) -> None:
    answer = await proxy.client.ask(post(b"Content-Length: 99999999999", body=b""))
    assert answer.status == 413
    sending = asyncio.create_task(trickle(proxy.client, b"&" * 99))
    with seconds(0, 10.5):
        assert await proxy.client.is_closed(within=200)
    await sending


async def a_head_in_pieces(proxy: Proxy) -> None:
    """As slow as the deadlines allow."""
    for _ in range(2):
        await trickle(proxy.client, WRONG[:3], every=3)
        answer = await proxy.client.ask(WRONG[3:])
        assert answer.status == 401


async def a_body_in_pieces(proxy: Proxy) -> None:
    """As slow as the deadlines allow."""
    await proxy.client.send(post(b"Content-Length: 13", body=b""))
    await trickle(proxy.client, b"PhoneNumber=", every=1.5)
    answer = await proxy.client.ask(b"1")
    assert answer.status == 400
    await assert_alive(proxy.client)


def idle(data: bytes, pieces: int, last: float) -> Check:
    async def check(proxy: Proxy) -> None:
        """Check that an idle connection stays open, without a 408, until the idle timeout."""
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            await asyncio.sleep(0.1)
            await proxy.client.send(data[start : start + size])
        answer = await proxy.client.receive()
        assert answer is not None
        assert answer.status == 400
        await asyncio.sleep(last)
        await assert_alive(proxy.client)
        with seconds(74, 76):
            assert await proxy.client.receive(within=200) is None

    return check


async def idle_after_a_line_break(proxy: Proxy) -> None:
    """Check that a line break is no beginning of a request: browsers of the time send one behind a form."""
    answer = await proxy.client.ask(post(b"Content-Length: 13", body=b"PhoneNumber=1"))
    assert answer.status == 400
    await proxy.client.send(b"\r\n")
    await asyncio.sleep(11)
    await assert_alive(proxy.client)


ONE_BODY = post(b"Content-Length: 13", body=b"PhoneNumber=1")
WAITS: Mapping[str, Check] = {
    "silence": silence,
    "line breaks, and then silence": line_breaks_and_then_silence,
    "half a head": half_a_head,
    "half a request line": half_a_request_line,
    "a head that trickles": a_head_that_trickles,
    "a second head that trickles": a_second_head_that_trickles,
    "half a head behind a request": half_a_head_behind_a_request,
    "half a head behind a body": half_a_head_behind_a_body,
    "half a body": half_a_body,
    "half a body is not waited for any longer": half_a_body_is_not_waited_for_any_longer,
    "half a chunked body": half_a_chunked_body,
    "a body that trickles": a_body_that_trickles,
    "the body of a GET that trickles": the_body_of_a_get_that_trickles,
    "leave that is not used": leave_that_is_not_used,
    "a body beyond the limit that never comes": a_body_beyond_the_limit_that_never_comes,
    "a body beyond the limit that trickles": a_body_beyond_the_limit_that_trickles,
    "a head in pieces": a_head_in_pieces,
    "a body in pieces": a_body_in_pieces,
    "11 idle seconds after a request": idle(ONE_BODY, 1, 11),
    "11 idle seconds after a request in two pieces": idle(ONE_BODY, 2, 11),
    "11 idle seconds after a request in many pieces": idle(ONE_BODY, 40, 11),
    "11 idle seconds after a chunked request": idle(
        post(CHUNKED, body=chunked(b"PhoneNumber=", b"1")), 12, 11
    ),
    "74 idle seconds after a request": idle(ONE_BODY, 2, 74),
    "11 idle seconds after a line break": idle_after_a_line_break,
}
ROW_11 = ("silence", "half a head", "a head that trickles", "half a body")
"""The ones that hardening/test_inputs.py runs."""
