"""What only CloudTalk does: a search by id, renames that answer a status, pages behind the last one."""

import pytest
from support.seed import LIST

from vendors.contract import attributes, before, error
from vendors.machinery import Answer
from vendors.models.cloudtalk import CloudTalk

NOT_FOUND = Answer(404, {"responseData": {"status": 404, "message": "Not found."}})


async def test_a_rename_is_followed_by_a_search_for_the_number() -> None:
    async with before(CloudTalk) as (client, vendor):
        vendor.fill(12)  # ids that begin with the same digit
        place = f"{LIST}/{await client.sid(vendor.numbers[0])}"
        vendor.received.clear()
        renamed = await client.read("POST", place, "FriendlyName=Front+Desk")
        assert renamed.findtext("FriendlyName") == "Front Desk"
        assert vendor.received == ["POST /api/numbers/edit/1.json", "GET /api/numbers/index.json?id=1"]


@pytest.mark.parametrize("behind", [None, NOT_FOUND], ids=["empty", "404"])
@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000])
async def test_a_list_ends_at_its_total(behind: Answer | None, count: int) -> None:
    class Bounded(CloudTalk):
        behind_the_end = behind

    async with before(Bounded) as (client, vendor):
        vendor.fill(count)
        for page in (0, 1, 2, 7):
            said, items = await client.look(page=page, num=1000)
            assert said == attributes(count, page, 1000)
            assert len(items) == max(0, min(1000, count - page * 1000))


async def test_a_number_is_text_or_an_integer() -> None:
    async with before(CloudTalk) as (client, vendor):
        numbers = [14158675309, "14158675310", "+14158675311"]
        data = [{"CallNumber": {"id": key, "caller_id_e164": it}} for key, it in enumerate(numbers, 7)]
        vendor.instead.append(Answer(200, {"responseData": {"itemsCount": 3, "data": data}}))
        _, items = await client.look()
        assert [item["PhoneNumber"] for item in items] == ["4158675309", "4158675310", "4158675311"]
        assert items[0]["FriendlyName"] == "(415) 867-5309"


async def test_invalid_input_is_the_callers_mistake() -> None:
    async with before(CloudTalk) as (client, vendor):
        place = f"{LIST}/{await client.sid(vendor.keep('+14158675309'))}"
        vendor.instead.append(vendor.refusal("", "Invalid input data."))
        told = error(await client.ask("POST", place, "FriendlyName=x"))
        assert told == {"Status": "400", "Message": "Invalid input data."}


async def test_a_number_that_is_gone_cannot_be_renamed() -> None:
    async with before(CloudTalk) as (client, vendor):
        place = f"{LIST}/{await client.sid(vendor.keep('+14158675309'))}"
        vendor.numbers.clear()
        assert (await client.ask("POST", place, "FriendlyName=x")).status == 404
