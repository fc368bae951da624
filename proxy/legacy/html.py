"""The element tables as the HTML of 2008: the status as title, nested divs with dash-case class names."""

import html
import re
from typing import TypeVar

from proxy.legacy.elements import CALLER_ID, LIST_NAME, Element, Style
from proxy.legacy.paging import Attributes
from proxy.legacy.text import legible
from proxy.model import Page

T = TypeVar("T")

CONTENT_TYPE = "text/html"


def one(element: Element[T], value: T, style: Style, status: int) -> bytes:
    """Write a document that holds one element."""
    return _document(_element(element, value, style), status)


def many(page: Page, paging: Attributes, style: Style) -> bytes:
    """Write a document that holds one page of the list, opened by what XML says in attributes."""
    about = [_div(name, _text(text)) for name, text in paging]
    items = [_element(CALLER_ID, caller_id, style) for caller_id in page.caller_ids]
    return _document(_div(LIST_NAME, "".join(about + items)), 200)


def _document(content: str, status: int) -> bytes:
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{status}</title></head>'
        f'<body class="twilio-response">{content}</body></html>'
    ).encode()


def _element(element: Element[T], value: T, style: Style) -> str:
    return _div(
        element.name, "".join(_div(name, _text(text or "")) for name, text in element.texts(value, style))
    )


def _div(name: str, content: str) -> str:
    return f'<div class="{re.sub("(?<!^)(?=[A-Z])", "-", name).lower()}">{content}</div>'


def _text(text: str) -> str:
    return html.escape(legible(text)).replace("\r", "&#13;")
