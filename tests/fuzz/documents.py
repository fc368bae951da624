"""Documents of every format, read by independent parsers: they contain their input, and no more."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from lxml import etree
from lxml import html as lxml_html
from support.lists import listed
from support.seed import LIST

from proxy.errors import Fault
from proxy.legacy import (
    Page,
    RenderedList,
    Request,
    Shown,
    Style,
    render,
    render_error,
    rfc_2822_writer,
    route,
)
from proxy.legacy.formats import OutsideNanp
from proxy.legacy.text import legible
from proxy.model import CallerId, ValidationRequest

Table = list[list[str]]
"""Elements, and the texts of their children."""

POLICIES: Sequence[OutsideNanp] = ("digits", "e164", "skip")
STYLES = [
    Style(rfc_2822_writer(ZoneInfo("America/Los_Angeles")), policy, page_uris)
    for policy in POLICIES
    for page_uris in (False, True)
]


def assert_shows_list(rows: Sequence[CallerId], style: Style, page: int = 0, size: int = 50) -> None:
    """Render a page of these, and each item by itself."""
    numbers = [style.number(row.phone_number) for row in rows]
    shown = [(row, number) for row, number in zip(rows, numbers, strict=True) if number is not None]
    expected = [
        [
            row.sid,
            row.account_sid,
            legible(row.friendly_name),
            legible(number),
            *("" if at is None else style.date(at) for at in (row.date_created, row.date_updated)),
        ]
        for row, number in shown
    ]
    whole = listed(rows, style)
    assert RenderedList.from_bytes(whole.to_bytes()) == whole
    on_page = expected[page * size : (page + 1) * size]
    part = whole.page(page, size)
    assert (part.total, part.count) == (len(shown), len(on_page))
    _assert_written(part, style, on_page)
    _assert_adds_up(part, style)
    if shown:
        item = whole.item(shown[0][0].sid)
        assert item is not None
        _assert_written(item, style, expected[:1])


def assert_shows_validation(result: ValidationRequest) -> None:
    """Write one."""
    number = STYLES[0].number(result.phone_number) or ""
    name = [] if result.friendly_name is None else [legible(result.friendly_name)]
    texts = [result.account_sid, legible(number), *name, result.validation_code]
    in_csv = texts if name else [*texts[:2], "", *texts[2:]]
    for suffix, read in _READERS.items():
        body = render(result, route(Request("GET", f"{LIST}{suffix}")), STYLES[0]).body
        _assert_equal(suffix, read(body, "ValidationRequest"), [in_csv if suffix == ".csv" else texts])


def assert_shows_fault(fault: Fault) -> None:
    """Write one."""
    code = [] if fault.code is None else [str(fault.code), f"http://www.twilio.com/docs/errors/{fault.code}"]
    texts = [str(fault.status), legible(fault.message), *code]
    in_csv = [*texts, *[""] * (4 - len(texts))]
    for suffix, read in _READERS.items():
        body = render_error(fault, f"{LIST}{suffix}", STYLES[0]).body
        _assert_equal(suffix, read(body, "RestException"), [in_csv if suffix == ".csv" else texts])


def _assert_written(result: Shown, style: Style, expected: Table) -> None:
    for suffix, read in _READERS.items():
        body = render(result, route(Request("GET", f"{LIST}{suffix}")), style).body
        _assert_equal(suffix, read(body, "OutgoingCallerId"), expected)


def _assert_adds_up(shown: Page, style: Style) -> None:
    element = etree.fromstring(render(shown, route(Request("GET", LIST)), style).body)[0]
    page, numpages, pagesize, total, start, end = (
        int(element.attrib[name]) for name in ("page", "numpages", "pagesize", "total", "start", "end")
    )
    count = len(element)
    assert numpages == -(-total // pagesize)
    assert (start, end) == ((page * pagesize, page * pagesize + count - 1) if count else (0, 0))
    assert start + count <= total


def _assert_equal(suffix: str, read: Table, expected: Table) -> None:
    if suffix == ".html":  # whose readers differ in white space
        read, expected = _without_space(read), _without_space(expected)
    assert read == expected, suffix


def _without_space(table: Table) -> Table:
    return [["".join(text.split()) for text in row] for row in table]


def _in_xml(body: bytes, name: str) -> Table:
    return [[child.text or "" for child in element] for element in etree.fromstring(body).iter(name)]


def _in_json(body: bytes, name: str) -> Table:
    (root,) = json.loads(body).values()
    elements = root.get("OutgoingCallerIds", [root])
    return [[text or "" for text in element[name].values()] for element in elements]


def _in_csv(body: bytes, _: str) -> Table:
    header, *rows = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
    assert {len(row) for row in rows} <= {len(header)}
    return rows


def _in_html(body: bytes, name: str) -> Table:
    kind = re.sub("(?<!^)(?=[A-Z])", "-", name).lower()
    document = lxml_html.document_fromstring(body.decode())
    elements = [div for div in document.iter("div") if div.get("class") == kind]
    assert not any(len(child) for element in elements for child in element)
    return [[child.text or "" for child in element] for element in elements]


_READERS: Mapping[str, Callable[[bytes, str], Table]] = {
    "": _in_xml,
    ".json": _in_json,
    ".csv": _in_csv,
    ".html": _in_html,
}
