"""What Zoom Phone alone does: tokens by account, ids of 22 characters, code 300 for what is gone."""

import re

import pytest
from support.seed import LIST

from vendors.contract import before, error
from vendors.machinery import Answer
from vendors.models.zoom_phone import ZoomPhone

SCOPE = {"code": 4711, "message": "Invalid access token, does not contain scopes:[phone:read:admin]."}


async def test_one_token_serves_every_request() -> None:
    async with before(ZoomPhone) as (client, vendor):
        vendor.fill(301)
        assert (await client.look())[0]["total"] == "301"
        assert vendor.token_requests == ["POST /oauth/token"]
        path = "GET /v2/phone/outbound_caller_id/customized_numbers?selected=true&page_size=300"
        assert vendor.received == [path, f"{path}&next_page_token=after-300"]


async def test_a_token_that_ends_early_is_renewed_once() -> None:
    async with before(ZoomPhone) as (client, vendor):
        assert isinstance(vendor, ZoomPhone)
        vendor.fill(2)
        await client.look()
        vendor.tokens.clear()
        vendor.received.clear()
        assert (await client.look())[0]["total"] == "2"
        assert len(vendor.token_requests) == 2
        assert len(vendor.received) == 2


async def test_a_sid_is_the_bytes_of_an_id() -> None:
    async with before(ZoomPhone) as (client, vendor):
        sid = await client.sid(vendor.keep("+14158675309"))
        assert sid == f"PN{1 << 64:032x}"
        vendor.received.clear()
        assert (await client.ask("DELETE", f"{LIST}/{sid}")).status == 204
        (request,) = vendor.received
        assert re.fullmatch(r"DELETE \S+/customized_numbers\?customize_ids=[A-Za-z0-9_-]{22}", request)


@pytest.mark.parametrize(
    ("method", "status"),
    [("DELETE", 404), ("GET", 400)],  # GET asks for the list, where the code is no sign of an absent number
)
async def test_code_300_of_a_deletion_means_gone(method: str, status: int) -> None:
    async with before(ZoomPhone) as (client, vendor):
        sid = await client.sid(vendor.keep("+14158675309"))
        vendor.instead.append(Answer(400, {"code": 300, "message": "Validation Failed."}))
        assert (await client.ask(method, f"{LIST}/{sid}")).status == status


async def test_a_missing_scope_is_not_the_callers_mistake() -> None:
    async with before(ZoomPhone) as (client, vendor):
        vendor.instead.append(Answer(400, SCOPE))
        told = error(await client.ask("GET", LIST))
        assert (told["Status"], told["Code"]) == ("502", "20502")
        assert len(vendor.token_requests) == 1
