"""What is asked of upstreams at a time: whoever wants too much is sent away, and nobody else feels it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from support import leap
from support.callers import CANNOT_WAIT, get
from support.raw import EMPTY_LIST, assert_rest_exception
from support.running import running_proxy
from support.seed import ACCOUNT, LIST, basic
from support.wire import Drip, End, Message, RawClient, ScriptedUpstream, connect, scripted_upstream


async def has_read(port: int) -> None:
    """Wait until a proxy, which lives on this loop, must have read and begun what was sent before."""
    for _ in range(3):
        async with connect(port) as other:
            assert (await other.ask(CANNOT_WAIT)).status == 404


@asynccontextmanager
async def asking(port: int, callers: Mapping[str, int]) -> AsyncIterator[list[RawClient]]:
    """Have so many requests with each token under way."""
    async with AsyncExitStack() as stack:
        clients = []
        for token, number in callers.items():
            for page in range(number):
                client = await stack.enter_async_context(connect(port))
                await client.send(get(token, f"{LIST}?page={page}"))
                clients.append(client)
        await has_read(port)
        yield clients


@asynccontextmanager
async def slow_upstream() -> AsyncIterator[ScriptedUpstream]:
    """Run an upstream that does not answer until it is released.

    It closes each connection after its answer: with idle ones, the 384 requests below would need more than
    1024 files.
    """
    last = replace(EMPTY_LIST, headers=(*EMPTY_LIST.headers, ("Connection", "close"))).encode(), End.FIN
    async with scripted_upstream(*[last] * 1000) as upstream:
        upstream.released.clear()
        yield upstream
        upstream.released.set()


async def received(clients: list[RawClient]) -> list[Message]:
    answers = [await client.receive() for client in clients]
    return [answer for answer in answers if answer is not None]


def assert_declined(answer: Message, status: int, code: int) -> None:
    assert answer.status == status
    assert answer.header("Retry-After") == "1"
    assert_rest_exception(answer, code)


# One credential


async def test_one_credential_has_32_places_and_the_others_feel_nothing() -> None:
    async with (
        slow_upstream() as upstream,
        running_proxy(upstream.url) as port,
        asking(port, {"greedy": 32}) as clients,
        connect(port) as one,
        connect(port) as other,
    ):
        for written in ("Basic", "basic", "BASIC "):  # however it is written, and whatever is asked
            again = get("greedy", f"{LIST}/PN{'0' * 32}").replace(b"Basic", written.encode())
            assert_declined(await one.ask(again), 429, 20429)
            elsewhere = again.replace(f"Accounts/{ACCOUNT}".encode(), b"Accounts/AC" + b"1" * 32)
            assert_declined(await one.ask(elsewhere), 429, 20429)
        assert upstream.hits("GET") == 32
        await other.send(get("modest"))
        await upstream.is_asked(33)
        upstream.released.set()
        assert [answer.status for answer in await received([*clients, other])] == [200] * 33
        assert (await one.ask(get("greedy"))).status == 200


MAPPED = "accounts:\n" + "".join(
    f"  AC{digit * 32}: {{token: '${{OLD_TOKEN}}', upstream: {{account: {ACCOUNT}, password: '${{KEY}}'}}}}\n"
    for digit in "12"
)


async def test_accounts_of_the_table_have_places_of_their_own_behind_the_same_credential() -> None:
    def get_as(digit: str, page: int = 0) -> bytes:
        sid = "AC" + digit * 32
        target = f"{LIST}?page={page}".replace(ACCOUNT, sid)
        return get("", target).replace(basic(ACCOUNT, "").encode(), basic(sid, "old").encode())

    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(slow_upstream())
        variables = {"OLD_TOKEN": "old", "KEY": "key"}
        port = await stack.enter_async_context(running_proxy(upstream.url, MAPPED, variables))
        clients = [await stack.enter_async_context(connect(port)) for _ in range(34)]
        for page, client in enumerate(clients[:32]):
            await client.send(get_as("1", page))
        await upstream.is_asked(32)
        assert_declined(await clients[32].ask(get_as("1")), 429, 20429)
        await clients[33].send(get_as("2"))
        await upstream.is_asked(33)


# Everybody together

ONE_PEER = "limits: {connections_per_peer: 400}\n"

EVERY_PLACE = {f"token {number}": 1 for number in range(256)}
EVERYBODY_WAITING = {f"waiting {number}": 32 for number in range(4)}


async def test_384_are_kept_and_the_rest_is_declined_at_once() -> None:
    async with (
        slow_upstream() as upstream,
        running_proxy(upstream.url, ONE_PEER) as port,
        asking(port, {**EVERY_PLACE, **EVERYBODY_WAITING}) as clients,
        connect(port) as late,
    ):
        assert len(clients) == 256 + 128
        for _ in range(3):
            assert_declined(await late.ask(get("late")), 503, 20503)
        assert (await late.ask(CANNOT_WAIT)).status == 404, "what asks nobody needs no place"
        assert (await late.ask(get("late", f"{LIST}?PhoneNumber=none"))).status == 200
        upstream.released.set()
        statuses = [answer.status for answer in await received(clients)]
        assert statuses[:256] == [200] * 256
        assert set(statuses[256:]) <= {
            200,
            503,
        }  # where all of this takes more than a second, waiting is over
        assert (await late.ask(get("late"))).status == 200


async def test_a_worker_has_100_connections_to_upstreams() -> None:
    async with (
        slow_upstream() as upstream,
        running_proxy(upstream.url, ONE_PEER) as port,
        asking(port, {f"token {number}": 32 for number in range(4)}) as clients,
    ):
        await upstream.is_asked(100)
        await has_read(port)
        assert (upstream.accepted, upstream.hits()) == (100, 100)
        upstream.released.set()
        assert [answer.status for answer in await received(clients)] == [200] * 128


def test_nobody_waits_for_a_connection_for_more_than_10_seconds() -> None:
    async def wait() -> None:
        clock = asyncio.get_running_loop().time
        slowly = (Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 2"),)
        async with (
            scripted_upstream(*[slowly] * 100) as upstream,
            running_proxy(upstream.url, ONE_PEER) as port,
            asking(port, {f"token {number}": 25 for number in range(4)}),
            connect(port) as late,
        ):
            await upstream.is_asked(100)
            begun = clock()
            await late.send(get("late"))
            answer = await late.receive(within=60)
            assert answer is not None
            assert answer.status == 504
            assert 10 <= clock() - begun <= 11.5
            assert upstream.accepted == 100

    leap.run(wait())


def test_nobody_waits_for_a_place_for_more_than_a_second() -> None:
    async def wait() -> None:
        clock = asyncio.get_running_loop().time
        async with (
            slow_upstream() as upstream,
            running_proxy(upstream.url, ONE_PEER) as port,
            asking(port, EVERY_PLACE),
            connect(port) as late,
        ):
            begun = clock()
            assert_declined(await late.ask(get("late")), 503, 20503)
            assert 1 <= clock() - begun < 1.5

    leap.run(wait())


def test_who_waits_is_next_in_the_order_of_arrival() -> None:
    async def wait() -> None:
        async with (
            slow_upstream() as upstream,
            running_proxy(upstream.url, ONE_PEER) as port,
            asking(port, EVERY_PLACE) as clients,
            AsyncExitStack() as stack,
        ):
            waiting = []
            for name in ("first", "second", "third"):
                waiting.append(await stack.enter_async_context(connect(port)))
                await waiting[-1].send(get(name))
                await has_read(port)
            waiting[1].writer.transport.abort()  # who has gone lets the others pass
            await has_read(port)
            for client in clients[:2]:
                client.writer.transport.abort()
            await has_read(port)
            upstream.released.set()
            assert [answer.status for answer in await received([waiting[0], waiting[2]])] == [200] * 2

    leap.run(wait())


async def test_what_is_remembered_needs_no_place_nor_does_who_joins_a_walk() -> None:
    remembering = "snapshots: {fresh: 3600}\n"
    async with (
        scripted_upstream(*[EMPTY_LIST] * 1000) as upstream,
        running_proxy(upstream.url, remembering) as port,
        AsyncExitStack() as stack,
    ):
        async with connect(port) as client:
            assert (await client.ask(get("known"))).status == 200
        upstream.released.clear()
        clients = [await stack.enter_async_context(connect(port)) for _ in range(100)]
        for client in clients:
            await client.send(get("same"))
        await upstream.is_asked(2)
        async with connect(port) as one:
            for _ in range(100):
                assert (await one.ask(get("known"))).status == 200
            assert (await one.ask(get("known", LIST, b"Connection: close"))).status == 200
        upstream.released.set()
        assert [answer.status for answer in await received(clients)] == [200] * 100
        assert upstream.hits("GET") == 2
