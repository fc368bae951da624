"""The element tables as the HTML of 2008: the status as title, nested divs with dash-case class names."""

import html
import re

from proxy.legacy.elements import CALLER_ID, LIST_NAME, Style, Texts
from proxy.legacy.paging import Attributes
from proxy.legacy.rendered_list import Page
from proxy.legacy.text import legible

CONTENT_TYPE = "text/html"


def one(name: str, texts: Texts, status: int) -> bytes:
    return _document(_element(name, texts), status)


def many(page: Page, paging: Attributes, style: Style) -> bytes:
    """Write a document that holds one page of the list, after the attributes that XML has."""
    about = [_div(name, _text(text)) for name, text in paging]
    items = [_element(CALLER_ID.name, texts) for texts in CALLER_ID.rows(page.caller_ids, style)]
    return _document(_div(LIST_NAME, "".join(about + items)), 200)


def _document(content: str, status: int) -> bytes:
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{status}</title></head>'
        f'<body class="twilio-response">{content}</body></html>'
    ).encode()


def _element(name: str, texts: Texts) -> str:
    return _div(name, "".join(_div(child, _text(text or "")) for child, text in texts))


def _div(name: str, content: str) -> str:
    return f'<div class="{re.sub("(?<!^)(?=[A-Z])", "-", name).lower()}">{content}</div>'


def _text(text: str) -> str:
    return html.escape(legible(text)).replace("\r", "&#13;")
