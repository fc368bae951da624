"""The element tables as the JSON of 2008: element names as keys, every value a string or null."""

from collections.abc import Mapping

import orjson

from proxy.legacy.elements import CALLER_ID, LIST_NAME, Style, Texts
from proxy.legacy.paging import Attributes
from proxy.legacy.rendered_list import Page
from proxy.legacy.text import legible

CONTENT_TYPE = "application/json"


def one(name: str, texts: Texts, status: int) -> bytes:  # noqa: ARG001 - HTML shows it
    return orjson.dumps({"TwilioResponse": _element(name, texts)})


def many(page: Page, paging: Attributes, style: Style) -> bytes:
    """Write a document that holds one page of the list, beside the attributes that XML has."""
    items = [_element(CALLER_ID.name, texts) for texts in CALLER_ID.rows(page.caller_ids, style)]
    return orjson.dumps({"TwilioResponse": {**dict(paging), LIST_NAME: items}})


def _element(name: str, texts: Texts) -> Mapping[str, Mapping[str, str | None]]:
    return {name: {child: None if text is None else legible(text) for child, text in texts}}
