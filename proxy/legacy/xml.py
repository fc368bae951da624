"""The element tables as XML: a declaration, a line feed, then no white space between elements."""

import re
from typing import TypeVar

from proxy.legacy.elements import CALLER_ID, LIST_NAME, Element, Style
from proxy.legacy.paging import ATTRIBUTES
from proxy.model import Page

T = TypeVar("T")

CONTENT_TYPE = "application/xml"

# What no XML 1.0 document can hold (section 2.2)
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# CR would be read back as LF unless it is escaped (section 2.11)
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_SPECIAL = re.compile("[&<>\r]")


def escape(text: str) -> str:
    """Write `text` as character data; what XML cannot hold becomes U+FFFD."""
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], _ILLEGAL.sub("\ufffd", text))


def one(element: Element[T], value: T, style: Style) -> bytes:
    """Write a document that holds one element."""
    return _document(_element(element, value, style))


def many(page: Page, style: Style) -> bytes:
    """Write a document that holds one page of the list."""
    paging = " ".join(f'{name}="{number(page)}"' for name, number in ATTRIBUTES.items())
    items = "".join(_element(CALLER_ID, caller_id, style) for caller_id in page.caller_ids)
    return _document(f"<{LIST_NAME} {paging}>{items}</{LIST_NAME}>" if items else f"<{LIST_NAME} {paging}/>")


def _document(child: str) -> bytes:
    return f'<?xml version="1.0"?>\n<TwilioResponse>{child}</TwilioResponse>'.encode()


def _element(element: Element[T], value: T, style: Style) -> str:
    children = "".join(
        f"<{name}>{escape(text)}</{name}>" if text else f"<{name}/>"
        for name, text in element.texts(value, style)
    )
    return f"<{element.name}>{children}</{element.name}>"
