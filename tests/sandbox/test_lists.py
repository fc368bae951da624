"""Lists of caller IDs: pages, filters, and cursors that survive changes between pages."""

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from proxy.sandbox import Store
from proxy.sandbox.model import CallerId
from sandbox.client import (
    ACCOUNT,
    BOB,
    COMPANY,
    EMPTY_ACCOUNT,
    OTHER_ACCOUNT,
    Client,
    instance_path,
    list_path,
    names,
)


async def test_a_new_sandbox_lists_the_documented_examples(client: Client) -> None:
    answer = await client.get(list_path())
    assert answer.status == 200
    assert answer.body == {
        "outgoing_caller_ids": [
            {
                "sid": "PNe536dfda7c6184afab78d980cb8cdf43",
                "account_sid": "AC309475e5fede1b49e100272a8640f438",
                "friendly_name": "Bob Cell Phone",
                "phone_number": "+14158675309",
                "date_created": "Tue, 01 Apr 2008 18:26:32 +0000",
                "date_updated": "Tue, 01 Apr 2008 18:26:32 +0000",
                "uri": instance_path("PNe536dfda7c6184afab78d980cb8cdf43"),
            },
            {
                "sid": "PNe536dfda7c6DDd455fed980cb83345FF",
                "account_sid": "AC309475e5fede1b49e100272a8640f438",
                "friendly_name": "Company Main Line",
                "phone_number": "+14158675310",
                "date_created": "Tue, 01 Apr 2008 18:26:32 +0000",
                "date_updated": "Tue, 01 Apr 2008 18:26:32 +0000",
                "uri": instance_path("PNe536dfda7c6DDd455fed980cb83345FF"),
            },
        ],
        "page": 0,
        "page_size": 50,
        "start": 0,
        "end": 1,
        "uri": f"{list_path()}?PageSize=50&Page=0",
        "first_page_uri": f"{list_path()}?PageSize=50&Page=0",
        "previous_page_uri": None,
        "next_page_uri": None,
    }


async def test_an_empty_account_has_one_empty_page(client: Client) -> None:
    client.login(EMPTY_ACCOUNT, "empty-token")
    page = (await client.get(list_path(EMPTY_ACCOUNT))).body
    assert page["outgoing_caller_ids"] == []
    assert (page["start"], page["end"]) == (0, 0)
    assert page["previous_page_uri"] is page["next_page_uri"] is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("PhoneNumber=%2B14158675309", [BOB]),
        ("PhoneNumber=%2B1%20(415)%20867-5310", [COMPANY]),
        ("PhoneNumber=4158675309", []),
        ("PhoneNumber=%2B1415867530", []),
        ("PhoneNumber=nonsense", []),
        ("PhoneNumber=", [BOB, COMPANY]),
        ("FriendlyName=Company%20Main%20Line", [COMPANY]),
        ("FriendlyName=Company+Main+Line", [COMPANY]),
        ("FriendlyName=company%20main%20line", []),
        ("FriendlyName=Company", []),
        ("FriendlyName=%00", []),
        ("FriendlyName=Bob%20Cell%20Phone&PhoneNumber=%2B14158675309", [BOB]),
        ("FriendlyName=Bob%20Cell%20Phone&PhoneNumber=%2B14158675310", []),
        ("FriendlyName=nobody&FriendlyName=Bob%20Cell%20Phone", [BOB]),
        ("friendlyname=nobody&Unknown=1", [BOB, COMPANY]),
    ],
)
async def test_filters_match_exactly(client: Client, query: str, expected: list[CallerId]) -> None:
    answer = await client.get(f"{list_path()}?{query}")
    assert names(answer.body) == [item.friendly_name for item in expected]


@pytest.mark.parametrize(
    ("asked", "size"), [("1", 1), ("50", 50), ("007", 7), ("1000", 1000), ("1001", 1000), ("9" * 100, 1000)]
)
async def test_page_sizes(client: Client, store: Store, asked: str, size: int) -> None:
    store.seed_many(ACCOUNT, 1001)
    page = (await client.get(f"{list_path()}?PageSize={asked}")).body
    assert page["page_size"] == len(page["outgoing_caller_ids"]) == size
    assert page["end"] == size - 1


@pytest.mark.parametrize("asked", ["", "0", "-1", "x", "1.5", "%2B5", "%D9%A3", "9" * 5000])
async def test_invalid_page_sizes_are_refused(client: Client, asked: str) -> None:
    assert (await client.get(f"{list_path()}?PageSize={asked}")).error == (400, 20400)


async def test_next_page_uris_lead_on_in_the_order_of_insertion(client: Client, store: Store) -> None:
    store.seed_many(ACCOUNT, 123)
    pages = [page async for page in client.follow(list_path())]
    assert [len(page["outgoing_caller_ids"]) for page in pages] == [50, 50, 25]
    assert [(page["page"], page["start"], page["end"]) for page in pages] == [
        (0, 0, 49),
        (1, 50, 99),
        (2, 100, 124),
    ]
    assert [name for page in pages for name in names(page)] == [
        BOB.friendly_name,
        COMPANY.friendly_name,
        *(f"Line {n}" for n in range(3, 126)),
    ]
    assert [page["uri"] for page in pages[1:]] == [page["next_page_uri"] for page in pages[:-1]]


async def test_previous_page_uris_lead_back(client: Client, store: Store) -> None:
    store.seed_many(ACCOUNT, 10)
    there = [page async for page in client.follow(f"{list_path()}?PageSize=5")]
    back = [page async for page in client.follow(there[-1]["previous_page_uri"], "previous_page_uri")]
    assert [(page["page"], names(page)) for page in back] == [
        (page["page"], names(page)) for page in there[-2::-1]
    ]


async def test_the_last_page_may_be_full(client: Client, store: Store) -> None:
    store.seed_many(ACCOUNT, 8)
    pages = [page async for page in client.follow(f"{list_path()}?PageSize=5")]
    assert [len(page["outgoing_caller_ids"]) for page in pages] == [5, 5]


async def test_page_uris_carry_filters_and_size(client: Client, store: Store) -> None:
    name = "Café & Söhne+1"
    store.add_caller_ids(
        CallerId(f"PN{n:032x}", ACCOUNT, name, f"+4930100000{n}", 1_200_000_000, 1_200_000_000)
        for n in range(5)
    )
    pages = [page async for page in client.follow(f"{list_path()}?FriendlyName={quote(name)}&PageSize=2")]
    assert [names(page) for page in pages] == [[name, name], [name, name], [name]]
    for uri in (pages[1]["uri"], pages[1]["first_page_uri"], pages[0]["next_page_uri"]):
        query = parse_qs(urlsplit(uri).query)
        assert query["FriendlyName"] == [name]
        assert query["PageSize"] == ["2"]


async def test_deletions_and_insertions_between_pages_neither_skip_nor_repeat(
    client: Client, store: Store
) -> None:
    store.seed_many(ACCOUNT, 18)
    seen = []
    async for page in client.follow(f"{list_path()}?PageSize=5"):
        seen += names(page)
        for item in page["outgoing_caller_ids"]:
            store.delete(ACCOUNT, item["sid"])
        if page["page"] == 1:
            store.seed_many(ACCOUNT, 2)
    assert seen == [BOB.friendly_name, COMPANY.friendly_name, *(f"Line {n}" for n in range(3, 23))]


async def test_a_row_added_after_deleting_the_newest_is_listed(client: Client, store: Store) -> None:
    store.seed_many(ACCOUNT, 4)
    page = (await client.get(f"{list_path()}?PageSize=5")).body
    newest = (await client.get(page["next_page_uri"])).body["outgoing_caller_ids"][-1]
    store.delete(ACCOUNT, newest["sid"])
    store.delete(ACCOUNT, page["outgoing_caller_ids"][-1]["sid"])
    store.seed_many(ACCOUNT, 1)
    assert names((await client.get(page["next_page_uri"])).body) == ["Line 7"]


async def test_a_page_that_became_empty_leads_on_and_back(client: Client, store: Store) -> None:
    store.seed_many(ACCOUNT, 1)
    first = (await client.get(f"{list_path()}?PageSize=2")).body
    last = (await client.get(first["next_page_uri"])).body

    for item in first["outgoing_caller_ids"]:
        store.delete(ACCOUNT, item["sid"])
    empty = (await client.get(last["previous_page_uri"])).body
    assert (names(empty), empty["previous_page_uri"], empty["start"], empty["end"]) == ([], None, 0, 0)
    assert names((await client.get(empty["next_page_uri"])).body) == ["Line 3"]

    store.seed_many(ACCOUNT, 1)
    on = (await client.get(f"{list_path()}?PageSize=1")).body
    store.delete(ACCOUNT, (await client.get(on["next_page_uri"])).body["outgoing_caller_ids"][0]["sid"])
    empty = (await client.get(on["next_page_uri"])).body
    assert (names(empty), empty["next_page_uri"], empty["start"], empty["end"]) == ([], None, 1, 1)
    assert names((await client.get(empty["previous_page_uri"])).body) == ["Line 3"]


@pytest.mark.parametrize("page", ["1", "3", "999999999999999999"])
async def test_a_page_number_without_its_token_is_refused(client: Client, store: Store, page: str) -> None:
    store.seed_many(ACCOUNT, 500)
    assert (await client.get(f"{list_path()}?Page={page}")).error == (400, 20400)
    assert (await client.get(f"{list_path()}?Page={page}&PageToken=")).error == (400, 20400)


@pytest.mark.parametrize("page", ["", "-1", "x", "1.0", "%D9%A3", "9" * 5000])
async def test_invalid_page_numbers_are_refused(client: Client, page: str) -> None:
    assert (await client.get(f"{list_path()}?Page={page}")).error == (400, 20400)


async def test_page_0_needs_no_token(client: Client) -> None:
    assert len((await client.get(f"{list_path()}?Page=0")).body["outgoing_caller_ids"]) == 2


async def token_of(client: Client, account_sid: str = ACCOUNT) -> str:
    uri: str = (await client.get(f"{list_path(account_sid)}?PageSize=1")).body["next_page_uri"]
    return parse_qs(urlsplit(uri).query)["PageToken"][0]


async def test_only_the_sandbox_makes_page_tokens(client: Client, store: Store) -> None:
    token = await token_of(client)
    forged = [
        "x",
        "PA",
        token[:-1],
        token.upper(),
        f"{token}0",
        token.replace("PA", "PB"),
        token.replace("0000000000000001", "0000000000000002"),
        f"PA{2:016x}{0:016x}",
        "%00",
        "9" * 5000,
    ]
    client.login(OTHER_ACCOUNT, "other-token")
    store.seed_many(OTHER_ACCOUNT, 2)
    forged.append(await token_of(client, OTHER_ACCOUNT))
    client.login(ACCOUNT, "demo-token")
    for other in forged:
        assert (await client.get(f"{list_path()}?Page=1&PageToken={other}")).error == (400, 21481), other
    assert (await client.get(f"{list_path()}?Page=1&PageToken={token}")).status == 200


async def test_accounts_do_not_see_each_others_numbers(client: Client, store: Store) -> None:
    store.seed_many(OTHER_ACCOUNT, 3)
    assert names((await client.get(list_path())).body) == [BOB.friendly_name, COMPANY.friendly_name]
    client.login(OTHER_ACCOUNT, "other-token")
    assert len(names((await client.get(list_path(OTHER_ACCOUNT))).body)) == 3
