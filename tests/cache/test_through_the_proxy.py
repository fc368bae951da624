"""The cache over real sockets: the number of upstream calls, and invalidation by writes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest
from lxml import etree
from support.running import running_proxy, running_sandbox
from support.seed import basic
from support.wire import Message, ask

from proxy.sandbox import Store
from proxy.sandbox.model import CallerId, Cursor, Page, Wanted

ACCOUNT = "AC" + "7" * 32
TOKEN = "list-token"
LIST = f"/2008-08-01/Accounts/{ACCOUNT}/OutgoingCallerIds"
CACHED = "snapshots: {fresh: 3600}\n"


class CountingStore(Store):
    """A store that counts requests."""

    pages = 0
    instances = 0

    def page(self, wanted: Wanted, cursor: Cursor, size: int) -> Page:
        self.pages += 1
        return super().page(wanted, cursor, size)

    def fetch(self, account_sid: str, sid: str) -> CallerId:
        self.instances += 1
        return super().fetch(account_sid, sid)


@pytest.fixture
def store() -> Iterator[CountingStore]:
    with closing(CountingStore()) as store:
        store.add_account(ACCOUNT, TOKEN)
        yield store


@pytest.fixture
async def port(store: CountingStore) -> AsyncIterator[int]:
    async with running_sandbox(store) as url, running_proxy(url, CACHED) as port:
        yield port


async def request(port: int, method: str, target: str, token: str = TOKEN, **form: str) -> Message:
    headers = (
        ("Host", "x"),
        ("Authorization", basic(ACCOUNT, token)),
        ("Content-Type", "application/x-www-form-urlencoded"),
    )
    return await ask(port, Message(f"{method} {target} HTTP/1.1", headers, urlencode(form).encode()).encode())


async def look(port: int, **query: str | int) -> tuple[int, list[str]]:
    """Return the total of a list, and the names in it."""
    answer = await request(port, "GET", f"{LIST}?{urlencode(query)}")
    assert answer.status == 200
    listed = etree.fromstring(answer.body)[0]
    return int(listed.attrib["total"]), [str(each.findtext("FriendlyName")) for each in listed]


async def test_one_listing_serves_all_pages_filters_and_instances(store: CountingStore, port: int) -> None:
    store.seed_many(ACCOUNT, 10_000)
    seen = await asyncio.gather(*(look(port, page=page, num=50) for page in range(32)))
    assert {total for total, _ in seen} == {10_000}
    assert store.pages == 10
    assert await look(port, page=199) == (10_000, (await look(port, page=9, num=1000))[1][950:])
    number, sid = await one_of_the_list(port)
    assert (await look(port, PhoneNumber=number))[0] == 1
    assert (await request(port, "GET", f"{LIST}/{sid}.json")).status == 200
    assert (store.pages, store.instances) == (10, 0)


async def one_of_the_list(port: int) -> tuple[str, str]:
    item = etree.fromstring((await request(port, "GET", f"{LIST}?page=77&num=1")).body)[0][0]
    return str(item.findtext("PhoneNumber")), str(item.findtext("Sid"))


async def test_an_instance_is_cached(store: CountingStore, port: int) -> None:
    store.seed_many(ACCOUNT, 3)
    sid = store.page(Wanted(ACCOUNT), Cursor(), 1).caller_ids[0].sid
    answers = [await request(port, "GET", f"{LIST}/{sid}") for _ in range(3)]
    assert (len({answer.body for answer in answers}), store.instances) == (1, 1)


async def test_a_missing_instance_is_not_cached(store: CountingStore, port: int) -> None:
    store.seed_many(ACCOUNT, 3)
    await look(port)
    for times in (1, 2):
        assert (await request(port, "GET", f"{LIST}/PN{'0' * 32}")).status == 404
        assert store.instances == times


async def test_each_write_shows_immediately(store: CountingStore, port: int) -> None:
    store.seed_many(ACCOUNT, 2)
    sid = await first_sid(port)
    await request(port, "PUT", f"{LIST}/{sid}", FriendlyName="Another")
    assert "Another" in (await look(port))[1]
    assert b"Another" in (await request(port, "GET", f"{LIST}/{sid}")).body
    assert (await request(port, "DELETE", f"{LIST}/{sid}")).status == 204
    assert (await request(port, "GET", f"{LIST}/{sid}")).status == 404
    assert (await look(port))[0] == 1


async def first_sid(port: int) -> str:
    return str(etree.fromstring((await request(port, "GET", LIST)).body)[0][0].findtext("Sid"))


async def test_a_wrong_token_gets_nothing_from_the_cache(store: CountingStore, port: int) -> None:
    store.seed_many(ACCOUNT, 2)
    sid = await first_sid(port)
    for target in (LIST, f"{LIST}/{sid}", f"{LIST}?FriendlyName=x"):
        assert (await request(port, "GET", target, token="wrong")).status == 401
