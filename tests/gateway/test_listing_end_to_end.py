"""Pages of long lists over real sockets: client, proxy and sandbox.

The sandbox sends no totals, like Twilio, so the proxy counts every upstream page. legacy/test_paging.py
tests more totals and page sizes, without sockets; the conversations s2-* test each parameter.
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
A_DAY = 1_300_000_000  # in March 2011, an arbitrary date


class CountingStore(Store):
    """A store that counts requests for pages."""

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
    """A list document as a legacy client reads it."""

    attributes: dict[str, int]
    items: list[tuple[str | None, ...]]

    @property
    def sids(self) -> list[str | None]:
        return [item[0] for item in self.items]


class Browser:
    """A legacy client that reads lists."""

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


@pytest.mark.parametrize("total", TOTALS)
async def test_pages_of_a_list(store: CountingStore, total: int) -> None:
    """Compare the first page, one in the middle, the last one and two past the end."""
    store.seed_many(ACCOUNT, total)
    whole = store.whole_list()
    assert len(whole) == total
    async with browsing(store) as browser:
        for size in (7, 50, 1000):
            last = max((total - 1) // size, 0)
            for page in sorted({0, last // 2, last, last + 1, last + 10}):
                store.pages = 0
                assert await browser.look(page=page, num=size) == expected(whole, page, size)
                assert store.pages == max(-(-total // 1000), 1)  # upstream requests


@pytest.mark.parametrize(("total", "size"), [(51, 7), (1001, 100), (2500, 999)])
async def test_all_pages_together_are_the_list(store: CountingStore, total: int, size: int) -> None:
    """Read page by page until `numpages`, as clients of the time did."""
    store.seed_many(ACCOUNT, total)
    sids: list[str | None] = []
    async with browsing(store) as browser:
        page, pages = 0, 1
        while page < pages:
            shown = await browser.look(page=page, num=size)
            sids += shown.sids
            page, pages = page + 1, shown.attributes["numpages"]
    assert sids == [caller_id.sid for caller_id in store.whole_list()]


# Filters


def named(number: int, name: str) -> CallerId:
    return CallerId(f"PN{number:032x}", ACCOUNT, name, f"+1415{number:07}", A_DAY, A_DAY)


@pytest.mark.parametrize(("alike", "others"), [(0, 60), (1, 60), (51, 49), (1001, 1), (1200, 1300)])
async def test_totals_describe_the_filtered_list(store: CountingStore, alike: int, others: int) -> None:
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


# Numbers that are left out


async def test_skipped_numbers_do_not_count(store: CountingStore) -> None:
    kept = [named(1, "a"), named(2, "b"), named(3, "c")]
    skipped = [
        named(number, "x")._replace(phone_number=text)
        for number, text in ((8, "+442071838750"), (9, "+141586753096"))  # the latter is Twilio's example
    ]
    store.add_caller_ids([kept[0], skipped[0], kept[1], skipped[1], kept[2]])
    configuration = "numbers:\n  outside_nanp: skip\n"
    async with (
        running_sandbox(store) as url,
        running_proxy(url, configuration) as port,
        connect(port) as connection,
    ):
        shown = [await Browser(connection).look(num=2, page=page) for page in range(3)]
    assert shown == [expected(kept, page, 2) for page in range(3)]
