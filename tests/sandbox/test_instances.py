"""One caller id: fetched, renamed, deleted."""

import pytest

from proxy.sandbox import Store
from sandbox.client import ACCOUNT, BOB, COMPANY, OTHER_ACCOUNT, Client, Clock, instance_path, list_path

NOT_FOUND = (404, 20404)


async def test_fetch_answers_the_item_of_the_list(client: Client) -> None:
    items = (await client.get(list_path())).body["outgoing_caller_ids"]
    for item in items:
        assert (await client.get(item["uri"])).body == item


@pytest.mark.parametrize(
    "sid",
    [
        COMPANY.sid.lower(),
        COMPANY.sid.upper(),
        "PN" + "0" * 32,
        BOB.sid[:-1],
        BOB.sid + "0",
        "x",
        "..%2F" + BOB.sid,
        "%FF" * 34,
        BOB.sid + "%00",
    ],
)
async def test_other_sids_are_not_found(client: Client, sid: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert (await client.send(method, instance_path(sid))).error == NOT_FOUND


async def test_rename(client: Client, clock: Clock) -> None:
    clock.now = 1_700_000_000.9
    before = (await client.get(instance_path(BOB.sid))).body
    renamed = await client.post(instance_path(BOB.sid), FriendlyName="Bob's phone")
    assert renamed.status == 200
    assert renamed.body == before | {
        "friendly_name": "Bob's phone",
        "date_updated": "Tue, 14 Nov 2023 22:13:20 +0000",
    }
    assert (await client.get(instance_path(BOB.sid))).body == renamed.body


@pytest.mark.parametrize(
    "name", ["x", "é" * 64, "😀" * 64, "<script>&]]>'\"", " padded ", "=1+1", "\u202eRTL"]
)
async def test_names_round_trip_exactly(client: Client, name: str) -> None:
    assert (await client.post(instance_path(BOB.sid), FriendlyName=name)).body["friendly_name"] == name


@pytest.mark.parametrize("name", ["x" * 65, "😀" * 65, "nul\0", "line\nbreak", "tab\t", "\x7f", "\x85"])
async def test_bad_names_are_refused(client: Client, name: str) -> None:
    assert (await client.post(instance_path(BOB.sid), FriendlyName=name)).error == (400, 20002)
    assert (await client.get(instance_path(BOB.sid))).body["friendly_name"] == BOB.friendly_name


@pytest.mark.parametrize("form", [{}, {"FriendlyName": ""}, {"friendlyname": "x"}])
async def test_without_a_name_nothing_changes(client: Client, form: dict[str, str]) -> None:
    before = (await client.get(instance_path(BOB.sid))).body
    assert (await client.post(instance_path(BOB.sid), **form)).body == before


async def test_a_form_needs_no_content_type(client: Client) -> None:
    answer = await client.send(
        "POST", instance_path(BOB.sid), data=b"FriendlyName=Plain", skip_auto_headers=["Content-Type"]
    )
    assert answer.body["friendly_name"] == "Plain"


async def test_delete(client: Client) -> None:
    answer = await client.send("DELETE", instance_path(BOB.sid))
    assert (answer.status, answer.body) == (204, b"")
    assert "Content-Type" not in answer.headers
    for method in ("GET", "POST", "DELETE"):
        assert (await client.send(method, instance_path(BOB.sid))).error == NOT_FOUND
    assert len((await client.get(list_path())).body["outgoing_caller_ids"]) == 1


async def test_a_sid_of_another_account_is_not_found(client: Client, store: Store) -> None:
    client.login(OTHER_ACCOUNT, "other-token")
    for method in ("GET", "POST", "DELETE"):
        answer = await client.send(method, instance_path(BOB.sid, OTHER_ACCOUNT), data={"FriendlyName": "x"})
        assert answer.error == NOT_FOUND
    assert store.fetch(ACCOUNT, BOB.sid) == BOB
