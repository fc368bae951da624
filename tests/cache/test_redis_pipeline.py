"""A pipeline to a scripted Redis, in virtual time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from support import leap
from support.scripted_redis import INFO, ROLE, ScriptedRedis, bulk, pipeline_to, scripted_redis

from proxy.cache.redis_pipeline import Command, RedisPipeline, UnavailableError

TIMEOUT = 10


@asynccontextmanager
async def connected_pipeline() -> AsyncIterator[tuple[ScriptedRedis, RedisPipeline]]:
    async with scripted_redis() as server, pipeline_to(server.port, TIMEOUT) as pipeline:
        yield server, pipeline


def in_virtual_time(test: Callable[[ScriptedRedis, RedisPipeline], Awaitable[None]]) -> Callable[[], None]:
    """Run a test on a loop with virtual time."""

    async def run() -> None:
        async with connected_pipeline() as (server, pipeline):
            await test(server, pipeline)

    def test_it() -> None:
        leap.run(run())

    return test_it


def echo(word: bytes) -> Command:
    return b"ECHO", word


async def seconds_without_reply(pipeline: RedisPipeline, **how: bool) -> int:
    """Return after how many seconds a command fails."""
    now = asyncio.get_running_loop().time
    asked = now()
    with pytest.raises(UnavailableError):
        await pipeline.execute(echo(b"hello"), **how)
    return round(now() - asked)


@in_virtual_time
async def test_commands_during_a_batch_form_the_next_one(
    server: ScriptedRedis, pipeline: RedisPipeline
) -> None:
    replies = await asyncio.gather(
        pipeline.execute(echo(b"1"), echo(b"2")),
        pipeline.execute(echo(b"3")),
        pipeline.execute(echo(b"4"), echo(b"5")),
    )
    assert [*replies] == [(b"one", [b"1", b"2"]), (b"one", [b"3"]), (b"one", [b"4", b"5"])]
    server.stop_replying()
    first = asyncio.create_task(pipeline.execute(echo(b"6")))
    await asyncio.sleep(1)
    others = [asyncio.create_task(pipeline.execute(echo(word))) for word in (b"7", b"8")]
    await asyncio.sleep(1)
    server.resume()
    assert [(await task)[1] for task in (first, *others)] == [[b"6"], [b"7"], [b"8"]]
    assert server.batches[-2:] == [[b"ECHO 6", ROLE], [b"ECHO 7", b"ECHO 8", ROLE]]
    assert server.connections == 1


@in_virtual_time
async def test_an_error_reaches_only_its_own_command(server: ScriptedRedis, pipeline: RedisPipeline) -> None:
    asked = [(echo(b"1"),), ((b"UNHEARD",), echo(b"2")), (echo(b"3"),)]
    first, second, third = [asyncio.create_task(pipeline.execute(*commands)) for commands in asked]
    with pytest.raises(UnavailableError):
        await second
    assert (await first, await third) == ((b"one", [b"1"]), (b"one", [b"3"]))
    assert await pipeline.execute(echo(b"4")) == (b"one", [b"4"])
    assert server.connections == 1


@in_virtual_time
async def test_a_silent_handshake_times_out_after_a_second(
    server: ScriptedRedis, pipeline: RedisPipeline
) -> None:
    server.stop_replying()
    assert await seconds_without_reply(pipeline) == 1
    await asyncio.sleep(0.1)
    assert (server.connections, server.open) == (1, 0)


@in_virtual_time
async def test_a_reply_times_out(server: ScriptedRedis, pipeline: RedisPipeline) -> None:
    await pipeline.execute(echo(b"hello"))
    server.stop_replying()
    assert await seconds_without_reply(pipeline) == TIMEOUT
    await asyncio.sleep(0.1)
    server.resume()
    await asyncio.sleep(1)
    assert (await pipeline.execute(echo(b"another")))[1] == [b"another"], "the late reply is discarded"
    assert (server.connections, server.open) == (2, 1)


@in_virtual_time
async def test_a_queued_command_times_out(server: ScriptedRedis, pipeline: RedisPipeline) -> None:
    """Another batch is in flight."""
    await pipeline.execute(echo(b"hello"))
    server.stop_replying()
    first = asyncio.create_task(seconds_without_reply(pipeline))
    await asyncio.sleep(4)
    second = asyncio.create_task(seconds_without_reply(pipeline))
    assert (await first, await second) == (TIMEOUT, TIMEOUT - 4 + 1)
    assert server.connections == 2


@in_virtual_time
async def test_for_a_second_after_a_failure_only_insist_reconnects(
    server: ScriptedRedis, pipeline: RedisPipeline
) -> None:
    server.stop_replying()
    assert await seconds_without_reply(pipeline) == 1
    for _ in range(9):
        assert await seconds_without_reply(pipeline) == 0
        await asyncio.sleep(0.1)
    assert server.connections == 1
    assert await seconds_without_reply(pipeline, insist=True) == 1
    assert server.connections == 2
    await asyncio.sleep(1)
    assert await seconds_without_reply(pipeline) == 1
    server.resume()
    assert await pipeline.execute(echo(b"hello"), insist=True)
    assert await pipeline.execute(echo(b"hello")), "the server replies again"
    assert server.connections == 4


@in_virtual_time
async def test_closing_fails_pending_and_queued_commands(
    server: ScriptedRedis, pipeline: RedisPipeline
) -> None:
    await pipeline.execute(echo(b"hello"))
    server.stop_replying()
    asking = [asyncio.create_task(seconds_without_reply(pipeline))]
    await asyncio.sleep(1)
    asking.append(asyncio.create_task(seconds_without_reply(pipeline)))
    await asyncio.sleep(1)
    await pipeline.close()
    assert [await task for task in asking] == [2, 1]
    server.resume()
    await asyncio.sleep(0.1)
    assert server.open == 0


@in_virtual_time
async def test_an_unused_pipeline_can_be_closed(server: ScriptedRedis, pipeline: RedisPipeline) -> None:
    await pipeline.close()
    assert server.connections == 0


@in_virtual_time
async def test_nothing_is_sent_once_it_is_closed(server: ScriptedRedis, pipeline: RedisPipeline) -> None:
    await pipeline.execute(echo(b"hello"))
    await pipeline.close()
    assert await seconds_without_reply(pipeline, insist=True) == 0
    assert server.connections == 1


@pytest.mark.parametrize(
    "info",
    [
        bulk(b""),
        bulk(b"role:master\r\n"),
        bulk(b"a_role:master\r\nmaster_replid:two"),
        bulk(b"role:master\r\nof:master_replid:two"),
        bulk(b"role:slave\r\nmaster_replid:two\r\n"),
        b":1\r\n",
        b"$-1\r\n",
        b"-NOPERM\r\n",
    ],
)
def test_a_server_that_is_no_known_master_is_unavailable(info: bytes) -> None:
    async def run() -> None:
        async with connected_pipeline() as (server, pipeline):
            server.replies[b"INFO"] = info
            assert await seconds_without_reply(pipeline) == 0
            server.replies[b"INFO"] = INFO
            assert await pipeline.execute(echo(b"hello"), insist=True) == (b"one", [b"hello"])

    leap.run(run())


def test_failure_and_recovery_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with connected_pipeline() as (server, pipeline):
            for _ in range(2):
                for _ in range(3):
                    await pipeline.execute(echo(b"hello"))
                server.stop_replying()
                for _ in range(3):
                    await seconds_without_reply(pipeline, insist=True)
                server.resume()
                await pipeline.execute(echo(b"hello"), insist=True)

    caplog.set_level(logging.INFO)
    leap.run(run())
    gone = "redis: no answer (TimeoutError); lists are not cached meanwhile"
    assert caplog.messages == [gone, "redis: answers again"] * 2
