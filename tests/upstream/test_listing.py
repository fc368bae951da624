"""A listing with the digests of the previous one has the same result as one without, whatever has changed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.twilio import PROFILE

from proxy.errors import LegacyError
from proxy.model import Account, CallerId, Credentials, Fetch, List
from proxy.profile.calls import Call, Reply
from proxy.upstream.api import Upstream
from proxy.upstream.listing import ListingResult, PageDigests

SID = "AC" + "0" * 32
ACCOUNT = Account(SID, SID, Credentials("name", "token"))
OTHER_TOKEN = Account(SID, SID, Credentials("name", "another"))
EVERYTHING = List(SID, 0, 50)
PATH = f"/2010-04-01/Accounts/{SID}/OutgoingCallerIds.json"

Page = tuple[Sequence[int], int]
"""The numbers of its items, and its status."""


@dataclass
class Pages:
    """An upstream that has these pages, each of which leads to the next one."""

    pages: Sequence[Page]
    calls: list[Call] = field(default_factory=list)

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        number = int(call.url.rpartition("Page=")[2]) if "&Page=" in call.url else 0
        items, status = self.pages[number]
        is_last = number + 1 == len(self.pages)
        page = {
            "outgoing_caller_ids": [item(each) for each in items],
            "next_page_uri": None if is_last else f"{PATH}?PageSize=1000&Page={number + 1}",
        }
        return Reply(status, json.dumps(page).encode())


def item(number: int) -> dict[str, Any]:
    if number == BROKEN:
        return {"sid": None}
    return {"sid": f"PN{number % 7:032x}", "friendly_name": str(number), "phone_number": f"+1415{number:07}"}


BROKEN = 13
PAGES = st.lists(
    st.tuples(st.lists(st.integers(0, 20), max_size=3), st.sampled_from([200, 200, 200, 404, 500])),
    min_size=1,
    max_size=4,
)


async def listed(
    pages: Sequence[Page], previous: PageDigests = (), account: Account = ACCOUNT
) -> ListingResult | str:
    upstream = Upstream(PROFILE, Pages(pages))
    try:
        return await upstream.list_all(EVERYTHING, account, previous)
    except LegacyError as error:
        return str(error)


def rows(found: ListingResult | str) -> list[CallerId] | str | None:
    if isinstance(found, str):
        return found
    return None if found.caller_ids is None else list(found.caller_ids)


@given(PAGES, PAGES, st.integers(0, 3))
async def test_previous_digests_do_not_change_the_result(
    before: list[Page], after: list[Page], same: int
) -> None:
    after = before[:same] + after[same:] or before
    last = await listed(before)
    if isinstance(last, str):
        return
    again = await listed(after, last.digests, OTHER_TOKEN)
    fresh = await listed(after)
    if isinstance(again, ListingResult) and again.caller_ids is None:
        assert rows(fresh) == rows(last)
    else:
        assert rows(again) == rows(fresh)


async def test_unchanged_pages_are_not_read_and_are_asked_for_with_the_new_credentials() -> None:
    pages = [([1, 2], 200), ([3], 200), ([], 200)]
    last = await listed(pages)
    assert isinstance(last, ListingResult)
    asked = Pages(pages)
    again = await Upstream(PROFILE, asked).list_all(EVERYTHING, OTHER_TOKEN, last.digests)
    assert again == (None, last.digests)
    assert len(asked.calls) == 3
    tokens = {call.headers["Authorization"] for call in asked.calls}
    others = Pages(pages)
    await Upstream(PROFILE, others).list_all(EVERYTHING, OTHER_TOKEN)
    assert tokens == {call.headers["Authorization"] for call in others.calls}
    assert [call.url for call in asked.calls] == [call.url for call in others.calls]


async def test_an_unchanged_instance_is_not_read() -> None:
    async def fetched(number: int, status: int, previous: PageDigests = ()) -> ListingResult | str:
        class One:
            async def send(self, _: Call) -> Reply:
                return Reply(status, json.dumps(item(number)).encode())

        try:
            return await Upstream(PROFILE, One()).fetch(Fetch(SID, f"PN{number:032x}"), ACCOUNT, previous)
        except LegacyError as error:
            return str(error)

    last = await fetched(1, 200)
    assert isinstance(last, ListingResult)
    assert rows(await fetched(1, 200, last.digests)) is None
    assert rows(await fetched(2, 200, last.digests)) == rows(await fetched(2, 200))
    assert await fetched(1, 404, last.digests) == await fetched(1, 404)
