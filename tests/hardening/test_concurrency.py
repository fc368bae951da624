"""What is asked of upstreams at a time: whoever wants too much is sent away, and nobody else feels it."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest
from support import leap
from support.callers import CANNOT_WAIT, get
from support.raw import EMPTY_LIST, assert_rest_exception
from support.running import running_proxy
from support.seed import ACCOUNT, LIST, basic
from support.wire import End, Message, RawClient, ScriptedUpstream, connect, json_answer, scripted_upstream

from proxy.errors import LegacyError
from proxy.gateway.concurrency import ConcurrencyLimiter, Slot


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
        running_proxy(upstream.url, ONE_PEER) as port,
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

EVERY_PLACE = {f"token {number}": 31 for number in range(8)}


ONE_PEER = "limits: {connections_per_peer: 400}\n"


async def introduce(port: int, upstream: ScriptedUpstream, *tokens: str) -> None:
    """Let the upstream accept each of these credentials once."""
    upstream.released.set()
    async with connect(port) as client:
        for token in tokens:
            assert (await client.ask(get(token))).status == 200
    upstream.released.clear()
    upstream.received.clear()


async def test_callers_that_hang_leave_places_and_connections_to_others() -> None:
    hanging = {f"token {number}": 32 for number in range(8)}
    async with slow_upstream() as upstream, running_proxy(upstream.url, ONE_PEER) as port:
        await introduce(port, upstream, *hanging, "late")
        async with asking(port, hanging) as clients, connect(port) as late:
            await upstream.is_asked(100)
            await late.send(get("late", f"{LIST}?page=7"))
            async with asyncio.timeout(5):
                while not any(b"late" in decoded(each) for each in upstream.received):
                    await asyncio.sleep(0.01)
            assert len(upstream.received) <= 128
            assert (await asked_beside(port, CANNOT_WAIT)).status == 404, "what asks nobody needs no place"
            upstream.released.set()
            answer = await late.receive()
            assert answer is not None
            assert answer.status == 200
            assert {each.status for each in await received(clients)} <= {200, 429, 503}


def decoded(message: Message) -> bytes:
    return base64.b64decode((message.header("Authorization") or "").removeprefix("Basic "))


async def asked_beside(port: int, data: bytes) -> Message:
    async with connect(port) as client:
        return await client.ask(data)


async def test_an_upstream_has_about_100_connections_of_a_worker() -> None:
    four = {f"token {number}": 32 for number in range(4)}
    async with slow_upstream() as upstream, running_proxy(upstream.url, ONE_PEER) as port:
        await introduce(port, upstream, *four)
        async with asking(port, four) as clients:
            await upstream.is_asked(100)
            await has_read(port)
            assert 100 <= len(upstream.received) < 128
            upstream.released.set()
            assert [answer.status for answer in await received(clients)] == [200] * 128


def test_nothing_waits_for_a_connection_for_more_than_3_seconds() -> None:
    async def wait() -> None:
        clock = asyncio.get_running_loop().time
        four = {f"token {number}": 25 for number in range(4)}
        async with slow_upstream() as upstream, running_proxy(upstream.url, ONE_PEER) as port:
            await introduce(port, upstream, *four)
            async with asking(port, four), connect(port) as more, connect(port) as late:
                await upstream.is_asked(100)
                begun = clock()
                await more.send(get("token 0", f"{LIST}?page=99"))
                answer = await more.receive(within=60)
                assert answer is not None
                assert_declined(answer, 503, 20503)
                assert 3 <= clock() - begun <= 4
                await late.send(get("late"))
                await upstream.is_asked(101)

    leap.run(wait())


def test_nothing_waits_for_a_place_for_more_than_a_second() -> None:
    async def wait() -> None:
        clock = asyncio.get_running_loop().time
        async with slow_upstream() as upstream, running_proxy(upstream.url, ONE_PEER) as port:
            await introduce(port, upstream, *EVERY_PLACE)
            async with asking(port, EVERY_PLACE), connect(port) as more:
                begun = clock()
                assert_declined(await more.ask(get("token 0", f"{LIST}?page=99")), 503, 20503)
                assert 1 <= clock() - begun < 1.5

    leap.run(wait())


def test_what_waits_is_next_in_the_order_of_arrival() -> None:
    """A peer has half of the 96 places for callers that no upstream has accepted yet."""

    async def wait() -> None:
        async with (
            slow_upstream() as upstream,
            running_proxy(upstream.url, ONE_PEER) as port,
            asking(port, {f"key {number}:token": 1 for number in range(49)}) as clients,
            AsyncExitStack() as stack,
        ):
            waiting = []
            for name in ("first", "second", "third"):
                waiting.append(await stack.enter_async_context(connect(port)))
                await waiting[-1].send(get(f"{name}:token"))
                await has_read(port)
            assert len(upstream.received) == 49
            waiting[1].writer.transport.abort()  # the others pass one that has gone
            await has_read(port)
            for client in clients[:2]:
                client.writer.transport.abort()
            await has_read(port)
            upstream.released.set()
            assert [answer.status for answer in await received([waiting[0], waiting[2]])] == [200] * 2

    leap.run(wait())


# Made-up names


@asynccontextmanager
async def connect_from(address: str, port: int) -> AsyncIterator[RawClient]:
    """Open a connection as another peer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("peers", [1, 20])
async def test_found_f7_made_up_names_leave_places_to_others(peers: int, is_known: bool) -> None:
    async with (
        slow_upstream() as upstream,
        running_proxy(upstream.url, ONE_PEER) as port,
        AsyncExitStack() as stack,
    ):
        if is_known:
            await introduce(port, upstream, "victim")
        flood = []
        for number in range(250):
            client = await stack.enter_async_context(connect_from(f"127.0.1.{number % peers + 1}", port))
            await client.send(get(f"made-up {number}"))
            flood.append(client)
        await has_read(port)
        assert upstream.hits() < 96
        before = upstream.hits()
        victim = await stack.enter_async_context(connect_from("127.0.2.1", port))
        await victim.send(get("victim"))
        await upstream.is_asked(before + 1)
        upstream.released.set()
        answer = await victim.receive()
        assert answer is not None
        assert answer.status == 200
        assert {each.status for each in await received(flood)} <= {200, 429, 503}


async def test_found_f7_a_peer_has_many_callers_once_they_are_known() -> None:
    many = [f"token {number}" for number in range(90)]
    async with slow_upstream() as upstream, running_proxy(upstream.url, ONE_PEER) as port:
        await introduce(port, upstream, *many)
        async with asking(port, dict.fromkeys(many, 1)) as clients:
            await upstream.is_asked(90)
            upstream.released.set()
            assert [answer.status for answer in await received(clients)] == [200] * 90


async def test_found_f7_refused_credentials_do_not_make_a_caller_known() -> None:
    refusal = json_answer(401, b"{}", [("Connection", "close")]).encode(), End.FIN
    async with (
        scripted_upstream() as upstream,
        running_proxy(upstream.url, ONE_PEER) as port,
        AsyncExitStack() as stack,
    ):
        upstream.otherwise = lambda _: refusal
        for number in range(60):
            assert (await asked_beside(port, get(f"token {number}"))).status == 401
            if number % 19 == 18:  # the limit of failed logins is by peer and user name
                break
        upstream.received.clear()
        upstream.released.clear()
        for number in range(60):
            client = await stack.enter_async_context(connect_from("127.0.1.1", port))
            await client.send(get(f"token {number % 19}", f"{LIST}?page={number}"))
        await has_read(port)
        assert upstream.hits() == 49
        upstream.released.set()


# Requests that join others


async def test_found_g5_requests_that_join_a_listing_are_bounded() -> None:
    """So are descriptors: what waits for an upstream has a connection, also where it needs no place."""
    limiter = ConcurrencyLimiter()
    admitted: list[Slot] = []

    def fill(caller: str) -> None:
        while len(admitted) < 2000:
            admitted.append(limiter.admit(caller))

    for caller in ("one", "another"):
        with pytest.raises(LegacyError) as raised:
            fill(caller)
        assert raised.value.fault.status in (429, 503)
    assert len(admitted) <= 1024
    with limiter.admit("a third"):
        pass
    for each in admitted:
        with each:
            pass
    with limiter.admit("one"):
        pass


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
