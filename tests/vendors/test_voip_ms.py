"""What only VoIP.ms does: status words, an empty list as a word, numbers of ten digits among others."""

import pytest
from support.seed import LIST

from vendors.contract import before, error
from vendors.machinery import Answer
from vendors.models.voip_ms import VoipMs

REQUEST = "GET /api/v1/rest.php?method=getDIDsInfo&api_username=SK1&api_password=key"


async def test_one_request_answers_the_list_and_its_numbers() -> None:
    async with before(VoipMs, fresh=3600) as (client, vendor):
        vendor.fill(1000)
        vendor.keep("+442079460958", "London")
        _, (item,) = await client.look(page=1, num=1000)
        fetched = await client.read("GET", f"{LIST}/{item['Sid']}")
        assert fetched.findtext("FriendlyName") == item["FriendlyName"] == "London"
        assert vendor.received == [REQUEST]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("no_did", 200),
        ("invalid_credentials", 502),
        ("api_not_enabled", 502),
        ("ip_not_enabled", 502),
        ("api_limit_exceeded", 429),
        ("unavailable_info", 503),
        ("invalid_client", 502),
    ],
)
async def test_words_in_the_place_of_status_codes(word: str, status: int) -> None:
    async with before(VoipMs) as (client, vendor):
        vendor.instead.append(Answer(200, {"status": word}))
        answer = await client.ask("GET", LIST)
        assert answer.status == status
        if status == 502:
            assert error(answer)["Code"] == "20502"


async def test_a_number_without_a_note_has_no_name() -> None:
    async with before(VoipMs) as (client, vendor):
        dids = [
            {"did": "4158675309", "note": "", "order_date": "0000-00-00 00:00:00"},
            {"did": 4158675310, "note": None},
        ]
        vendor.instead.append(Answer(200, {"status": "success", "dids": dids}))
        _, items = await client.look()
        assert [item["FriendlyName"] for item in items] == ["(415) 867-5309", "(415) 867-5310"]
        assert [item["DateCreated"] for item in items] == [None, None]
