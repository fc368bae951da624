"""The connections of one worker, with a real upstream: how many are in use, which are kept, which are closed.

All tests run in virtual time; see support/leap.py.
"""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

import pytest
from support import leap
from support.streams import Connections, listening
from support.wire import read_message

from proxy.errors import Reason
from proxy.profile.calls import NoReplyError
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.pool import CallerConnections, ConnectionPool, ConnectionSlots
from proxy.upstream.route import Origin

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SOON = 0.1  # seconds, by which the end of a connection has arrived

P = ParamSpec("P")


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a loop with virtual time."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        leap.run(test(*args, **kwargs))

    return run


# Slots


def full_slots() -> tuple[ConnectionSlots, CallerConnections]:
    """Return slots that are all taken, and the caller that has most of them."""
    slots, many = ConnectionSlots(), CallerConnections()
    while slots.take(many):
        pass
    while slots.take(CallerConnections()):
        pass
    return slots, many


async def two_waiting(slots: ConnectionSlots) -> list[asyncio.Task[None]]:
    """Let two callers wait for a slot, one after the other."""
    tasks = [asyncio.create_task(slots.wait(CallerConnections())) for _ in range(2)]
    await asyncio.sleep(0)
    return tasks


def test_the_last_slots_are_for_callers_that_have_few() -> None:
    slots, many = ConnectionSlots(), CallerConnections()
    assert [slots.take(many) for _ in range(101)] == [True] * 100 + [False]
    assert [slots.take(CallerConnections()) for _ in range(29)] == [True] * 28 + [False]


def test_a_caller_has_a_quarter_of_the_last_slots_that_are_left() -> None:
    slots, many, few = ConnectionSlots(), CallerConnections(), CallerConnections()
    while slots.take(many):
        pass
    assert [slots.take(few) for _ in range(7)] == [True] * 6 + [False]  # six are more than a quarter of 22


def test_slots_that_are_given_back_do_not_count_for_their_caller() -> None:
    slots, many, few = ConnectionSlots(), CallerConnections(), CallerConnections()
    for _ in range(10):
        assert slots.take(few)
    for _ in range(10):
        slots.release(few)
    assert [slots.take(many) for _ in range(101)] == [True] * 100 + [False]
    assert [slots.take(few) for _ in range(7)] == [True] * 6 + [False]


@in_virtual_time
async def test_a_wait_for_a_slot_ends_after_three_seconds() -> None:
    clock = asyncio.get_running_loop().time
    slots, many = full_slots()
    begun = clock()
    with pytest.raises(NoReplyError) as raised:
        await slots.wait(CallerConnections())
    assert clock() - begun == pytest.approx(3, abs=0.5)
    assert (raised.value.reason, raised.value.was_sent) == (Reason.CAPACITY, False)
    assert raised.value.details == {"limit": "128 connections to an upstream"}
    slots.release(many)
    assert slots.take(CallerConnections()), "the slot is for callers that still want it"


@in_virtual_time
async def test_a_caller_that_gives_up_frees_no_slot() -> None:
    slots, many = full_slots()
    first, second = await two_waiting(slots)
    second.cancel()
    await asyncio.wait([second])
    await asyncio.sleep(SOON)
    assert not first.done(), "all slots are taken"
    slots.release(many)
    await first
    assert not slots.take(CallerConnections())


@pytest.mark.parametrize("is_granted_first", [True, False])
@in_virtual_time
async def test_a_caller_that_is_cancelled_as_its_slot_is_granted_passes_it_on(is_granted_first: bool) -> None:
    slots, many = full_slots()
    first, second = await two_waiting(slots)
    if is_granted_first:
        slots.release(many)
        first.cancel()
    else:
        first.cancel()
        slots.release(many)
    await asyncio.wait([first, second])
    assert first.cancelled()
    assert second.exception() is None
    assert not slots.take(CallerConnections())


# Connections


class PooledUpstream:
    """An upstream that counts the connections which are open, and a pool before it."""

    def __init__(self) -> None:
        self.pool = ConnectionPool()
        self.open = 0
        self.connections = Connections(self._serve)
        self.origin = Origin("http://127.0.0.1")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while await read_message(reader):
                writer.write(OK)
        finally:
            self.open -= 1

    async def ask(self, caller: CallerConnections) -> UpstreamConnection:
        """Return a connection that has carried a request of a caller, and may carry another one."""
        deadline = asyncio.get_running_loop().time() + 10
        connection = await self.pool.acquire(self.origin, caller, deadline, reuse=True)
        assert (await connection.exchange(REQUEST)).status == 200
        return connection

    async def ask_and_release(self, caller: CallerConnections) -> UpstreamConnection:
        connection = await self.ask(caller)
        self.pool.release(connection, caller, keep=True)
        return connection


@contextlib.asynccontextmanager
async def pooled_upstream() -> AsyncIterator[PooledUpstream]:
    """Run an upstream with a pool before it; no callback of the loop may fail meanwhile."""
    failed = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    upstream = PooledUpstream()
    async with listening(upstream.connections) as port:
        upstream.origin = Origin(f"http://127.0.0.1:{port}")
        try:
            yield upstream
        finally:
            await upstream.pool.close()
    assert not failed


@in_virtual_time
async def test_no_connection_is_waited_for_beyond_the_deadline() -> None:
    """The upstream never answers the TLS handshake, for which an address has five seconds."""
    clock = asyncio.get_running_loop().time
    async with pooled_upstream() as upstream:
        origin = Origin(str(upstream.origin.url.with_scheme("https")))
        begun = clock()
        with pytest.raises(TimeoutError):
            await upstream.pool.acquire(origin, CallerConnections(), begun + 2, reuse=True)
        assert clock() - begun == pytest.approx(2, abs=0.5)


@in_virtual_time
async def test_a_connection_is_closed_after_fifteen_idle_seconds() -> None:
    """Each has its own fifteen, and so has the first one after all others have been closed."""
    async with pooled_upstream() as upstream:
        for _ in range(2):
            await upstream.ask_and_release(CallerConnections())
            await asyncio.sleep(10)
            await upstream.ask_and_release(CallerConnections())
            seen = []
            for seconds in (4, 2, 8, 2):
                await asyncio.sleep(seconds)
                seen.append(upstream.open)
            assert seen == [2, 1, 1, 0]


@in_virtual_time
async def test_a_hundred_connections_are_idle_at_most() -> None:
    """Also where many are released in one turn of the loop; those that have been idle for longest go."""
    async with pooled_upstream() as upstream:
        callers = [CallerConnections() for _ in range(110)]
        used = [(await upstream.ask(caller), caller) for caller in callers]
        for connection, caller in used:
            upstream.pool.release(connection, caller, keep=True)
        await asyncio.sleep(SOON)
        assert upstream.open == 100
        assert [len(caller.idle) for caller in callers] == [0] * 10 + [1] * 100


@in_virtual_time
async def test_each_change_of_routes_closes_what_was_made_before_it() -> None:
    async with pooled_upstream() as upstream:
        caller = CallerConnections()
        for _ in range(3):
            idle = await upstream.ask_and_release(caller)
            assert await upstream.ask_and_release(caller) is idle
            in_use = [await upstream.ask(caller) for _ in range(2)]
            assert in_use[0] is idle
            upstream.pool.release(in_use[0], caller, keep=True)
            assert upstream.open == 2
            upstream.pool.change_routes()
            await asyncio.sleep(SOON)
            assert upstream.open == 1
            upstream.pool.release(in_use[1], caller, keep=True)
            await asyncio.sleep(SOON)
            assert upstream.open == 0


@pytest.mark.parametrize("is_idle", [True, False])
@in_virtual_time
async def test_nothing_remembers_a_connection_that_the_upstream_has_closed(is_idle: bool) -> None:
    async with pooled_upstream() as upstream:
        caller = CallerConnections()
        connection = await upstream.ask(caller)
        if is_idle:
            upstream.pool.release(connection, caller, keep=True)
        upstream.connections.drop()
        await asyncio.sleep(SOON)
        assert connection.is_closing
        reference = weakref.ref(connection)
        del connection
        gc.collect()
        assert reference() is None
