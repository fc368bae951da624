"""The servers of tests/support: however a connection ends, its sockets are closed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support import leap
from support.relay import Relay, relay
from support.streams import Serve, stream_server
from support.wire import RawClient, connect


def _open_sockets() -> set[str]:
    found = set()
    for file in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder itself
            found.add(str(file.readlink()))
    return {each for each in found if each.startswith("socket:")}


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Compare the sockets of this process after a test with those before."""
    before = _open_sockets()
    yield
    assert _open_sockets() == before


async def _ends(client: RawClient) -> None:
    """Read to the end of a connection."""
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            while await client.reader.read(1_000_000):
                pass


# How a server handles a connection


async def _fail(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readexactly(1)
    raise ConnectionResetError


async def _wait(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _write_much(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(50_000_000))  # more than the sockets buffer


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)


async def _at_once() -> None:
    """End a server while its connections are not yet accepted."""


async def _in_the_next_step() -> None:
    await asyncio.sleep(0)


async def _later() -> None:
    await asyncio.sleep(0.1)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("end", [_at_once, _in_the_next_step, _later])
@pytest.mark.parametrize("serve", [_fail, _wait, _write_much, _echo])
def test_found_e11_a_server_closes_its_connections(serve: Serve, end: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with contextlib.AsyncExitStack() as clients:
            async with stream_server(serve) as port:
                staying = await clients.enter_async_context(connect(port))
                async with connect(port) as leaving:
                    await leaving.send(b"x")
                    await end()
            await _ends(staying)

    leap.run(run())


# What happens to a relay


async def _cut(between: Relay, client: RawClient) -> None:
    between.cut()
    await _ends(client)


async def _cut_and_mend(between: Relay, client: RawClient) -> None:
    between.cut()
    between.mend()
    await _ends(client)
    async with connect(between.port) as another:
        await another.send(b"x")
        await asyncio.sleep(0)


async def _delay(between: Relay, client: RawClient) -> None:
    between.delay = 3600
    await client.send(b"x")
    await asyncio.sleep(0.1)


async def _forward(_: Relay, client: RawClient) -> None:
    await client.send(b"x")
    assert await client.reader.readexactly(1) == b"x"


async def _leave(_: Relay, client: RawClient) -> None:
    client.writer.transport.abort()
    await asyncio.sleep(0.1)


async def _nothing(_: Relay, __: RawClient) -> None:
    pass


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("happens", [_cut, _cut_and_mend, _delay, _forward, _leave, _nothing])
@pytest.mark.parametrize("wait", [_at_once, _in_the_next_step, _later])
def test_found_e11_a_relay_closes_both_sides(
    wait: Callable[[], Awaitable[None]], happens: Callable[[Relay, RawClient], Awaitable[None]]
) -> None:
    async def run() -> None:
        async with stream_server(_echo) as port, relay(port) as between, connect(between.port) as client:
            await wait()
            await happens(between, client)

    leap.run(run())


@pytest.mark.usefixtures("nothing_left")
def test_found_e11_a_relay_to_nothing_closes_connections() -> None:
    async def run() -> None:
        async with stream_server(_echo) as port:
            pass
        async with relay(port) as between, connect(between.port) as client:
            await _ends(client)

    leap.run(run())


def test_an_assertion_that_fails_in_a_handler_fails_the_test() -> None:
    async def assert_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        assert not await reader.read(1)

    async def run() -> None:
        async with stream_server(assert_nothing) as port, connect(port) as client:
            await client.send(b"x")
            await _ends(client)

    with pytest.raises(AssertionError):
        leap.run(run())
