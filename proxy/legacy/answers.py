"""Results and Faults → HTTP answers, in the format that a request's suffix asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from proxy.errors import Fault
from proxy.legacy import csv, html, json, xml
from proxy.legacy.elements import CALLER_ID, REST_EXCEPTION, VALIDATION_REQUEST, Element, Style
from proxy.legacy.paging import Attributes, attributes
from proxy.legacy.requests import Route, suffix_of
from proxy.model import CallerId, Deleted, Page, Result, ValidationRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response; one without a content type has no body."""

    status: int
    content_type: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class _Format(Protocol):
    """What the module of a format offers."""

    CONTENT_TYPE: str

    def one(self, element: Element[T], value: T, style: Style, status: int) -> bytes: ...

    def many(self, page: Page, paging: Attributes, style: Style) -> bytes: ...


_FORMATS: Mapping[str, _Format] = {"": xml, ".xml": xml, ".json": json, ".csv": csv, ".html": html}


def render(result: Result, route: Route, style: Style) -> Answer:
    """Write what the operation at `route` led to."""
    as_ = _FORMATS[route.suffix]
    match result:
        case Page():
            paging = attributes(result, route.uri_of_page(result.size) if style.page_uris else None)
            return Answer(200, as_.CONTENT_TYPE, as_.many(result, paging, style))
        case CallerId():
            return Answer(200, as_.CONTENT_TYPE, as_.one(CALLER_ID, result, style, 200))
        case ValidationRequest():
            return Answer(200, as_.CONTENT_TYPE, as_.one(VALIDATION_REQUEST, result, style, 200))
        case Deleted():
            return Answer(204)


def render_error(fault: Fault, target: str, style: Style) -> Answer:
    """Write a Fault as the RestException that every answer of 400 and above is."""
    as_ = _FORMATS[suffix_of(target)]
    body = as_.one(REST_EXCEPTION, fault, style, fault.status)
    return Answer(fault.status, as_.CONTENT_TYPE, body, fault.headers)
