"""How many connections a worker has."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest
import trustme
from support.running import running_listeners, running_proxy
from support.wire import connect

from hardening.test_places import CANNOT_WAIT
from proxy.server.room import Room


@contextmanager
def few_files(number: int) -> Iterator[None]:
    """Let this process have but so many files while the block begins something."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_half_of_the_files_are_for_connections_and_more_are_closed_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with AsyncExitStack() as stack:
        with few_files(400):
            port = await stack.enter_async_context(running_proxy("http://127.0.0.1:1"))
        clients = [await stack.enter_async_context(connect(port)) for _ in range(200)]
        assert [(await client.ask(CANNOT_WAIT)).status for client in clients] == [404] * 200
        for _ in range(3):
            async with connect(port) as late:
                assert await late.is_closed()
        assert caplog.messages == ["connections are turned away: there is room for 200"]
        assert (await clients[0].ask(CANNOT_WAIT)).status == 404
        clients[0].writer.close()
        await clients[0].writer.wait_closed()
        await asyncio.sleep(0.05)
        async with connect(port) as next_one:
            assert (await next_one.ask(CANNOT_WAIT)).status == 404


async def test_handshakes_need_room_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(file)
    listen = f"listen: {{tls: {{address: '127.0.0.1:0', certificate: {file}}}}}\n"
    async with AsyncExitStack() as stack:
        with few_files(200):
            bound = await stack.enter_async_context(running_listeners("http://127.0.0.1:1", listen))
        silent = [await stack.enter_async_context(connect(bound["tls"].port)) for _ in range(100)]
        async with connect(bound["tls"].port) as late:
            assert await late.is_closed()
        async with connect(bound["address"].port) as late:
            assert await late.is_closed()
        for client in silent:
            client.writer.transport.abort()
        await asyncio.sleep(0.1)
        async with connect(bound["address"].port) as next_one:
            assert (await next_one.ask(CANNOT_WAIT)).status == 404


def test_the_log_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    room = Room(0, lambda: now[0])
    for second in range(180):
        now[0] = second
        assert not room.is_left()
    assert len(caplog.messages) == 3
