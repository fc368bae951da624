"""The element tables as XML: a declaration, a line feed, then no white space between elements."""

from proxy.legacy.elements import LIST_NAME, Style, Texts
from proxy.legacy.markup import attribute, element
from proxy.legacy.paging import Attributes
from proxy.legacy.rendered_list import Page

CONTENT_TYPE = "application/xml; charset=utf-8"
"""Some clients read text as Latin-1 where no charset is named."""


def one(name: str, texts: Texts, status: int) -> bytes:  # noqa: ARG001 - HTML shows it
    return document(element(name, texts))


def many(page: Page, paging: Attributes, style: Style) -> bytes:  # noqa: ARG001 - the items have been written already
    """Write a document that holds one page of the list."""
    written = [f' {name}="{text}"' if text.isdecimal() else attribute(name, text) for name, text in paging]
    start, items = f"<{LIST_NAME}{''.join(written)}".encode(), page.text
    return document(start, b">", items, _LIST_END) if items else document(start, b"/>")


_LIST_END = f"</{LIST_NAME}>".encode()


def document(*content: bytes) -> bytes:
    """Write a document that holds an element, which may come in pieces."""
    return b"".join((b'<?xml version="1.0"?>\n<TwilioResponse>', *content, b"</TwilioResponse>"))
