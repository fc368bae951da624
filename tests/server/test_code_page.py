"""Vendors whose call speaks the code: a ValidationRequest without one, and a page to bring it back."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.code_on_phone import CONFIGURATION, STARTED, VARIABLES, VERIFIED, WRONG, validate
from support.running import running_proxy
from support.seed import ACCOUNT
from support.wire import Message, ScriptedUpstream, ask, connect, json_answer, scripted_upstream

OTHER = "AC" + "b" * 32


@asynccontextmanager
async def proxy_before(*answers: Message, more: str = "") -> AsyncIterator[tuple[int, ScriptedUpstream]]:
    async with (
        scripted_upstream(*answers) as upstream,
        running_proxy(upstream.url, CONFIGURATION + more, VARIABLES) as port,
    ):
        yield port, upstream


async def bring(
    port: int,
    code: str = "012345",
    *,
    number: object = "(415)+555-1212",
    account: str = "",
    peer: str = "127.0.0.1",
    **headers: str,
) -> Message:
    """Send a code from the address `peer`."""
    names = (("Host", "proxy.example"), *((name.replace("_", "-"), value) for name, value in headers.items()))
    form = f"PhoneNumber={number}&Code={code}&Account={account}".encode()
    async with connect(port, peer) as client:
        return await client.ask(Message("POST /caller-id-code HTTP/1.1", names, form).encode())


def shown(answer: Message) -> tuple[int, bytes]:
    """Return all that an answer tells, apart from what was sent."""
    body = re.sub(rb' value="[^"]*"', b"", answer.body)
    return answer.status, body


async def test_a_code_comes_back() -> None:
    async with proxy_before(STARTED, VERIFIED) as (port, upstream):
        assert b"<ValidationCode/>" in (await validate(port)).body
        assert (await bring(port, Origin="https://proxy.example", Sec_Fetch_Site="same-origin")).status == 200
        started, verified = upstream.received
        assert started.body == b'{"phone_number":"+14155551212","verification_method":"call"}'
        assert verified.target == "/verified_numbers/+14155551212/actions/verify"
        assert verified.body == b'{"verification_code":"012345"}'
        assert verified.header("Authorization") == "Bearer api-key"
        assert (await bring(port)).status == 400
        assert len(upstream.received) == 2


async def test_found_f2_a_call_that_had_its_tries_is_over() -> None:
    async with proxy_before(STARTED, *[WRONG] * 5) as (port, upstream):
        await validate(port)
        answers = [await bring(port) for _ in range(6)]
        assert len({shown(answer) for answer in answers}) == 1
        assert answers[0].status == 400
        assert b"Wrong code" in answers[0].body
        assert len(upstream.received) == 6


async def test_found_f2_a_new_call_has_tries_of_its_own() -> None:
    async with proxy_before(STARTED, *[WRONG] * 5, STARTED, VERIFIED) as (port, _):
        await validate(port)
        for _ in range(6):
            assert (await bring(port)).status == 400
        await validate(port)
        assert (await bring(port)).status == 200


async def test_found_f2_two_hundred_at_once_are_not_all_judged() -> None:
    async with proxy_before(STARTED) as (port, upstream):
        upstream.otherwise = lambda _: WRONG.encode()
        await validate(port)
        addresses = [f"127.0.0.{number}" for number in range(2, 42)]
        answers = await asyncio.gather(
            *(bring(port, f"{number:06}", peer=peer) for number, peer in enumerate(addresses * 5))
        )
        assert {answer.status for answer in answers} == {400}
        assert upstream.hits("POST") == 1 + 5


async def test_found_f2_unknown_numbers_bring_no_new_tries() -> None:
    """A peer has twenty tries, whatever numbers it names; no flood of numbers makes a call's tries anew."""
    async with proxy_before(STARTED) as (port, upstream):
        upstream.otherwise = lambda _: WRONG.encode()
        await validate(port)
        for _ in range(6):
            assert (await bring(port, peer="127.0.0.2")).status == 400
        numbers = iter(range(2_000_000_000, 9_999_999_999))
        for host in range(3, 60):
            peer = f"127.0.0.{host}"
            statuses = [(await bring(port, number=next(numbers), peer=peer)).status for _ in range(21)]
            assert statuses == [400] * 20 + [429]
        answer = await bring(port, peer="127.0.0.59")
        assert answer.status == 429
        assert 0 < int(answer.header("Retry-After") or 0) <= 600
        assert b"Too many tries" in answer.body
        assert (await bring(port, peer="127.0.0.2")).status == 400
        assert upstream.hits("POST") == 1 + 5


async def test_found_f2_right_codes_cost_a_peer_nothing() -> None:
    limits = "validation: {limits: {per_number: off}}\n"
    async with proxy_before(*[STARTED, VERIFIED] * 25, more=limits) as (port, _):
        for _ in range(25):
            await validate(port)
            assert (await bring(port)).status == 200


async def test_found_f9_the_answer_does_not_tell_who_is_called() -> None:
    async with proxy_before(STARTED, WRONG, json_answer(404, b'{"errors": []}')) as (port, upstream):
        await validate(port)
        wrong, gone = await bring(port), await bring(port)
        other = [await bring(port, number=4155551213, account=name) for name in ("", ACCOUNT, "Sales")]
        named = await bring(port, account="no such account")
        assert len(upstream.received) == 3
    assert {shown(answer) for answer in (wrong, gone, *other, named)} == {shown(wrong)}
    assert wrong.status == 400


TWO = f"""\
  profile: telnyx
  validation: code_on_phone
accounts:
  {ACCOUNT}:
    token: ${{TOKEN}}
    upstream: {{password: "${{KEY}}"}}
  {OTHER}:
    token: ${{TOKEN}}
    label: Sales & more
    upstream: {{password: "${{OTHER_KEY}}"}}
"""


async def test_found_f9_calls_of_two_accounts() -> None:
    """A later call of another account replaces nothing; the code is tried for the account that is named."""
    variables = {**VARIABLES, "OTHER_KEY": "other-key"}
    async with (
        scripted_upstream(STARTED, STARTED, VERIFIED, WRONG, VERIFIED) as upstream,
        running_proxy(upstream.url, TWO, variables) as port,
    ):
        assert (await validate(port)).status == 200
        assert (await validate(port, OTHER)).status == 200
        assert (await bring(port)).status == 400  # of which account?
        assert len(upstream.received) == 2
        done = await bring(port, account=ACCOUNT.lower())
        assert (done.status, b"Sales" in done.body) == (200, False)
        assert (await bring(port)).status == 400  # the only call that is left
        done = await bring(port, account="sales %26 more")
        assert done.status == 200
        assert b"Account: Sales &amp; more" in done.body
        assert (await bring(port, account="sales %26 more")).status == 400
        keys = [received.header("Authorization") for received in upstream.received]
        assert keys == [
            f"Bearer {key}" for key in ("api-key", "other-key", "api-key", "other-key", "other-key")
        ]


async def test_found_f9_tries_of_one_account_are_not_those_of_another() -> None:
    variables = {**VARIABLES, "OTHER_KEY": "other-key"}
    async with (
        scripted_upstream(STARTED, STARTED, *[WRONG] * 5, VERIFIED) as upstream,
        running_proxy(upstream.url, TWO, variables) as port,
    ):
        await validate(port)
        await validate(port, OTHER)
        for _ in range(7):
            assert (await bring(port, account=OTHER)).status == 400
        assert (await bring(port, account=ACCOUNT)).status == 200
        assert len(upstream.received) == 8


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://["},
        {"Sec_Fetch_Site": "cross-site"},
    ],
    ids=str,
)
async def test_another_site_cannot_post(headers: dict[str, str]) -> None:
    async with proxy_before(STARTED) as (port, upstream):
        await validate(port)
        assert (await bring(port, **headers)).status == 403
        assert len(upstream.received) == 1


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345x", "١٢٣٤٥٦"])
async def test_what_is_no_code_is_not_sent(code: str) -> None:
    async with proxy_before(STARTED) as (port, upstream):
        await validate(port)
        assert (await bring(port, code)).status == 400
        assert len(upstream.received) == 1


async def test_the_page_shows_no_more_than_it_must() -> None:
    async with proxy_before() as (port, _):
        page = await ask(port, b"GET /caller-id-code HTTP/1.1\r\nHost: x\r\n\r\n")
        assert page.status == 200
        assert "default-src 'none'" in (page.header("Content-Security-Policy") or "")
        assert b'name="Code"' in page.body


async def test_there_is_no_page_where_codes_are_shown() -> None:
    async with running_proxy("http://127.0.0.1:1") as port:
        assert (await ask(port, b"GET /caller-id-code HTTP/1.1\r\nHost: x\r\n\r\n")).status == 404


async def test_without_the_choice_validation_is_refused() -> None:
    async with (
        scripted_upstream() as upstream,
        running_proxy(
            upstream.url, CONFIGURATION.replace("  validation: code_on_phone\n", ""), VARIABLES
        ) as port,
    ):
        assert (await validate(port)).status == 501
        assert upstream.received == []
