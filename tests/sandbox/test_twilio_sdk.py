"""Twilio's current Python library, with the sandbox as api.twilio.com."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]
from twilio.rest import Client as Twilio  # type: ignore[import-untyped]

from proxy.sandbox import Store, seed
from sandbox.client import ACCOUNT, BOB, COMPANY, OTHER_ACCOUNT, Client


@pytest.fixture
def twilio(client: Client) -> Twilio:
    return connect(client.url, ACCOUNT, seed.TOKEN)


def connect(url: str, username: str, token: str, account_sid: str | None = None) -> Twilio:
    twilio = Twilio(username, token, account_sid)
    twilio.api.base_url = url
    return twilio


async def run(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the library in a thread: it blocks, and the sandbox runs in this one."""
    return await asyncio.to_thread(partial(call, *args, **kwargs))


async def refusal(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as refused:
        await run(call, *args, **kwargs)
    return refused.value.status, refused.value.code


def numbers(items: list[Any]) -> list[str]:
    return [item.phone_number for item in items]


async def test_list_follows_all_pages(twilio: Twilio, store: Store) -> None:
    store.seed_many(ACCOUNT, 121)
    items = await run(twilio.outgoing_caller_ids.list, page_size=50)
    assert numbers(items) == [
        "+14158675309",
        "+14158675310",
        *(f"+1646{2_000_000 + n}" for n in range(3, 124)),
    ]
    assert numbers(await run(twilio.outgoing_caller_ids.list, page_size=50, limit=75)) == numbers(items)[:75]
    assert numbers(await run(twilio.outgoing_caller_ids.list)) == numbers(items)


async def test_pages_lead_on_and_back(twilio: Twilio, store: Store) -> None:
    store.seed_many(ACCOUNT, 3)
    first = await run(twilio.outgoing_caller_ids.page, page_size=2)
    second = await run(first.next_page)
    assert numbers(list(second)) == ["+16462000003", "+16462000004"]
    assert numbers(list(await run(second.previous_page))) == ["+14158675309", "+14158675310"]
    assert first.previous_page_url is None
    assert (await run((await run(second.next_page)).next_page)) is None


async def test_filters(twilio: Twilio) -> None:
    found = partial(run, twilio.outgoing_caller_ids.list)
    assert numbers(await found(phone_number="+14158675309")) == ["+14158675309"]
    assert numbers(await found(friendly_name="Company Main Line")) == ["+14158675310"]
    assert await found(friendly_name="Company Main Line", phone_number="+14158675309") == []


async def test_fetch_update_and_delete(twilio: Twilio) -> None:
    company = twilio.outgoing_caller_ids(COMPANY.sid)
    fetched = await run(company.fetch)
    assert (fetched.sid, fetched.account_sid, fetched.friendly_name) == (
        "PNe536dfda7c6DDd455fed980cb83345FF",
        ACCOUNT,
        "Company Main Line",
    )
    assert fetched.date_created.timestamp() == 1207074392
    assert (await run(company.update, friendly_name="Front desk")).friendly_name == "Front desk"
    assert (await run(company.fetch)).friendly_name == "Front desk"
    assert await run(company.delete) is True
    assert await refusal(company.fetch) == (404, 20404)


async def test_validation_request(twilio: Twilio, store: Store) -> None:
    request = await run(
        twilio.validation_requests.create, phone_number="+12125550123", friendly_name="New", call_delay=0
    )
    assert (request.validation_code, request.phone_number, request.friendly_name) == (
        "123456",
        "+12125550123",
        "New",
    )
    store.answer("+12125550123", request.validation_code)
    assert len(await run(twilio.outgoing_caller_ids.list)) == 3


async def test_refusals(twilio: Twilio, client: Client) -> None:
    create = twilio.validation_requests.create
    assert await refusal(create, phone_number="12345") == (400, 21401)
    assert await refusal(create, phone_number=BOB.phone_number) == (400, 21450)
    assert await refusal(create, phone_number="+12125550123", call_delay=61) == (400, 21454)
    assert await refusal(twilio.outgoing_caller_ids("PN" + "0" * 32).delete) == (404, 20404)
    assert await refusal(twilio.outgoing_caller_ids(BOB.sid).update, friendly_name="x" * 65) == (400, 20002)
    stranger = connect(client.url, ACCOUNT, "wrong")
    assert await refusal(stranger.outgoing_caller_ids(BOB.sid).fetch) == (401, 20003)


async def test_an_api_key(client: Client, store: Store) -> None:
    store.add_credential("SK" + "1" * 32, "secret", ACCOUNT)
    key = connect(client.url, "SK" + "1" * 32, "secret", ACCOUNT)
    assert len(await run(key.outgoing_caller_ids.list)) == 2
    elsewhere = connect(client.url, "SK" + "1" * 32, "secret", OTHER_ACCOUNT)
    assert await refusal(elsewhere.outgoing_caller_ids(BOB.sid).fetch) == (404, 20404)
