"""What only DialMyCalls does: pages by a Range header, ten digits, names that are required."""

import pytest
from support.seed import LIST

from vendors.contract import before, error
from vendors.machinery import Answer
from vendors.models.dialmycalls import DialMyCalls

NOTHING = {"results": {"error": {"code": "not_found", "message": "Resource not found."}}}


async def test_a_range_has_a_hundred_records() -> None:
    async with before(DialMyCalls) as (client, vendor):
        assert isinstance(vendor, DialMyCalls)
        vendor.fill(120)  # and 40 that are not approved
        assert (await client.look())[0]["total"] == "120"
        assert vendor.ranges == ["records=1-100", "records=101-200"]


@pytest.mark.parametrize("behind", [None, Answer(404, NOTHING), Answer(416)], ids=["empty", "404", "416"])
@pytest.mark.parametrize("approved", [0, 1, 74, 75, 76, 150])  # of 0, 2, 99, 100, 102 and 200
async def test_a_list_ends_without_a_total(behind: Answer | None, approved: int) -> None:
    class Silent(DialMyCalls):
        tells_total = False
        behind_the_end = behind

    async with before(Silent) as (client, vendor):
        vendor.fill(approved)
        said, items = await client.look(num=1000)
        assert (said["total"], len(items)) == (str(approved), approved)


async def test_a_number_outside_of_north_america_is_not_called() -> None:
    async with before(DialMyCalls, "code_on_phone") as (client, vendor):
        told = error(await client.ask("POST", LIST, "PhoneNumber=%2B442079460958&FriendlyName=London"))
        assert told["Status"] == "400"
        assert vendor.received == []


async def test_a_number_that_waits_for_its_pin_is_not_found() -> None:
    async with before(DialMyCalls) as (client, vendor):
        number = vendor.keep("+14158675309", "Bob")
        place = f"{LIST}/{await client.sid(number)}"
        number.verified = False
        assert (await client.ask("GET", place)).status == 404


async def test_payment_that_is_due_is_not_the_callers_mistake() -> None:
    async with before(DialMyCalls) as (client, vendor):
        vendor.instead.append(Answer(402))
        assert (await client.ask("GET", LIST)).status == 503
