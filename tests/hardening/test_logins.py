"""Who guesses at tokens (section 1 of the criteria, row 32, of which the core is in test_inputs.py)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
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


ATTEMPTS = 200
ONE_PEER = "limits: {connections_per_peer: 400}\n"


async def guess_at_once(port: int, tokens: Sequence[str]) -> list[int]:
    """Send a request with each token, all at the same time; return the statuses."""

    async def guess(token: str) -> int:
        async with connect(port) as client:
            return (await client.ask(get(token))).status

    return await asyncio.gather(*map(guess, tokens))


async def test_found_f10_two_hundred_at_once_are_not_all_judged() -> None:
    tokens = [f"guess {number}" for number in range(ATTEMPTS)]
    async with scripted_upstream() as upstream, running_proxy(upstream.url, ONE_PEER) as port:
        upstream.otherwise = lambda _: NO_LOGIN.encode()
        upstream.released.clear()
        asking = asyncio.create_task(guess_at_once(port, tokens))
        await upstream.is_asked(20)
        await asyncio.sleep(0.1)
        assert upstream.hits("GET") == 20
        upstream.released.set()
        statuses = await asking
        assert (statuses.count(401), statuses.count(429)) == (20, ATTEMPTS - 20)
        assert upstream.hits("GET") == 20


async def test_found_f10_one_wrong_token_at_once_locks_out() -> None:
    """Requests with one token that are under way are one guess, and each counts where it fails."""
    async with scripted_upstream() as upstream, running_proxy(upstream.url, ONE_PEER) as port:
        upstream.otherwise = lambda _: NO_LOGIN.encode()
        statuses = await guess_at_once(port, ["same"] * ATTEMPTS)
        assert statuses.count(401) >= 20
        assert statuses.count(401) == upstream.hits("GET")
        assert await guess_at_once(port, ["other"]) == [429]


async def test_found_f10_right_tokens_at_once_are_all_served() -> None:
    """Before the upstream has accepted them for the first time, and after."""
    async with scripted_upstream() as upstream, running_proxy(upstream.url) as port:
        upstream.otherwise = lambda _: EMPTY_LIST.encode()
        for _ in range(2):
            assert set(await guess_at_once(port, ["right"] * 32)) == {200}


async def test_found_f10_an_answer_without_the_upstream_proves_no_token() -> None:
    """A filter that nothing matches is answered by the proxy itself, whatever the token."""
    tokens = [f"guess {number}" for number in range(40)]
    async with scripted_upstream() as upstream, running_proxy(upstream.url) as port:
        upstream.otherwise = lambda _: NO_LOGIN.encode()
        async with connect(port) as client:
            for token in tokens:
                assert (await client.ask(get(token, f"{LIST}?PhoneNumber=none"))).status == 200
        statuses = await guess_at_once(port, tokens)
        assert (statuses.count(401), upstream.hits("GET")) == (20, 20)


async def test_found_f10_a_name_in_other_letters_is_the_same() -> None:
    """An upstream may read it in any case: then each spelling would bring twenty tries more."""
    async with scripted_upstream() as upstream, running_proxy(upstream.url) as port, connect(port) as client:
        upstream.otherwise = lambda _: NO_LOGIN.encode()
        statuses = list[int]()
        for number in range(30):
            sid = "AC" + ("a" * number).ljust(32, "A")
            target = LIST.replace(ACCOUNT, sid)
            login = f"Authorization: {basic(sid, f'guess {number}')}".encode()
            statuses.append(
                (await client.ask(request(f"GET {target} HTTP/1.1".encode(), HOST, login))).status
            )
        assert statuses == [401] * 20 + [429] * 10


async def test_found_f10_made_up_names_evict_nothing() -> None:
    trusting = f"{ACCOUNTS}listen: {{trusted_proxies: [127.0.0.1]}}\n"
    async with (
        scripted_upstream(EMPTY_LIST) as upstream,
        running_proxy(upstream.url, trusting, VARIABLES) as port,
        connect(port) as client,
    ):
        await fails(client, 20, forwarded("192.0.2.1"))
        made_up = Counter[int]()
        for number in range(4200):
            peer = f"X-Forwarded-For: 198.51.{number // 150}.1".encode()
            authorization = f"Authorization: {basic(f'name {number}', 'x')}".encode()
            asked = request(f"GET {LIST} HTTP/1.1".encode(), HOST, authorization, peer)
            made_up[(await client.ask(asked)).status] += 1
        assert made_up.keys() <= {401, 429}, "where the table has no room, a peer has twenty in all"
        assert made_up[401] > 3000
        assert_locked_out(await client.ask(get("old", LIST, forwarded("192.0.2.1"))))
        assert upstream.received == []


async def test_found_f10_a_peer_fails_two_hundred_times_in_all() -> None:
    async with (
        scripted_upstream(EMPTY_LIST, EMPTY_LIST) as upstream,
        running_proxy(upstream.url, ACCOUNTS, VARIABLES) as port,
        connect(port) as client,
    ):
        for number in range(250):
            authorization = f"Authorization: {basic(f'name {number}', 'x')}".encode()
            answer = await client.ask(request(f"GET {LIST} HTTP/1.1".encode(), HOST, authorization))
            assert answer.status == (401 if number < 200 else 429)
        assert (await client.ask(get("old"))).status == 200, "it is right, and has not been guessed at"
        for number in range(20):
            assert_locked_out(await client.ask(get(f"guess {number}")))
        assert_locked_out(await client.ask(get("old")))
        async with from_elsewhere(port) as other:
            assert (await other.ask(get("old"))).status == 200
