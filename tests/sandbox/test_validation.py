"""Validation: a number is listed after the right code is entered on the phone."""

import logging
import re
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from proxy.sandbox import AnswerError, Store, answer
from proxy.sandbox.errors import ApiError
from proxy.sandbox.model import Cursor, Wanted
from sandbox.client import (
    ACCOUNT,
    BOB,
    COMPANY,
    OTHER_ACCOUNT,
    Answer,
    Client,
    Clock,
    instance_path,
    list_path,
    names,
)

NEW = "+12125550123"


async def enter(client: Client, code: str, number: str = NEW) -> Answer:
    client.authorization = None
    entered = await client.post("/sandbox/answer", PhoneNumber=number, Code=code)
    client.login(ACCOUNT, "demo-token")
    return entered


def not_(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_the_documented_example_works_verbatim(client: Client, clock: Clock) -> None:
    example = {"FriendlyName": "My Home Phone Number", "PhoneNumber": "+14158675309"}
    request = await client.post(list_path(), **example)
    assert request.status == 200
    assert re.fullmatch("CA[0-9a-f]{32}", request.body.pop("call_sid"))
    assert request.body == {
        "account_sid": "AC309475e5fede1b49e100272a8640f438",
        "friendly_name": "My Home Phone Number",
        "phone_number": "+14158675309",
        "validation_code": "123456",
    }
    assert (await client.get(instance_path(BOB.sid))).body["friendly_name"] == "Bob Cell Phone"

    entered = await enter(client, "123456", BOB.phone_number)
    assert entered.status == 200
    assert entered.body == {
        "sid": BOB.sid,
        "phone_number": "+14158675309",
        "message": "+14158675309 is now validated as 'My Home Phone Number'.",
    }
    renamed = (await client.get(instance_path(BOB.sid))).body
    assert renamed["friendly_name"] == "My Home Phone Number"
    assert renamed["date_created"] == "Tue, 01 Apr 2008 18:26:32 +0000"
    assert renamed["date_updated"] == "Tue, 14 Nov 2023 22:13:20 +0000"


async def test_a_number_joins_the_list_when_its_code_is_entered(client: Client) -> None:
    code = (await client.post(list_path(), PhoneNumber=NEW, FriendlyName="New")).body["validation_code"]
    assert len(names((await client.get(list_path())).body)) == 2
    sid = (await enter(client, code)).body["sid"]
    assert re.fullmatch("PN[0-9a-f]{32}", sid)
    items = (await client.get(list_path())).body["outgoing_caller_ids"]
    assert [item["friendly_name"] for item in items] == ["Bob Cell Phone", "Company Main Line", "New"]
    assert items[-1]["sid"] == sid
    assert items[-1]["date_created"] == items[-1]["date_updated"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert (await enter(client, code)).error == (404, 20404)


def test_only_the_first_code_is_known_and_zeros_lead(store: Store) -> None:
    codes = [store.call(ACCOUNT, NEW, None, 0).code for _ in range(500)]
    assert codes[0] == "123456"
    assert len(set(codes)) > 450
    assert all(re.fullmatch("[0-9]{6}", code) for code in codes)
    assert any(code.startswith("0") for code in codes)


async def test_a_code_with_leading_zeros_is_entered_as_it_stands(client: Client, store: Store) -> None:
    while not (code := store.call(ACCOUNT, NEW, None, 0).code).startswith("0"):
        pass
    assert (await enter(client, code.lstrip("0"))).error == (403, 20403)
    assert (await enter(client, code)).status == 200


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("+12125550123", "(212) 555-0123"),
        ("+442071838750", "+442071838750"),
        ("+1212555012", "+1212555012"),
        ("+141586753096", "+141586753096"),
    ],
)
async def test_the_default_name_is_the_formatted_number(client: Client, number: str, name: str) -> None:
    request = (await client.post(list_path(), PhoneNumber=number)).body
    assert (request["phone_number"], request["friendly_name"]) == (number, name)


async def test_decoration_and_unknown_parameters_are_ignored(client: Client) -> None:
    request = await client.send(
        "POST",
        list_path(),
        data=[
            ("PhoneNumber", "nonsense"),
            ("PhoneNumber", "+1 (212) 555.01-23"),
            ("Extension", "12"),
            ("StatusCallback", "http://127.0.0.1/"),
            ("StatusCallbackMethod", "GET"),
            ("Unknown", "\0"),
            ("FriendlyName", ""),
        ],
    )
    assert request.body["phone_number"] == NEW


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, (400, 21201)),
        ({"PhoneNumber": ""}, (400, 21201)),
        ({"phonenumber": NEW}, (400, 21201)),
        ({"PhoneNumber": "2125550123"}, (400, 21401)),
        ({"PhoneNumber": " 12125550123"}, (400, 21401)),
        ({"PhoneNumber": "+1234567"}, (400, 21401)),
        ({"PhoneNumber": "+1234567890123456"}, (400, 21401)),
        ({"PhoneNumber": "+02125550123"}, (400, 21401)),
        ({"PhoneNumber": "+1212555012x"}, (400, 21401)),
        ({"PhoneNumber": "+١٢١٢٥٥٥٠١٢٣"}, (400, 21401)),
        ({"PhoneNumber": f"{NEW}\n"}, (400, 21401)),
        ({"PhoneNumber": NEW, "FriendlyName": "x" * 65}, (400, 20002)),
        ({"PhoneNumber": NEW, "FriendlyName": "a\0b"}, (400, 20002)),
        *(
            ({"PhoneNumber": NEW, "CallDelay": delay}, (400, 21454))
            for delay in ("", "-1", "61", "100", "1000000000", "0x10", " 5 ", "5.5", "٣", "+5", "9" * 5000)
        ),
    ],
)
async def test_bad_requests_place_no_call(
    client: Client, store: Store, form: dict[str, str], error: tuple[int, int]
) -> None:
    assert (await client.post(list_path(), **form)).error == error
    assert store.calls() == []


@pytest.mark.parametrize("delay", ["0", "1", "60"])
async def test_the_phone_rings_after_the_call_delay(client: Client, clock: Clock, delay: str) -> None:
    code = (await client.post(list_path(), PhoneNumber=NEW, CallDelay=delay)).body["validation_code"]
    clock.now += int(delay) - 0.5
    if delay != "0":
        assert (await enter(client, code)).error == (409, 20409)
        assert (await client.get("/sandbox/calls")).body[0]["state"] == "delayed"
    clock.now += 0.5
    assert (await client.get("/sandbox/calls")).body[0]["state"] == "ringing"
    assert (await enter(client, code)).status == 200


async def test_three_wrong_codes_end_the_call(client: Client) -> None:
    code = (await client.post(list_path(), PhoneNumber=NEW)).body["validation_code"]
    said = [await enter(client, not_(code)) for _ in range(3)]
    assert [refusal.error for refusal in said] == [(403, 20403)] * 3
    assert said[0].body["message"] != said[2].body["message"]
    assert (await enter(client, code)).error == (404, 20404)
    assert len(names((await client.get(list_path())).body)) == 2


async def test_a_newer_request_replaces_an_older_one(client: Client) -> None:
    older = (await client.post(list_path(), PhoneNumber=NEW, FriendlyName="Older")).body["validation_code"]
    await enter(client, not_(older))
    newer = (await client.post(list_path(), PhoneNumber=NEW, FriendlyName="Newer")).body["validation_code"]
    if newer != older:
        assert (await enter(client, older)).error == (403, 20403)
    assert (await enter(client, newer)).status == 200
    assert names((await client.get(list_path())).body)[-1] == "Newer"


@pytest.mark.parametrize("name", [{}, {"FriendlyName": ""}, {"FriendlyName": "Company Main Line"}])
async def test_a_validated_number_is_refused(client: Client, store: Store, name: dict[str, str]) -> None:
    answer = await client.post(list_path(), PhoneNumber=COMPANY.phone_number, **name)
    assert answer.error == (400, 21450)
    assert store.calls() == []


async def test_a_number_belongs_to_one_account(client: Client, store: Store) -> None:
    client.login(OTHER_ACCOUNT, "other-token")
    answer = await client.post(list_path(OTHER_ACCOUNT), PhoneNumber=BOB.phone_number, FriendlyName="Mine")
    assert answer.error == (400, 21453)
    store.delete(ACCOUNT, BOB.sid)
    answer = await client.post(list_path(OTHER_ACCOUNT), PhoneNumber=BOB.phone_number, FriendlyName="Mine")
    assert answer.status == 200


async def test_a_number_deleted_before_its_code_is_entered_is_added_again(
    client: Client, store: Store
) -> None:
    code = (await client.post(list_path(), PhoneNumber=BOB.phone_number, FriendlyName="Anew")).body[
        "validation_code"
    ]
    store.delete(ACCOUNT, BOB.sid)
    assert (await enter(client, code, BOB.phone_number)).body["sid"] != BOB.sid
    assert names((await client.get(list_path())).body) == ["Company Main Line", "Anew"]


async def test_pending_calls_are_listed(client: Client) -> None:
    assert (await client.get("/sandbox/calls")).body == []
    await client.post(list_path(), PhoneNumber=NEW, CallDelay="60")
    await client.post(list_path(), PhoneNumber=BOB.phone_number, FriendlyName="Robert")
    client.authorization = None
    assert (await client.get("/sandbox/calls")).body == [
        {
            "phone_number": BOB.phone_number,
            "friendly_name": "Robert",
            "state": "ringing",
            "rings_at": "Tue, 14 Nov 2023 22:13:20 +0000",
        },
        {
            "phone_number": NEW,
            "friendly_name": "(212) 555-0123",
            "state": "delayed",
            "rings_at": "Tue, 14 Nov 2023 22:14:20 +0000",
        },
    ]


async def test_a_ringing_phone_is_logged_without_its_code(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="proxy.sandbox"):
        await client.post(list_path(), PhoneNumber=NEW, CallDelay="7")
    assert caplog.messages == [
        "+12125550123 rings in 7 s; enter the code with: callerid-proxy sandbox answer +12125550123 CODE"
    ]


def test_a_file_keeps_everything(tmp_path: Path, clock: Clock) -> None:
    path = str(tmp_path / "sandbox.db")
    with closing(Store(path, clock)) as store:
        store.add_account(OTHER_ACCOUNT, "token")
        store.rename(ACCOUNT, BOB.sid, "Renamed")
        store.delete(ACCOUNT, COMPANY.sid)
        key = store.page_key
        assert store.call(ACCOUNT, NEW, "PendingCall", 0).code == "123456"
    with closing(Store(path, clock)) as store:
        assert store.page_key == key
        assert store.authenticate(OTHER_ACCOUNT, "token") == OTHER_ACCOUNT
        assert store.answer(NEW, "123456").friendly_name == "PendingCall"
        listed = store.page(Wanted(ACCOUNT), Cursor(), 50).caller_ids
        assert [item.friendly_name for item in listed] == ["Renamed", "PendingCall"]
    with closing(Store(path, clock)) as store:
        assert len(store.page(Wanted(ACCOUNT), Cursor(), 50).caller_ids) == 2
        with pytest.raises(ApiError, match="No call is waiting"):
            store.answer(NEW, "123456")


async def test_answer_enters_the_code(client: Client, store: Store) -> None:
    code = store.call(ACCOUNT, NEW, "Home", 0).code
    assert await answer(client.url, NEW, code) == "+12125550123 is now validated as 'Home'."
    assert await answer(f"{client.url}/", NEW, store.call(ACCOUNT, NEW, "Away", 0).code)


async def test_answer_says_why_not(client: Client, store: Store, clock: Clock) -> None:
    with pytest.raises(AnswerError, match="No call is waiting for this number"):
        await answer(client.url, NEW, "123456")
    with pytest.raises(AnswerError, match=r"E\.164"):
        await answer(client.url, "2125550123", "123456")
    code = store.call(ACCOUNT, NEW, None, 1).code
    with pytest.raises(AnswerError, match="has not rung yet"):
        await answer(client.url, NEW, code)
    clock.now += 1
    with pytest.raises(AnswerError, match="Wrong code"):
        await answer(client.url, NEW, not_(code))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", ""])
async def test_answer_says_that_there_is_no_sandbox(url: str) -> None:
    with pytest.raises(AnswerError, match="No sandbox answers at"):
        await answer(url, NEW, "123456")


@pytest.mark.parametrize("body", ["hello", "[]", "{}"])
async def test_answer_detects_other_servers(aiohttp_server: AiohttpServer, body: str) -> None:
    async def other(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.add_routes([web.post("/sandbox/answer", other)])
    server = await aiohttp_server(app)
    with pytest.raises(AnswerError, match="No sandbox answers at"):
        await answer(str(server.make_url("")), NEW, "123456")
