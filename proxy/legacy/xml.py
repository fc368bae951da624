"""The element tables as XML: a declaration, a line feed, then no white space between elements."""

import re
from typing import TypeVar

from proxy.legacy.elements import CALLER_ID, LIST_NAME, Element, Style
from proxy.legacy.paging import Attributes
from proxy.legacy.text import legible
from proxy.model import Page

T = TypeVar("T")

CONTENT_TYPE = "application/xml"

# CR would be read back as LF unless it is escaped (XML 1.0 section 2.11)
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
_SPECIAL = re.compile("[&<>\r]")
_SPECIAL_IN_ATTRIBUTE = re.compile('[&<"]')


def one(element: Element[T], value: T, style: Style, status: int) -> bytes:  # noqa: ARG001 - HTML shows it
    """Write a document that holds one element."""
    return _document(_element(element, value, style))


def many(page: Page, paging: Attributes, style: Style) -> bytes:
    """Write a document that holds one page of the list."""
    attributes = "".join(f' {name}="{_escape(text, _SPECIAL_IN_ATTRIBUTE)}"' for name, text in paging)
    items = "".join([_element(CALLER_ID, caller_id, style) for caller_id in page.caller_ids])
    return _document(
        f"<{LIST_NAME}{attributes}>{items}</{LIST_NAME}>" if items else f"<{LIST_NAME}{attributes}/>"
    )


def _document(child: str) -> bytes:
    return f'<?xml version="1.0"?>\n<TwilioResponse>{child}</TwilioResponse>'.encode()


def _element(element: Element[T], value: T, style: Style) -> str:
    texts = element.texts(value, style)
    children = [f"<{name}>{_escape(text)}</{name}>" if text else f"<{name}/>" for name, text in texts]
    return f"<{element.name}>{''.join(children)}</{element.name}>"


def _escape(text: str, special: re.Pattern[str] = _SPECIAL) -> str:
    return special.sub(lambda found: _ESCAPES[found[0]], legible(text))
