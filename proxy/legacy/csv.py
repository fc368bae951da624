"""The element tables as CSV (RFC 4180; UTF-8, RFC 7111): a header row, then a row for each element."""

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from proxy.legacy.elements import CALLER_ID, Element, Style
from proxy.legacy.paging import Attributes
from proxy.legacy.text import legible
from proxy.model import Page

T = TypeVar("T")

CONTENT_TYPE = "text/csv"

# What has to be quoted, and what a spreadsheet would take for a formula
_QUOTED = re.compile(r'[=+\-@\t]|.*[",\r\n]|\s|.*\s\Z', re.DOTALL)


def one(element: Element[T], value: T, style: Style, status: int) -> bytes:  # noqa: ARG001 - HTML shows it
    """Write a table of one row."""
    return _table(element, [value], style)


def many(page: Page, paging: Attributes, style: Style) -> bytes:  # noqa: ARG001 - CSV has no place for it
    """Write a table of one page of the list."""
    return _table(CALLER_ID, page.caller_ids, style)


def _table(element: Element[T], values: Sequence[T], style: Style) -> bytes:
    rows = [dict(element.texts(value, style)) for value in values]
    return b"".join(
        [_row(element.children), *(_row(row.get(name) for name in element.children) for row in rows)]
    )


def _row(fields: Iterable[str | None]) -> bytes:
    return (",".join(_field(legible(text or "")) for text in fields) + "\r\n").encode()


def _field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _QUOTED.match(text) else text
