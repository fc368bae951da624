"""The element tables as the JSON of 2008: element names as keys, every value a string or null."""

from collections.abc import Mapping
from typing import TypeVar

import orjson

from proxy.legacy.elements import CALLER_ID, LIST_NAME, Element, Style
from proxy.legacy.paging import Attributes
from proxy.legacy.text import legible
from proxy.model import Page

T = TypeVar("T")

CONTENT_TYPE = "application/json"


def one(element: Element[T], value: T, style: Style, status: int) -> bytes:  # noqa: ARG001 - HTML shows it
    """Write a document that holds one element."""
    return orjson.dumps({"TwilioResponse": _element(element, value, style)})


def many(page: Page, paging: Attributes, style: Style) -> bytes:
    """Write a document that holds one page of the list, and beside it what XML says in attributes."""
    items = [_element(CALLER_ID, caller_id, style) for caller_id in page.caller_ids]
    return orjson.dumps({"TwilioResponse": {**dict(paging), LIST_NAME: items}})


def _element(element: Element[T], value: T, style: Style) -> Mapping[str, Mapping[str, str | None]]:
    texts = element.texts(value, style)
    return {element.name: {name: None if text is None else legible(text) for name, text in texts}}
