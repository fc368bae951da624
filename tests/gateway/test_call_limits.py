"""Toll fraud: `validation.limits`, by what reaches the upstream."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest
from support import leap
from support.code_on_phone import passing_credentials_on
from support.proxied import error
from support.raw import assert_rest_exception
from support.running import running_listeners, running_proxy
from support.seed import ACCOUNT, LIST, TOKEN, basic
from support.wire import Message, RawClient, ScriptedUpstream, ask, connect, json_answer, scripted_upstream

OTHER = "AC" + "b" * 32
ACCOUNTS = "accounts:\n" + "".join(
    f'  {each}: {{token: "${{TOKEN}}", upstream: {{account: {each}, password: "${{KEY}}"}}}}\n'
    for each in (ACCOUNT, OTHER)
)
VARIABLES = {"TOKEN": TOKEN, "KEY": "key"}
PLACED = json_answer(200, b'{"validation_code": "123456", "phone_number": "+14158675309"}')
NUMBER = "4158675309"
SPELLINGS = (
    NUMBER,
    "+14158675309",
    "1-415-867-5309",
    "(415) 867.5309",
    " 415\u2013867 5309\n",
    "1415 8675309",
)
NUMBERS = map(str, count(2_125_550_000))


def limits(**each: str) -> str:
    """Write `validation.limits`: those that are not given are off."""
    every = {"per_number": "off", "per_account": "off", "per_peer": "off", **each}
    return f"validation: {{limits: {{{', '.join(f'{name}: {limit}' for name, limit in every.items())}}}}}\n"


def post(number: str, account: str = ACCOUNT, token: str = TOKEN, *headers: tuple[str, str]) -> bytes:
    target = f"/2008-08-01/Accounts/{account}/OutgoingCallerIds"
    form = f"PhoneNumber={quote(number)}".encode()
    given = (("Host", "x"), ("Authorization", basic(account, token)), *headers)
    return Message(f"POST {target} HTTP/1.1", given, form).encode()


async def validate(
    port: int, number: str, account: str = ACCOUNT, *headers: tuple[str, str], peer: str = "127.0.0.1"
) -> int:
    async with connect(port, peer) as client:
        return (await client.ask(post(number, account, TOKEN, *headers))).status


@asynccontextmanager
async def proxy_before(configuration: str = "") -> AsyncIterator[tuple[int, ScriptedUpstream]]:
    async with (
        scripted_upstream() as upstream,
        running_proxy(upstream.url, ACCOUNTS + configuration, VARIABLES) as port,
    ):
        upstream.otherwise = lambda _: PLACED.encode()
        yield port, upstream


async def test_found_f4_a_number_is_called_three_times() -> None:
    """Whatever its spelling, whoever's account, however many at the same time."""
    async with proxy_before() as (port, upstream):
        statuses = await asyncio.gather(
            *(validate(port, each, account) for each in SPELLINGS for account in (ACCOUNT, OTHER) * 2)
        )
        assert sorted(set(statuses)) == [200, 429]
        assert statuses.count(200) == upstream.hits("POST") == 3
        refused = await ask(port, post(NUMBER))
        assert_rest_exception(refused, 20429)
        assert refused.status == 429
        assert 0 < int(refused.header("Retry-After") or 0) <= 600
        assert await validate(port, next(NUMBERS)) == 200
        assert upstream.hits("POST") == 4


async def test_found_f4_an_account_has_sixty_calls() -> None:
    async with proxy_before(limits(per_account="{calls: 60, within: 3600}")) as (port, upstream):
        statuses = await asyncio.gather(*(validate(port, next(NUMBERS)) for _ in range(100)))
        assert statuses.count(200) + statuses.count(429) == 100
        assert statuses.count(200) == upstream.hits("POST")
        while upstream.hits("POST") < 60:  # a caller has 32 slots at a time
            assert await validate(port, next(NUMBERS)) == 200
        assert await validate(port, next(NUMBERS)) == 429
        assert await validate(port, next(NUMBERS), OTHER) == 200
        assert upstream.hits("POST") == 61


async def test_found_f4_letters_of_a_sid_do_not_matter() -> None:
    """Where callers' own credentials are passed on, the same account may be written in several ways."""
    written = ["AC" + ("a" * n).ljust(32, "A") for n in range(8)]
    async with scripted_upstream() as upstream:
        upstream.otherwise = lambda _: PLACED.encode()
        limit = limits(per_account="{calls: 3, within: 600}")
        async with running_proxy(upstream.url, limit) as port:
            statuses = [await validate(port, next(NUMBERS), each) for each in written]
        assert statuses == [200] * 3 + [429] * 5


async def test_found_f4_made_up_sids_are_one_account(tmp_path: Path) -> None:
    """Where callers pass on credentials, these say whose calls they are if no URL names it."""
    configuration = f"  profile: {passing_credentials_on(tmp_path)}\n  validation: code_on_phone\n"
    configuration += limits(per_account="{calls: 3, within: 600}")
    async with scripted_upstream() as upstream, running_proxy(upstream.url, configuration) as port:
        upstream.otherwise = lambda _: json_answer(201, b'{"id": "1", "number": "+14158675309"}').encode()

        async def status(sid: str, user: str) -> int:
            form = f"PhoneNumber={next(NUMBERS)}".encode()
            headers = (("Host", "x"), ("Authorization", basic(user)))
            target = LIST.replace(ACCOUNT, sid)
            return (await ask(port, Message(f"POST {target} HTTP/1.1", headers, form).encode())).status

        made_up = [f"AC{number:032}" for number in range(5)]
        assert [await status(each, "user") for each in made_up] == [200] * 3 + [429] * 2
        assert await status(made_up[0], "another") == 200
        assert upstream.hits("POST") == 4


async def test_found_f4_a_peer_has_its_calls_over_all_accounts() -> None:
    async with proxy_before(limits(per_peer="{calls: 4, within: 600}")) as (port, upstream):
        statuses = [await validate(port, next(NUMBERS), each) for each in (ACCOUNT, OTHER) * 4]
        assert statuses == [200] * 4 + [429] * 4
        assert await validate(port, next(NUMBERS), peer="127.0.0.2") == 200
        assert await validate(port, next(NUMBERS), ACCOUNT, ("X-Forwarded-For", "192.0.2.1")) == 429
        assert upstream.hits("POST") == 5


async def test_found_f4_peers_behind_a_trusted_proxy_are_told_apart() -> None:
    trusting = "listen: {trusted_proxies: [127.0.0.1]}\n" + limits(per_peer="{calls: 2, within: 600}")
    async with proxy_before(trusting) as (port, upstream):
        for peer in ("192.0.2.1", "192.0.2.2"):
            sent = ("X-Forwarded-For", peer)
            statuses = [await validate(port, next(NUMBERS), ACCOUNT, sent) for _ in range(3)]
            assert statuses == [200, 200, 429]
        assert upstream.hits("POST") == 4


@pytest.mark.parametrize("off", ["off", "'off'", "'OFF'", "null", "~"])
async def test_found_f4_a_limit_is_switched_off(off: str) -> None:
    async with proxy_before(f"validation: {{limits: {{per_number: {off}}}}}\n") as (port, upstream):
        assert {await validate(port, NUMBER) for _ in range(20)} == {200}
        assert upstream.hits("POST") == 20


def test_found_f4_never_more_than_three_in_any_ten_minutes() -> None:
    """A token comes back ten minutes after it was taken, and a refusal says when that is."""

    async def call() -> None:
        async with proxy_before() as (port, upstream):

            async def status() -> int:
                return (await ask(port, post(NUMBER))).status

            async def wait_for_token() -> int:
                refused = await ask(port, post(NUMBER))
                assert refused.status == 429
                seconds = int(refused.header("Retry-After") or 0)
                await asyncio.sleep(seconds - 3)
                assert await status() == 429
                await asyncio.sleep(3)
                assert await status() == 200
                return seconds

            for _ in range(3):
                assert await status() == 200
                await asyncio.sleep(20)
            waited = [await wait_for_token() for _ in range(3)]
            assert waited[0] == pytest.approx(540, abs=5)
            assert waited[1:] == pytest.approx([20, 20], abs=5)
            assert upstream.hits("POST") == 6

    leap.run(call())


async def place(client: RawClient, statuses: list[int]) -> None:
    for status in statuses:
        assert (await client.ask(post(NUMBER))).status == status


@pytest.mark.parametrize("status", [400, 404, 409, 429])
async def test_found_f4_a_call_that_is_not_placed_does_not_count(status: int) -> None:
    async with proxy_before() as (port, upstream), connect(port) as client:
        upstream.otherwise = lambda _: json_answer(status, b'{"code": 21450, "message": "No"}').encode()
        await place(client, [status] * 5)
        upstream.otherwise = lambda _: PLACED.encode()
        await place(client, [200, 200, 200, 429])


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (error(500), 502),
        (json_answer(200, b'{"validation_code": "no"}').encode(), 502),
        (b"", 502),
        (b"HTTP/1.1 nonsense\r\n\r\n", 502),
    ],
)
async def test_found_f4_a_call_that_may_be_placed_counts(answer: bytes, status: int) -> None:
    async with proxy_before() as (port, upstream), connect(port) as client:
        upstream.otherwise = lambda _: answer
        await place(client, [status] * 3 + [429])
        assert upstream.hits("POST") == 3


async def test_found_f4_a_call_that_was_not_sent_does_not_count() -> None:
    """No connection can be made, and then the circuit breaker is open."""
    async with scripted_upstream() as upstream:
        url = upstream.url
    async with running_proxy(url, ACCOUNTS, VARIABLES) as port, connect(port) as client:
        await place(client, [503] * 20)


async def test_found_f4_made_up_accounts_use_up_no_number() -> None:
    """Credentials that the upstream refuses place no call."""
    async with scripted_upstream() as upstream, running_proxy(upstream.url) as port:
        upstream.otherwise = lambda _: json_answer(401, b'{"code": 20003}').encode()
        for number in range(20):
            assert await validate(port, NUMBER, f"AC{number:032}") == 401
        upstream.otherwise = lambda _: PLACED.encode()
        assert [await validate(port, NUMBER) for _ in range(4)] == [200] * 3 + [429]


async def test_found_f4_a_refusal_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    configuration = "listen: {metrics: 127.0.0.1:0}\n" + ACCOUNTS
    async with scripted_upstream() as upstream:
        upstream.otherwise = lambda _: PLACED.encode()
        async with running_listeners(upstream.url, configuration, VARIABLES) as bound:
            for _ in range(5):
                await validate(bound["address"].port, NUMBER)
            metrics = await ask(bound["metrics"].port, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert b'callerid_proxy_rejected_requests_total{reason="per_number"} 2.0' in metrics.body
    assert b'callerid_proxy_rejected_requests_total{reason="caller_limit"} 0.0' in metrics.body
    lines = [
        record.getMessage()
        for record in caplog.records
        if "validation.limits.per_number" in record.getMessage()
    ]
    assert len(lines) == 2
    assert all(ACCOUNT in line and "…5309" in line and "867" not in line for line in lines)


async def test_other_operations_are_not_limited() -> None:
    async with proxy_before(limits(per_peer="{calls: 1, within: 600}")) as (port, upstream):
        assert await validate(port, NUMBER) == 200
        upstream.otherwise = lambda _: json_answer(
            200, b'{"outgoing_caller_ids": [], "next_page_uri": null}'
        ).encode()
        asked = Message(f"GET {LIST} HTTP/1.1", (("Host", "x"), ("Authorization", basic()))).encode()
        assert {(await ask(port, asked)).status for _ in range(5)} == {200}
