"""The six attributes of a list, compared with a model that only counts."""

from collections import defaultdict
from collections.abc import Sequence

import pytest
from lxml import etree
from support.lists import cut
from support.seed import LIST

from proxy.legacy import Request, Style, render, route
from proxy.model import CallerId, List

TOTALS = [0, 1, 49, 50, 51, 1000, 1001, 2500]
SIZES = [1, 2, 7, 49, 50, 51, 999, 1000]
ROUTE = route(Request("GET", LIST))
STYLE = Style(str)


def caller_ids(count: int) -> Sequence[CallerId]:
    return [CallerId(f"PN{number:032}", "AC", "", "+14158675309", None, None) for number in range(count)]


def naive(total: int, size: int) -> dict[int, list[int]]:
    """Deal the objects out one by one: page number → the places of its objects in the whole list."""
    pages: dict[int, list[int]] = defaultdict(list)
    page = 0
    for place in range(total):
        if len(pages[page]) == size:
            page += 1
        pages[page].append(place)
    return pages


def shown(listed: Sequence[CallerId], page: int, size: int) -> tuple[list[object], list[int]]:
    """Return the attributes and the places of the objects that a client finds in the document."""
    document = etree.fromstring(render(cut(listed, page, size, STYLE), ROUTE, STYLE).body)[0]
    return list(document.items()), [int((child.findtext("Sid") or "")[2:]) for child in document]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("total", TOTALS)
def test_every_page_and_pages_past_the_end(total: int, size: int) -> None:
    listed, pages = caller_ids(total), naive(total, size)
    count = len([page for page, places in pages.items() if places])
    looked_at = range(count + 3) if count < 100 else [*range(3), count // 2, *range(count - 2, count + 3)]
    for page in (*looked_at, count + 1000, 10**18):
        places = pages.get(page, [])
        assert shown(listed, page, size) == (
            [
                ("page", str(page)),
                ("numpages", str(count)),
                ("pagesize", str(size)),
                ("total", str(total)),
                ("start", str(places[0] if places else 0)),
                ("end", str(places[-1] if places else 0)),
            ],
            places,
        )


@pytest.mark.parametrize(
    ("total", "page", "size", "attributes"),
    [
        # samples of the time
        (38, 0, 50, 'page="0" numpages="1" pagesize="50" total="38" start="0" end="37"'),
        (498, 0, 50, 'page="0" numpages="10" pagesize="50" total="498" start="0" end="49"'),
        (2, 0, 50, 'page="0" numpages="1" pagesize="50" total="2" start="0" end="1"'),
        # decided
        (0, 0, 50, 'page="0" numpages="0" pagesize="50" total="0" start="0" end="0"'),
        (0, 3, 50, 'page="3" numpages="0" pagesize="50" total="0" start="0" end="0"'),
        (51, 2, 50, 'page="2" numpages="2" pagesize="50" total="51" start="0" end="0"'),
    ],
)
def test_a_known_sample(total: int, page: int, size: int, attributes: str) -> None:
    body = render(cut(caller_ids(total), page, size, STYLE), ROUTE, STYLE).body
    assert f"<OutgoingCallerIds {attributes}".encode() in body


# The attributes of later revisions


@pytest.mark.parametrize(("total", "size"), [(0, 50), (1, 50), (50, 50), (51, 50), (7, 2), (1001, 1000)])
def test_page_uris_lead_to_neighbouring_pages(total: int, size: int) -> None:
    listed, count = caller_ids(total), -(-total // size)
    for page in range(count + 2):
        query = f"num={size}&page={page}&FriendlyName=Zo%C3%AB+%26+Co&x=y"
        asked = route(Request("GET", f"//{LIST[1:]}.xml?{query}"))
        answer = render(cut(listed, page, size, STYLE), asked, Style(str, page_uris=True))
        uris = [(str(name), str(uri)) for name, uri in etree.fromstring(answer.body)[0].items()][6:]
        assert uris == [
            (name, uri_of(target, size))
            for name, target in (
                ("uri", page),
                ("firstpageuri", 0 if total else None),
                ("previouspageuri", min(page, count) - 1 if page and total else None),
                ("nextpageuri", page + 1 if page + 1 < count else None),
                ("lastpageuri", count - 1 if total else None),
            )
        ]
        for _, uri in uris:
            if uri:
                assert followed(uri) == (size, "Zoë & Co")


def uri_of(page: int | None, size: int) -> str:
    query = f"page={page}&num={size}&FriendlyName=Zo%C3%AB+%26+Co"
    return "" if page is None else f"{LIST}.xml?{query}"


def followed(uri: str) -> tuple[int, str | None]:
    request = Request("GET", uri)
    operation = route(request).read(request)
    assert isinstance(operation, List)
    return operation.page_size, operation.friendly_name


def test_page_uris_are_off_by_default() -> None:
    assert b"uri" not in render(cut(caller_ids(3), 0, 2, STYLE), ROUTE, STYLE).body
