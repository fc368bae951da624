"""What RingCentral alone does: tokens by a JWT of the console, features of numbers, no writes."""

import pytest
from support.seed import LIST

from vendors.contract import before, error, without_sids
from vendors.machinery import Answer
from vendors.models.ringcentral import RingCentral

PATH = "GET /restapi/v1.0/account/~/extension/~/phone-number?perPage=1000"


async def test_a_token_that_is_revoked_is_renewed_by_the_same_jwt() -> None:
    async with before(RingCentral) as (client, vendor):
        assert isinstance(vendor, RingCentral)
        vendor.fill(3)
        assert (await client.look())[0]["total"] == "3"
        vendor.tokens.clear()
        assert (await client.look())[0]["total"] == "3"
        assert vendor.token_requests == ["POST /restapi/oauth/token"] * 2
        assert vendor.received == [f"{PATH}&page=1"] * 3


async def test_a_number_without_the_feature_is_no_caller_id() -> None:
    async with before(RingCentral) as (client, vendor):
        place = f"{LIST}/{await client.sid(vendor.keep('+14158675309'))}"
        vendor.numbers[0].verified = False
        assert (await client.look())[0]["total"] == "0"
        assert (await client.ask("GET", place)).status == 404


async def test_the_total_of_all_numbers_saves_a_request() -> None:
    async with before(RingCentral) as (client, vendor):
        vendor.fill(30)
        assert (await client.look())[0]["total"] == "30"
        assert vendor.received == [f"{PATH}&page=1"]


async def test_numbers_may_lack_labels_and_features() -> None:
    async with before(RingCentral) as (client, vendor):
        records = [
            {"id": 1, "phoneNumber": "+14158675309", "features": ["CallerId"], "label": None},
            {"id": 2, "phoneNumber": "+14158675310"},
            {"id": 3, "phoneNumber": "+14158675311", "features": None},
        ]
        vendor.instead.append(Answer(200, {"records": records, "paging": {"totalElements": 3}}))
        (item,) = without_sids((await client.look())[1])
        assert item["FriendlyName"] == "(415) 867-5309"


@pytest.mark.parametrize(
    ("status", "code", "shown"), [(403, "CMN-401", 502), (404, "CMN-102", 404), (400, "CMN-101", 400)]
)
async def test_errors(status: int, code: str, shown: int) -> None:
    async with before(RingCentral) as (client, vendor):
        vendor.instead.append(Answer(status, {"errorCode": code, "message": "Not today"}))
        told = error(await client.ask("GET", LIST))
        assert told["Status"] == str(shown)
        assert (told["Message"] == "Not today") == (shown == 400)
