"""A line to a server that speaks Redis's protocol as a test wants it, by a clock that leaps."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio.connection import Connection
from support import leap
from support.scripted_redis import INFO, ScriptedRedis, bulk, scripted_redis

from proxy.cache.redis_pipeline import Command, RedisPipeline, UnavailableError

PATIENCE = 10


@asynccontextmanager
async def line_to_speaker() -> AsyncIterator[tuple[ScriptedRedis, RedisPipeline]]:
    async with scripted_redis() as speaker:
        line = RedisPipeline(
            lambda: Connection(port=speaker.port, protocol=2, driver_info=None, socket_timeout=None), PATIENCE
        )
        try:
            yield speaker, line
        finally:
            await line.close()


def leaping(test: Callable[[ScriptedRedis, RedisPipeline], Awaitable[None]]) -> Callable[[], None]:
    """Run a test on a loop that leaps."""

    async def run() -> None:
        async with line_to_speaker() as (speaker, line):
            await test(speaker, line)

    def test_it() -> None:
        leap.run(run())

    return test_it


def echo(word: bytes) -> Command:
    return b"ECHO", word


async def seconds_without_reply(line: RedisPipeline, **how: bool) -> int:
    """Return how many seconds it takes to hear that there is no reply."""
    now = asyncio.get_running_loop().time
    asked = now()
    with pytest.raises(UnavailableError):
        await line.execute(echo(b"hello"), **how)
    return round(now() - asked)


@leaping
async def test_commands_during_a_batch_form_the_next_one(speaker: ScriptedRedis, line: RedisPipeline) -> None:
    replies = await asyncio.gather(
        line.execute(echo(b"1"), echo(b"2")), line.execute(echo(b"3")), line.execute(echo(b"4"), echo(b"5"))
    )
    assert [*replies] == [(b"one", [b"1", b"2"]), (b"one", [b"3"]), (b"one", [b"4", b"5"])]
    speaker.hush()
    first = asyncio.create_task(line.execute(echo(b"6")))
    await asyncio.sleep(1)
    others = [asyncio.create_task(line.execute(echo(word))) for word in (b"7", b"8")]
    await asyncio.sleep(1)
    speaker.speak()
    assert [(await task)[1] for task in (first, *others)] == [[b"6"], [b"7"], [b"8"]]
    assert speaker.batches[-2:] == [[b"ECHO 6"], [b"ECHO 7", b"ECHO 8"]]
    assert speaker.connections == 1


@leaping
async def test_an_error_reaches_only_its_own_command(speaker: ScriptedRedis, line: RedisPipeline) -> None:
    asked = [(echo(b"1"),), ((b"UNHEARD",), echo(b"2")), (echo(b"3"),)]
    first, second, third = [asyncio.create_task(line.execute(*commands)) for commands in asked]
    with pytest.raises(UnavailableError):
        await second
    assert (await first, await third) == ((b"one", [b"1"]), (b"one", [b"3"]))
    assert await line.execute(echo(b"4")) == (b"one", [b"4"])
    assert speaker.connections == 1


@leaping
async def test_a_silent_handshake_times_out_after_a_second(
    speaker: ScriptedRedis, line: RedisPipeline
) -> None:
    speaker.hush()
    assert await seconds_without_reply(line) == 1
    await asyncio.sleep(0.1)
    assert (speaker.connections, speaker.open) == (1, 0)


@leaping
async def test_a_reply_times_out(speaker: ScriptedRedis, line: RedisPipeline) -> None:
    await line.execute(echo(b"hello"))
    speaker.hush()
    assert await seconds_without_reply(line) == PATIENCE
    await asyncio.sleep(0.1)
    speaker.speak()
    await asyncio.sleep(1)
    assert (await line.execute(echo(b"another")))[1] == [b"another"], "what came too late is nobody's"
    assert (speaker.connections, speaker.open) == (2, 1)


@leaping
async def test_a_queued_command_times_out(speaker: ScriptedRedis, line: RedisPipeline) -> None:
    """Another one's batch is on its way."""
    await line.execute(echo(b"hello"))
    speaker.hush()
    first = asyncio.create_task(seconds_without_reply(line))
    await asyncio.sleep(4)
    second = asyncio.create_task(seconds_without_reply(line))
    assert (await first, await second) == (PATIENCE, PATIENCE - 4 + 1)
    assert speaker.connections == 2


@leaping
async def test_for_a_second_after_a_failure_only_insist_reconnects(
    speaker: ScriptedRedis, line: RedisPipeline
) -> None:
    speaker.hush()
    assert await seconds_without_reply(line) == 1
    for _ in range(9):
        assert await seconds_without_reply(line) == 0
        await asyncio.sleep(0.1)
    assert speaker.connections == 1
    assert await seconds_without_reply(line, insist=True) == 1
    assert speaker.connections == 2
    await asyncio.sleep(1)
    assert await seconds_without_reply(line) == 1
    speaker.speak()
    assert await line.execute(echo(b"hello"), insist=True)
    assert await line.execute(echo(b"hello")), "it is there again"
    assert speaker.connections == 4


@leaping
async def test_closing_fails_pending_and_queued_commands(speaker: ScriptedRedis, line: RedisPipeline) -> None:
    await line.execute(echo(b"hello"))
    speaker.hush()
    asking = [asyncio.create_task(seconds_without_reply(line))]
    await asyncio.sleep(1)
    asking.append(asyncio.create_task(seconds_without_reply(line)))
    await asyncio.sleep(1)
    await line.close()
    assert [await task for task in asking] == [2, 1]
    speaker.speak()
    await asyncio.sleep(0.1)
    assert speaker.open == 0


@leaping
async def test_an_unused_pipeline_can_be_closed(speaker: ScriptedRedis, line: RedisPipeline) -> None:
    await line.close()
    assert speaker.connections == 0


@pytest.mark.parametrize(
    "info",
    [bulk(b""), bulk(b"# Server\r\n"), bulk(b"running:run_id:two"), b":1\r\n", b"$-1\r\n", b"-NOPERM\r\n"],
)
def test_a_server_without_a_run_id_is_unavailable(info: bytes) -> None:
    async def run() -> None:
        async with line_to_speaker() as (speaker, line):
            speaker.replies[b"INFO"] = info
            assert await seconds_without_reply(line) == 0
            assert speaker.batches == [[b"INFO server"]]
            speaker.replies[b"INFO"] = INFO
            assert await line.execute(echo(b"hello"), insist=True) == (b"one", [b"hello"])

    leap.run(run())


def test_failure_and_recovery_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with line_to_speaker() as (speaker, line):
            for _ in range(2):
                for _ in range(3):
                    await line.execute(echo(b"hello"))
                speaker.hush()
                for _ in range(3):
                    await seconds_without_reply(line, insist=True)
                speaker.speak()
                await line.execute(echo(b"hello"), insist=True)

    caplog.set_level(logging.INFO)
    leap.run(run())
    gone = "redis: no answer (TimeoutError); lists are not cached meanwhile"
    assert caplog.messages == [gone, "redis: answers again"] * 2
