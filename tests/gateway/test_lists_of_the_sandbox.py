"""Lists of every awkward length: the proxy before a sandbox, over real sockets, page by page.

The sandbox names its pages and counts nothing, as Twilio does, so each total is the end of a walk.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import pytest
from lxml import etree
from support.running import running_proxy, running_sandbox
from support.seed import basic
from support.wire import RawClient, connect

from proxy.sandbox import Store
from proxy.sandbox.model import CallerId, Cursor, Page, Wanted

ACCOUNT = "AC" + "7" * 32
TOKEN = "list-token"
LIST = f"/2008-08-01/Accounts/{ACCOUNT}/OutgoingCallerIds"
TOTALS = [0, 1, 49, 50, 51, 1000, 1001, 2500]
A_DAY = 1_300_000_000  # in March 2011; when does not matter


class CountingStore(Store):
    """A store that counts the pages it is asked for."""

    pages = 0

    def page(self, wanted: Wanted, cursor: Cursor, size: int) -> Page:
        self.pages += 1
        return super().page(wanted, cursor, size)

    def whole_list(self) -> list[CallerId]:
        return super().page(Wanted(ACCOUNT), Cursor(), 10**6).caller_ids


@pytest.fixture
def store() -> Iterator[CountingStore]:
    with closing(CountingStore()) as store:
        store.add_account(ACCOUNT, TOKEN)
        yield store


@dataclass(frozen=True, slots=True)
class Shown:
    """What an old client finds in a list document."""

    attributes: dict[str, int]
    items: list[tuple[str | None, ...]]

    @property
    def sids(self) -> list[str | None]:
        return [item[0] for item in self.items]


class Browser:
    """An old client that looks at lists."""

    def __init__(self, connection: RawClient) -> None:
        self._connection = connection

    async def look(self, **parameters: object) -> Shown:
        target = f"{LIST}?{urlencode(parameters, quote_via=quote)}"
        request = f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(ACCOUNT, TOKEN)}\r\n\r\n"
        answer = await self._connection.ask(request.encode())
        assert answer.status == 200
        listed = etree.fromstring(answer.body)[0]
        assert listed.tag == "OutgoingCallerIds"
        names = ["Sid", "AccountSid", "FriendlyName", "PhoneNumber"]
        return Shown(
            {str(name): int(value) for name, value in listed.items()},
            [tuple(item.findtext(name) for name in names) for item in listed],
        )


@asynccontextmanager
async def browsing(store: Store) -> AsyncIterator[Browser]:
    async with running_sandbox(store) as url, running_proxy(url) as port, connect(port) as connection:
        yield Browser(connection)


def as_shown(caller_id: CallerId) -> tuple[str | None, ...]:
    return (caller_id.sid, ACCOUNT, caller_id.friendly_name, caller_id.phone_number.removeprefix("+1"))


def expected(whole: list[CallerId], page: int, size: int) -> Shown:
    places = range(len(whole))[page * size : (page + 1) * size]
    attributes = {
        "page": page,
        "numpages": (len(whole) + size - 1) // size,
        "pagesize": size,
        "total": len(whole),
        "start": places[0] if places else 0,
        "end": places[-1] if places else 0,
    }
    return Shown(attributes, [as_shown(whole[place]) for place in places])


@pytest.mark.parametrize("size", [7, 50, 1000])
@pytest.mark.parametrize("total", TOTALS)
async def test_the_first_a_middle_the_last_and_a_page_past_the_end(
    store: CountingStore, total: int, size: int
) -> None:
    store.seed_many(ACCOUNT, total)
    whole = store.whole_list()
    assert len(whole) == total
    last = max((total - 1) // size, 0)
    async with browsing(store) as browser:
        for page in sorted({0, last // 2, last, last + 1, last + 10}):
            store.pages = 0
            assert await browser.look(page=page, num=size) == expected(whole, page, size)
            assert store.pages == max(-(-total // 1000), 1)  # no more upstream requests than the list is long


@pytest.mark.parametrize(
    ("total", "size"),
    [
        (0, 50),
        (1, 1),
        (49, 7),
        (50, 7),
        (51, 7),
        (50, 50),
        (51, 50),
        (1000, 100),
        (1001, 100),
        (2500, 250),
        (2500, 999),
    ],
)
async def test_all_pages_together_are_the_list(store: CountingStore, total: int, size: int) -> None:
    """Read them as the programs of the time did: as long as there are pages by `numpages`."""
    store.seed_many(ACCOUNT, total)
    sids: list[str | None] = []
    async with browsing(store) as browser:
        page, pages = 0, 1
        while page < pages:
            shown = await browser.look(page=page, num=size)
            sids += shown.sids
            page, pages = page + 1, shown.attributes["numpages"]
    assert sids == [caller_id.sid for caller_id in store.whole_list()]


async def test_fifty_by_default_and_a_thousand_at_most(store: CountingStore) -> None:
    store.seed_many(ACCOUNT, 1001)
    whole = store.whole_list()
    async with browsing(store) as browser:
        assert await browser.look() == expected(whole, 0, 50)
        assert await browser.look(num=5000, page=1) == expected(whole, 1, 1000)
        assert await browser.look(num=0) == expected(whole, 0, 50)
        assert await browser.look(Page=20, PageSize=50) == expected(whole, 20, 50)


# Filters


def named(number: int, name: str) -> CallerId:
    return CallerId(f"PN{number:032x}", ACCOUNT, name, f"+1415{number:07}", A_DAY, A_DAY)


@pytest.mark.parametrize(("alike", "others"), [(0, 60), (1, 60), (51, 49), (1001, 1), (1200, 1300)])
async def test_a_filter_by_name_counts_what_it_lets_through(
    store: CountingStore, alike: int, others: int
) -> None:
    names = ["Zoë & Co", "zoë & co"]
    store.add_caller_ids(
        named(number, names[0] if number % 2 == 0 and number // 2 < alike else names[1])
        for number in range(2 * max(alike, others))
    )
    whole = [it for it in store.whole_list() if it.friendly_name == names[0]]
    assert len(whole) == alike
    async with browsing(store) as browser:
        for page in (0, max(alike - 1, 0) // 50, alike // 50 + 1):
            store.pages = 0
            shown = await browser.look(page=page, num=50, FriendlyName=names[0])
            assert shown == expected(whole, page, 50)
            assert store.pages == max(-(-alike // 1000), 1)
        for name in ("Zoë", "Zoë & Co ", "ZOË & CO", "Zoe & Co", "%"):
            assert (await browser.look(FriendlyName=name)).attributes["total"] == 0


async def test_a_filter_by_number_finds_one(store: CountingStore) -> None:
    store.seed_many(ACCOUNT, 120)
    whole = store.whole_list()
    one = whole[77]
    digits = one.phone_number.removeprefix("+1")
    async with browsing(store) as browser:
        for spelling in (
            digits,
            f"({digits[:3]}) {digits[3:6]}-{digits[6:]}",
            f"1-{digits[:3]}-{digits[3:6]}-{digits[6:]}",
            f"+1{digits}",
        ):
            assert await browser.look(PhoneNumber=spelling) == expected([one], 0, 50)
        assert await browser.look(PhoneNumber=digits, page=1) == expected([one], 1, 50)
        assert await browser.look(PhoneNumber="4150000000") == expected([], 0, 50)


async def test_both_filters_mean_both(store: CountingStore) -> None:
    bob, ann = named(1, "Bob"), named(2, "Ann")
    store.add_caller_ids([bob, ann])
    async with browsing(store) as browser:
        for caller_id in (bob, ann):
            number = caller_id.phone_number.removeprefix("+1")
            assert await browser.look(PhoneNumber=number, FriendlyName="Bob") == expected(
                [caller_id] if caller_id is bob else [], 0, 50
            )


async def test_a_filter_by_no_number_asks_nobody(store: CountingStore) -> None:
    store.seed_many(ACCOUNT, 3)
    async with browsing(store) as browser:
        assert await browser.look(PhoneNumber="Bob", num=7, page=2) == expected([], 2, 7)
    assert store.pages == 0


# Numbers from elsewhere


@pytest.mark.parametrize(
    ("policy", "numbers"),
    [
        ("digits", ["4150000001", "442071838750", "4150000002", "141586753096", "4150000003"]),
        ("e164", ["4150000001", "+442071838750", "4150000002", "+141586753096", "4150000003"]),
        ("skip", ["4150000001", "4150000002", "4150000003"]),
    ],
)
async def test_totals_agree_with_what_becomes_of_foreign_numbers(
    store: CountingStore, policy: str, numbers: list[str]
) -> None:
    foreign = {2: "+442071838750", 4: "+141586753096"}  # between the others; the latter is Twilio's example
    store.add_caller_ids(
        caller_id._replace(phone_number=foreign.get(place, caller_id.phone_number), sid=f"PN{place:032x}")
        for place, caller_id in enumerate(
            [named(1, "a"), named(9, "b"), named(2, "c"), named(8, "d"), named(3, "e")], 1
        )
    )
    configuration = f"numbers:\n  outside_nanp: {policy}\n"
    async with (
        running_sandbox(store) as url,
        running_proxy(url, configuration) as port,
        connect(port) as connection,
    ):
        shown = [await Browser(connection).look(num=2, page=page) for page in range(4)]
    assert [item[3] for each in shown for item in each.items] == numbers
    assert {each.attributes["total"] for each in shown} == {len(numbers)}
    assert {each.attributes["numpages"] for each in shown} == {-(-len(numbers) // 2)}
