"""Who guesses at tokens (section 1 of the criteria, row 32, of which the core is in test_inputs.py)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support import leap
from support.callers import get
from support.raw import EMPTY_LIST, HOST, assert_rest_exception, request
from support.running import running_proxy
from support.seed import ACCOUNT, LIST, basic
from support.wire import Message, RawClient, connect, json_answer, scripted_upstream

ACCOUNTS = f"""\
accounts:
  {ACCOUNT}: {{token: "${{OLD_TOKEN}}", upstream: {{account: {ACCOUNT}, password: "${{KEY}}"}}}}
"""
VARIABLES = {"OLD_TOKEN": "old", "KEY": "key"}
NO_LOGIN = json_answer(401, b'{"code": 20003, "message": "Authenticate", "status": 401}')


async def fails(client: RawClient, times: int, *headers: bytes) -> None:
    for number in range(times):
        answer = await client.ask(get(f"guess {number}", LIST, *headers))
        assert answer.status == 401


def assert_locked_out(answer: Message) -> None:
    assert answer.status == 429
    assert 0 < int(answer.header("Retry-After") or 0) <= 60
    assert_rest_exception(answer, 20429)


def test_a_lock_ends_after_a_minute_whatever_is_tried_meanwhile() -> None:
    async def guess() -> None:
        async with (
            scripted_upstream(EMPTY_LIST) as upstream,
            running_proxy(upstream.url, ACCOUNTS, VARIABLES) as port,
            connect(port) as client,
        ):
            await fails(client, 20)
            for _ in range(5):
                await asyncio.sleep(10)
                assert_locked_out(await client.ask(get("old")))
            await asyncio.sleep(10.1)
            assert (await client.ask(get("old"))).status == 200

    leap.run(guess())


async def test_a_success_is_no_excuse() -> None:
    async with (
        scripted_upstream(*[EMPTY_LIST] * 20) as upstream,
        running_proxy(upstream.url, ACCOUNTS, VARIABLES) as port,
        connect(port) as client,
    ):
        for _ in range(19):
            await fails(client, 1)
            assert (await client.ask(get("old"))).status == 200
        await fails(client, 1)
        assert_locked_out(await client.ask(get("old")))


async def test_a_request_before_a_challenge_is_no_login() -> None:
    async with (
        scripted_upstream(EMPTY_LIST) as upstream,
        running_proxy(upstream.url, ACCOUNTS, VARIABLES) as port,
        connect(port) as client,
    ):
        for _ in range(30):
            assert (await client.ask(request(f"GET {LIST} HTTP/1.1".encode(), HOST))).status == 401
        assert (await client.ask(get("old"))).status == 200


async def test_what_is_remembered_is_not_shown_to_who_is_locked_out() -> None:
    """Or else it would tell which guess is right."""
    remembering = f"{ACCOUNTS}snapshots: {{fresh: 3600}}\n"
    async with (
        scripted_upstream(EMPTY_LIST) as upstream,
        running_proxy(upstream.url, remembering, VARIABLES) as port,
        connect(port) as client,
    ):
        assert (await client.ask(get("old"))).status == 200
        await fails(client, 20)
        for _ in range(3):
            assert_locked_out(await client.ask(get("old")))
        async with from_elsewhere(port) as other:
            assert (await other.ask(get("old"))).status == 200
        assert upstream.hits("GET") == 1


@asynccontextmanager
async def from_elsewhere(port: int) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()


async def test_the_upstream_that_judges_is_asked_twenty_times() -> None:
    async with (
        scripted_upstream(*[NO_LOGIN] * 20, *[EMPTY_LIST] * 2) as upstream,
        running_proxy(upstream.url) as port,
        connect(port) as client,
    ):
        await fails(client, 20)
        for _ in range(5):
            assert_locked_out(await client.ask(get("right")))
        assert upstream.hits("GET") == 20
        other_account = get("right").replace(basic(ACCOUNT, "right").encode(), basic("SK1", "x").encode())
        assert (await client.ask(other_account)).status == 200
        async with from_elsewhere(port) as other:
            assert (await other.ask(get("right"))).status == 200


def forwarded(text: str) -> bytes:
    return f"X-Forwarded-For: {text}".encode()


async def test_peers_behind_a_trusted_proxy_are_told_apart() -> None:
    configuration = f"{ACCOUNTS}listen: {{trusted_proxies: [127.0.0.1, '10.0.0.0/8']}}\n"
    async with (
        scripted_upstream(*[EMPTY_LIST] * 3) as upstream,
        running_proxy(upstream.url, configuration, VARIABLES) as port,
        connect(port) as client,
    ):
        await fails(client, 20, forwarded("192.0.2.1"))
        for told in ("192.0.2.1", "192.0.2.9, 192.0.2.1", "192.0.2.1, 10.0.0.1"):
            assert_locked_out(await client.ask(get("old", LIST, forwarded(told))))
        for told in ("192.0.2.2", "192.0.2.1, 192.0.2.3"):
            assert (await client.ask(get("old", LIST, forwarded(told)))).status == 200
        async with from_elsewhere(port) as other:  # who is not trusted is who he is
            assert (await other.ask(get("old", LIST, forwarded("192.0.2.1")))).status == 200


async def test_nobody_else_is_believed_about_whom_he_speaks_for() -> None:
    async with (
        scripted_upstream() as upstream,
        running_proxy(upstream.url, ACCOUNTS, VARIABLES) as port,
        connect(port) as client,
    ):
        for number in range(20):
            await fails(client, 1, forwarded(f"192.0.2.{number}"))
        assert_locked_out(await client.ask(get("old", LIST, forwarded("198.51.100.7"))))
        assert upstream.received == []
