"""The element tables as CSV (RFC 4180; UTF-8, RFC 7111): a header row, then a row for each element."""

from collections.abc import Iterable, Mapping, Sequence

from proxy.legacy.elements import CALLER_ID, REST_EXCEPTION, VALIDATION_REQUEST, Style, Texts
from proxy.legacy.paging import Attributes
from proxy.legacy.rendered_list import Page
from proxy.legacy.text import legible

CONTENT_TYPE = "text/csv"

_FORMULAS = ("=", "+", "-", "@", "\t")  # what a spreadsheet would take for one begins so
_SPECIAL = ('"', ",", "\r", "\n")


def one(name: str, texts: Texts, status: int) -> bytes:  # noqa: ARG001 - HTML shows it
    return _table(_HEADERS[name], [texts])


def many(page: Page, paging: Attributes, style: Style) -> bytes:  # noqa: ARG001 - CSV has no place for it
    """Write a table of one page of the list."""
    return _table(_HEADERS[CALLER_ID.name], CALLER_ID.rows(page.caller_ids, style))


_HEADERS: Mapping[str, Sequence[str]] = {
    element.name: tuple(element.children) for element in (CALLER_ID, VALIDATION_REQUEST, REST_EXCEPTION)
}


def _table(header: Sequence[str], values: Iterable[Texts]) -> bytes:
    rows = [dict(texts) for texts in values]
    return b"".join([_row(header), *(_row(row.get(name) for name in header) for row in rows)])


def _row(fields: Iterable[str | None]) -> bytes:
    return (",".join(_field(legible(text or "")) for text in fields) + "\r\n").encode()


def _field(text: str) -> str:
    needs_quotes = text.startswith(_FORMULAS) or any(each in text for each in _SPECIAL)
    has_spaces = text[:1].isspace() or text[-1:].isspace()
    return '"' + text.replace('"', '""') + '"' if needs_quotes or has_spaces else text
