"""Vendors whose call speaks the code: a ValidationRequest without one, and a page to bring it back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.code_on_phone import CONFIGURATION, STARTED, VARIABLES, VERIFIED, WRONG, validate
from support.running import running_proxy
from support.wire import Message, ScriptedUpstream, ask, scripted_upstream


@asynccontextmanager
async def proxy_before(*answers: Message) -> AsyncIterator[tuple[int, ScriptedUpstream]]:
    async with (
        scripted_upstream(*answers) as upstream,
        running_proxy(upstream.url, CONFIGURATION, VARIABLES) as port,
    ):
        yield port, upstream


async def bring(port: int, code: str = "012345", **headers: str) -> Message:
    names = (("Host", "proxy.example"), *((name.replace("_", "-"), value) for name, value in headers.items()))
    form = f"PhoneNumber=(415)+555-1212&Code={code}".encode()
    return await ask(port, Message("POST /caller-id-code HTTP/1.1", names, form).encode())


async def test_a_code_comes_back() -> None:
    async with proxy_before(STARTED, VERIFIED) as (port, upstream):
        assert b"<ValidationCode/>" in (await validate(port)).body
        assert (await bring(port, Origin="https://proxy.example", Sec_Fetch_Site="same-origin")).status == 200
        started, verified = upstream.received
        assert started.body == b'{"phone_number":"+14155551212","verification_method":"call"}'
        assert verified.target == "/verified_numbers/+14155551212/actions/verify"
        assert verified.body == b'{"verification_code":"012345"}'
        assert verified.header("Authorization") == "Bearer api-key"
        assert (await bring(port)).status == 404


async def test_guessing_is_limited() -> None:
    async with proxy_before(STARTED, *[WRONG] * 5) as (port, upstream):
        await validate(port)
        for _ in range(5):
            answer = await bring(port)
            assert answer.status == 400
            assert b"Wrong code" in answer.body
        assert (await bring(port)).status == 429
        assert len(upstream.received) == 6


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
