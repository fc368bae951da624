"""Telnyx's profile, with prism and an OpenAPI file written from Telnyx's documentation as the upstream."""

from support.prism import SPECS, needs_prism
from support.seed import LIST
from support.wire import Message, ask

from vendors.client import texts
from vendors.machinery import CODE
from vendors.with_prism import with_prism

pytestmark = needs_prism

DESCRIPTION = SPECS / "telnyx_verified_numbers.reconstructed.yaml"


async def test_no_operation_breaks_the_description() -> None:
    async with with_prism(DESCRIPTION, "telnyx", "") as (client, upstream):
        said, items = await client.look()
        assert said["total"] == "2"
        assert [(item["PhoneNumber"], item["DateCreated"]) for item in items] == [
            ("3123958493", "Thu, 02 Feb 2023 14:25:27 -0800"),
            ("5551234567", "Mon, 14 Sep 2020 10:03:32 -0700"),
        ]
        assert (await client.look(page=1, num=1))[0]["total"] == "2"
        assert (await client.look(FriendlyName="(555) 123-4567"))[0]["total"] == "1"
        assert (await client.look(PhoneNumber="5551234567"))[0]["total"] == "1"
        place = f"{LIST}/{items[1]['Sid']}"
        assert (await client.read("GET", place)).findtext("PhoneNumber") == "5551234567"
        assert (await client.ask("PUT", place, "FriendlyName=x")).status == 501
        assert (await client.ask("DELETE", place)).status == 204
        told = texts(await client.read("POST", LIST, "PhoneNumber=4158675309"))
        assert (told["PhoneNumber"], told["ValidationCode"]) == ("4158675309", None)
        assert await client.bring("4158675309", CODE) == 200

        # and prism does refuse invalid requests, though it ignores parameters with brackets in their names
        headers = (("Host", "x"), ("Authorization", "Bearer key"), ("Content-Type", "application/json"))
        bad = Message("POST /verified_numbers HTTP/1.1", headers, b'{"phone_number": "+14158675309"}')
        assert (await ask(upstream.port, bad.encode())).status == 422
    assert upstream.count("did not pass the validation rules") == 1
