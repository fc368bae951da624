"""Results and Faults → HTTP answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.errors import Fault
from proxy.legacy import xml
from proxy.legacy.elements import CALLER_ID, REST_EXCEPTION, VALIDATION_REQUEST, Style
from proxy.model import CallerId, Deleted, Page, Result, ValidationRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response; one without a content type has no body."""

    status: int
    content_type: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def render(result: Result, style: Style) -> Answer:
    """Write what an operation led to."""
    match result:
        case Page():
            return Answer(200, xml.CONTENT_TYPE, xml.many(result, style))
        case CallerId():
            return Answer(200, xml.CONTENT_TYPE, xml.one(CALLER_ID, result, style))
        case ValidationRequest():
            return Answer(200, xml.CONTENT_TYPE, xml.one(VALIDATION_REQUEST, result, style))
        case Deleted():
            return Answer(204)


def render_error(fault: Fault, style: Style) -> Answer:
    """Write a Fault as the RestException that every answer of 400 and above is."""
    return Answer(fault.status, xml.CONTENT_TYPE, xml.one(REST_EXCEPTION, fault, style), fault.headers)
