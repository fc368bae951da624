"""Results and Faults → HTTP answers, in the format that the suffix of the request names."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from proxy.errors import Fault
from proxy.legacy import csv, html, json, xml
from proxy.legacy.elements import CALLER_ID, REST_EXCEPTION, VALIDATION_REQUEST, Style, Texts
from proxy.legacy.paging import Attributes, attributes
from proxy.legacy.rendered_list import Item, Page
from proxy.legacy.requests import Route, suffix_of
from proxy.legacy.text import count_illegible
from proxy.model import CallerId, Deleted, Result, ValidationRequest

Shown = Page | Item | Result
"""What an answer can hold."""


class Answer(NamedTuple):
    """An HTTP response; one without a content type has no body."""

    status: int
    content_type: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = {}
    replaced: int = 0
    """Texts of an upstream that were written only now, and in which a character was replaced."""
    cache_control: str = ""
    """What may be done with a copy of it (RFC 9111 section 5.2.2)."""


class _Format(Protocol):
    """What the module of a format offers: a document with one element, and one with a page of the list."""

    CONTENT_TYPE: str

    def one(self, name: str, texts: Texts, status: int) -> bytes: ...

    def many(self, page: Page, paging: Attributes, style: Style) -> bytes: ...


_CACHE_CONTROL = "no-cache, private"
"""Of every 200: some clients of the time reuse an answer that says nothing about it."""
_FORMATS: Mapping[str, _Format] = {"": xml, ".xml": xml, ".json": json, ".csv": csv, ".html": html}


def render(result: Shown, route: Route, style: Style) -> Answer:
    """Write what the operation at `route` led to."""
    as_ = _FORMATS[route.suffix]
    match result:
        case Page():
            paging = attributes(result, route.uri_of_page(result.size) if style.page_uris else None)
            return _ok(as_, as_.many(result, paging, style))
        case Item() if as_ is xml:
            return _ok(xml, xml.document(result.text))
        case Item():
            return _ok(as_, as_.one(CALLER_ID.name, CALLER_ID.texts(result.caller_id, style), 200))
        case CallerId():
            return _one(as_, CALLER_ID.name, CALLER_ID.texts(result, style))
        case ValidationRequest():
            return _one(as_, VALIDATION_REQUEST.name, VALIDATION_REQUEST.texts(result, style))
        case Deleted():
            return Answer(204)


def _one(as_: _Format, name: str, texts: Texts) -> Answer:
    return _ok(as_, as_.one(name, texts, 200), count_illegible(text for _, text in texts))


def _ok(as_: _Format, body: bytes, replaced: int = 0) -> Answer:
    return Answer(200, as_.CONTENT_TYPE, body, replaced=replaced, cache_control=_CACHE_CONTROL)


def render_error(fault: Fault, target: str, style: Style) -> Answer:
    """Write a Fault as the RestException that every answer of 400 and above is."""
    as_ = _FORMATS[suffix_of(target)]
    body = as_.one(REST_EXCEPTION.name, REST_EXCEPTION.texts(fault, style), fault.status)
    return Answer(fault.status, as_.CONTENT_TYPE, body, fault.headers)
