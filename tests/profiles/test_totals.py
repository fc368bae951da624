"""Totals and pages: every strategy of paging, total and filter against a model of ten lines."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from support.seed import ACCOUNT, LIST, basic

from proxy.cache import CachePolicy, ListCache, SharedMemoryStore
from proxy.gateway.accounts import PassThrough
from proxy.gateway.translator import Translator
from proxy.legacy import RenderedList, Request, Style
from proxy.legacy.formats import OutsideNanp
from proxy.model import Account, Credentials, List
from proxy.profile import language
from proxy.profile.calls import Call, Reply
from proxy.profile.profile import Profile
from proxy.profile.rules import find_violations
from proxy.upstream.api import Upstream

PAGINGS: Mapping[str, Mapping[str, Any]] = {
    "none": {"strategy": "none"},
    "page_number_0": {"strategy": "page_number", "parameter": "p", "base": 0},
    "page_number_1": {"strategy": "page_number", "parameter": "p", "base": 1},
    "offset": {"strategy": "offset", "parameter": "o"},
    "next_url": {"strategy": "next_url", "next": "/next"},
    "cursor": {"strategy": "cursor", "next": "/next", "parameter": "after"},
    "range_header": {"strategy": "range_header", "unit": "items"},
    "link_header": {"strategy": "link_header"},
}
WALK, POINTER, LENGTH = {"strategy": "walk"}, {"strategy": "pointer", "at": "/total"}, {"strategy": "length"}


class Item(NamedTuple):
    """What the upstream holds; the number is the identity."""

    number: str
    name: str = "A"
    live: bool = True


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the table of everything that a profile may combine."""

    paging: str
    total: Mapping[str, str]
    filter: str
    hides: bool

    @property
    def is_legal(self) -> bool:
        return not list(find_violations(profile(self, 3)))


def profile(row: Row, size: int) -> language.ProfileSettings:
    by = {"mode": row.filter, "parameter": "number"} if row.filter.startswith("server") else {}
    by_name = {**by, "parameter": "name"} if by else {}
    return language.ProfileSettings.model_validate(
        {
            "name": "model",
            "checked_against": "this file",
            "base_url": "https://upstream.example",
            "ids": {"codec": "e164"},
            "validation": "unsupported",
            "operations": {
                "list": {
                    "path": "/numbers",
                    "success": [200, 206],
                    "items": "/items",
                    "page_size": {"parameter": "size", "max": size},
                    "paging": PAGINGS[row.paging],
                    "total": row.total,
                    "filters": {
                        "phone_number": by or {"mode": row.filter},
                        "friendly_name": by_name or {"mode": "client"},
                    },
                    "include_when": [{"at": "/live", "equals": True}] if row.hides else [],
                },
                "fetch": {"method": "GET", "path": "/numbers/{id}"},
                **{key: {"unsupported": "not here"} for key in ("rename", "delete", "validate")},
            },
            "caller_id": {"id": "/number", "phone_number": "/number", "friendly_name": "/name"},
        }
    )


ROWS = [
    row
    for paging in PAGINGS
    for total in (WALK, POINTER, LENGTH)
    for mode in ("server", "server_superset", "client", "lookup")
    for hides in (False, True)
    if (row := Row(paging, total, mode, hides)).is_legal
]


@dataclass
class Model:
    """An upstream: the pages of a list of items, by whichever strategy; stands where the client does."""

    row: Row
    items: Sequence[Item]
    off_by: int = 0
    """What it adds to its own total."""
    clamp: int = 1000
    """The largest page it gives, whatever it is asked for."""
    past_end: int = 200
    """How it answers for a page past its end."""
    states_total: bool = True
    repeats: bool = False
    """Whether it shows its last page again for one past its end."""
    calls: list[Call] = field(default_factory=list)

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        path, query = urlsplit(call.url).path, parse_qs(urlsplit(call.url).query)
        if found := re.fullmatch(r"/numbers/(?:%2B|\+)(\d+)", path):
            found_items = [item for item in self.items if item.number == f"+{found[1]}"]
            return reply(found_items[0]._asdict()) if found_items else Reply(404, b"{}")
        return self._page(call, {name: values[0] for name, values in query.items()})

    def _page(self, call: Call, query: Mapping[str, str]) -> Reply:
        items = [item for item in self.items if self._gives(item, query)]
        size, paging = min(int(query["size"]), self.clamp), PAGINGS[self.row.paging]
        if paging["strategy"] == "none":
            size = max(1, len(items))
        start = int(query.get("o") or query.get("after") or 0)
        if "p" in query:
            start = (int(query["p"]) - paging["base"]) * size
        if asked := call.headers.get("Range"):
            first, last = map(int, asked.removeprefix("items=").split("-"))
            start, size = first, min(size, last - first + 1)
        shown, total = items[start : start + size], max(0, len(items) + self.off_by)
        if not shown and start and self.repeats:
            start = (len(items) - 1) // size * size
            shown = items[start : start + size]
        elif not shown and start:
            assert start < 10**6
            if self.past_end != 200:
                return Reply(self.past_end, b"{}")
        stated = total if self.states_total else None
        page: dict[str, Any] = {"items": [item._asdict() for item in shown], "total": stated}
        length = "*" if stated is None else stated
        headers = {"content-range": f"items {start}-{start + len(shown) - 1}/{length}"} if asked else {}
        if start + size < len(items):
            following = {**query, "after": str(start + size)}
            url = f"/numbers?{urlencode(following)}"
            page["next"] = following["after"] if paging["strategy"] == "cursor" else url
            headers["link"] = f'<{url}>; rel="next"'
        return reply(page, headers)

    def _gives(self, item: Item, query: Mapping[str, str]) -> bool:
        sloppy = self.row.filter == "server_superset"
        return all(
            wanted is None or wanted == value or (sloppy and wanted[-1] == value[-1])
            for wanted, value in ((query.get("number"), item.number), (query.get("name"), item.name))
        )


def reply(document: Any, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(200, json.dumps(document).encode(), headers or {})


class Seen(NamedTuple):
    """A page as the legacy client reads it."""

    numbers: list[str]
    attributes: Mapping[str, int]


def translator(model: Model, size: int, outside: OutsideNanp) -> Translator:
    upstream = Upstream(compiled(model.row, size), model)
    return Translator(
        PassThrough(""),
        {"": upstream},
        Style(str, outside),
        ListCache(RenderedList, CachePolicy(0, 0, 0), SharedMemoryStore()),
    )


@cache
def compiled(row: Row, size: int) -> Profile:
    return Profile(profile(row, size))


async def read(translator: Translator, page: int, num: int, **filters: str) -> Seen:
    query = urlencode({"page": page, "num": num, **filters})
    answer = await translator.answer(Request("GET", f"{LIST}?{query}", (basic(ACCOUNT, "x"),)))
    assert answer.status == 200, answer.body
    found = etree.fromstring(answer.body)[0]
    attributes = {str(name): int(value) for name, value in found.attrib.items()}
    return Seen([str(each.findtext("PhoneNumber")) for each in found], attributes)


def expected(model: Model, outside: OutsideNanp, page: int, num: int, **filters: str) -> Seen:
    """Return what is right: unique by Sid, the first wins; filtered; cut."""
    unique: dict[str, Item] = {}
    for item in model.items:
        if item.live or not model.row.hides:
            unique.setdefault(item.number, item)
    kept = [item for item in unique.values() if outside == "digits" or item.number.startswith("+1")]
    kept = [item for item in kept if filters.get("PhoneNumber") in (None, item.number[2:])]
    kept = [item for item in kept if filters.get("FriendlyName") in (None, item.name)]
    numbers = [item.number[2 if item.number.startswith("+1") else 1 :] for item in kept]
    start, shown = page * num, numbers[page * num :][:num]
    counted = {"total": len(numbers), "numpages": -(-len(numbers) // num), "page": page, "pagesize": num}
    ends = {"start": start if shown else 0, "end": start + len(shown) - 1 if shown else 0}
    return Seen(shown, {**counted, **ends})


def number(index: int, *, abroad: bool = False) -> str:
    return f"+44207{index:07}" if abroad else f"+1415{index:07}"


@st.composite
def lists(draw: st.DrawFn, size: int, row: Row) -> Sequence[Item]:
    """Draw 0, 1, page-1, page, page+1 or several pages of items, some of them foreign or hidden."""
    count = draw(st.sampled_from([0, 1, size - 1, size, size + 1, 2 * size, 3 * size + 1]))
    kinds = st.tuples(st.sampled_from(["A", "B", "AA"]), st.booleans(), st.integers(0, 3))
    drawn = draw(st.lists(kinds, min_size=count, max_size=count))
    return [
        Item(number(index, abroad=kind == 0), name, live or not row.hides)
        for index, (name, live, kind) in enumerate(drawn)
    ]


FILTERS = st.sampled_from([{}, {}, {"PhoneNumber": number(1)[2:]}, {"FriendlyName": "A"}])


def agree(model: Model, size: int, outside: OutsideNanp, num: int, filters: Mapping[str, str]) -> None:
    """Read all legacy pages and the one past the end: each is right, and so they are the whole list."""
    asyncio.run(_agree(model, size, outside, num, filters))


async def _agree(model: Model, size: int, outside: OutsideNanp, num: int, filters: Mapping[str, str]) -> None:
    ours, (_, of_first) = translator(model, size, outside), expected(model, outside, 0, num, **filters)
    for page in range(of_first["numpages"] + 2):
        assert await read(ours, page, num, **filters) == expected(model, outside, page, num, **filters)


def agree_at_once(model: Model, size: int, filters: Mapping[str, str]) -> None:
    """Read the whole list as one page: then nothing about it is beyond knowing."""
    seen = asyncio.run(read(translator(model, size, "digits"), 0, 1000, **filters))
    assert seen == expected(model, "digits", 0, 1000, **filters)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.paging}-{row.total['strategy']}-{row.filter}")
@settings(max_examples=4)
@given(data=st.data())
def test_every_page_is_right(row: Row, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 5))
    model = Model(row, data.draw(lists(size, row)))
    outside: OutsideNanp = data.draw(st.sampled_from(["skip", "digits"]))
    agree(model, size, outside, data.draw(st.integers(1, 7)), data.draw(FILTERS))


def test_every_strategy_total_and_filter_is_among_the_rows() -> None:
    assert {row.paging for row in ROWS} == set(PAGINGS)
    assert {row.total["strategy"] for row in ROWS} == {"walk", "pointer", "length"}
    assert {row.filter for row in ROWS} == {"server", "server_superset", "client", "lookup"}


COUNTING = [
    row
    for row in ROWS
    if row.paging in ("page_number_0", "page_number_1", "offset", "range_header")
    and (row.total["strategy"], row.filter, row.hides) == ("pointer", "server", False)
]


def plain(count: int) -> list[Item]:
    return [Item(number(index)) for index in range(count)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.paging}-{row.total['strategy']}-{row.filter}")
@settings(max_examples=3)
@given(data=st.data())
def test_duplicates_count_once_in_the_whole_list(row: Row, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 5))
    items = list(data.draw(lists(size, row)))
    by = data.draw(FILTERS)
    again = data.draw(st.lists(st.sampled_from(items), min_size=1, max_size=3)) if items else []
    for item in again:
        items.insert(data.draw(st.integers(0, len(items))), item._replace(name="later") if not by else item)
    agree(Model(row, items), size, "skip", data.draw(st.integers(1, 7)), by)
    agree_at_once(Model(row, items), size, by)


@pytest.mark.parametrize("row", COUNTING, ids=lambda row: row.paging)
@pytest.mark.parametrize("past_end", [200, 404, 416])
@settings(max_examples=30)
@given(sizes=st.tuples(st.integers(1, 5), st.integers(0, 16), st.integers(-16, 16), st.integers(1, 7)))
def test_a_full_listing_counts(row: Row, past_end: int, sizes: tuple[int, int, int, int]) -> None:
    """Whatever the upstream says its total is; an honest one may refuse pages past its end."""
    size, count, off_by, num = sizes
    model = Model(row, plain(count), off_by if past_end == 200 else 0, past_end=past_end)
    agree(model, size, "skip", num, {})
    agree_at_once(model, size, {})


@pytest.mark.parametrize("row", COUNTING, ids=lambda row: row.paging)
@settings(max_examples=40)
@given(size=st.integers(2, 6), clamp=st.integers(1, 6), count=st.integers(0, 25), num=st.integers(1, 7))
def test_smaller_pages_than_requested_lose_nothing(
    row: Row, size: int, clamp: int, count: int, num: int
) -> None:
    agree(Model(row, plain(count), clamp=clamp), size, "digits", num, {})


WALKING = [
    row
    for row in ROWS
    if row.paging in ("page_number_0", "page_number_1", "offset", "range_header") and row.total == WALK
]


def row_id(row: Row) -> str:
    return f"{row.paging}-{row.filter}{'-hides' if row.hides else ''}"


@pytest.mark.parametrize("row", WALKING, ids=row_id)
@settings(max_examples=15)
@given(data=st.data())
def test_found_b4_smaller_pages_than_requested_lose_nothing(row: Row, data: st.DataObject) -> None:
    """Nothing states a total, and the pages are smaller than `page_size.max`."""
    size, clamp = data.draw(st.integers(2, 7)), data.draw(st.integers(1, 6))
    items = data.draw(lists(clamp, row))
    past_end = data.draw(st.sampled_from([200, 404, 416, 400, 422] if clamp < size else [200, 404, 416]))
    model = Model(row, items, clamp=clamp, past_end=past_end, states_total=False)
    agree(model, size, "digits", data.draw(st.integers(1, 7)), data.draw(FILTERS))


@pytest.mark.parametrize("row", [row for row in WALKING if row.filter == "client"], ids=row_id)
@pytest.mark.parametrize("cap", [1, 10, 20, 25, 50, 99, 100, 101, 200])
@pytest.mark.parametrize("count", [0, 1, 19, 20, 49, 50, 51, 100, 101, 150, 151])
def test_found_b4_the_cap_of_the_vendor_is_below_the_profiles(row: Row, cap: int, count: int) -> None:
    model = Model(row, plain(count), clamp=cap, states_total=False)
    agree_at_once(model, 100, {})
    # At most one call that only finds the end, and none where a page was full and another one is not
    expected = -(-count // min(cap, 100)) if count else 1
    is_open = count and (count % min(cap, 100) == 0 or count < 100)
    assert len(model.calls) <= expected + bool(is_open)


@pytest.mark.parametrize("row", [row for row in WALKING if "page" in row.paging], ids=row_id)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_found_b4_the_last_page_comes_again(row: Row, count: int) -> None:
    agree(Model(row, plain(count), repeats=True, states_total=False), 4, "digits", 2, {})


@pytest.mark.parametrize("row", WALKING, ids=row_id)
@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_found_b4_a_failed_probe_is_no_end(row: Row, status: int) -> None:
    """Whether the short page was the last one is not known then."""
    model = Model(row, plain(3), past_end=status, states_total=False)
    request = Request("GET", LIST, (basic(ACCOUNT, "x"),))
    answer = asyncio.run(translator(model, 5, "digits").answer(request))
    assert answer.status in {status, 502}
    assert b"OutgoingCallerIds" not in answer.body


@pytest.mark.parametrize("row", [*COUNTING, *WALKING], ids=row_id)
def test_found_b4_a_stated_total_saves_the_call(row: Row) -> None:
    if row.total == WALK and row.paging != "range_header":
        return  # a profile may say where it is: see below
    model = Model(row, plain(3))
    agree_at_once(model, 5, {})
    assert len(model.calls) == 1


@pytest.mark.parametrize(
    ("stated", "calls"), [({"all": 3}, 1), ({"all": 2}, 1), ({"all": 5}, 2), ({"all": "?"}, 2), ({}, 2)]
)
def test_found_b4_a_count_of_the_upstream_ends_a_listing(stated: dict[str, Any], calls: int) -> None:
    """It counts hidden items too, so it is no total of the list."""
    row = Row("offset", WALK, "client", hides=True)
    settings = profile(row, 5).model_dump(by_alias=True, exclude_unset=True)
    settings["operations"]["list"]["paging"]["count"] = ("/all",)
    items = [Item(number(index), live=index != 1) for index in range(3)]

    class Counting(Model):
        async def send(self, call: Call) -> Reply:
            found = await super().send(call)
            return reply({**json.loads(found.body), **stated})

    model = Counting(row, items, states_total=False)
    upstream = Upstream(Profile(language.ProfileSettings.model_validate(settings)), model)
    listed = asyncio.run(
        upstream.list_all(List(ACCOUNT, 0, 50), Account(ACCOUNT, ACCOUNT, Credentials("", "")))
    )
    assert listed.caller_ids is not None
    assert (len(listed.caller_ids), len(model.calls)) == (2, calls)


@pytest.mark.parametrize("row", COUNTING, ids=lambda row: row.paging)
def test_a_page_needs_its_own_calls_only(row: Row) -> None:
    model = Model(row, plain(1000))
    asyncio.run(read(translator(model, 20, "digits"), 2, 50))
    assert len(model.calls) == 3
    model.calls.clear()
    assert asyncio.run(read(translator(model, 20, "digits"), 10**17, 50)).attributes["total"] == 1000
    assert len(model.calls) == 1
