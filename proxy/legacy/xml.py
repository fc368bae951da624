"""The element tables as XML: a declaration, a line feed, then no white space between elements."""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from proxy.legacy.elements import LIST_NAME, Element, Style, Texts
from proxy.legacy.paging import Attributes, Page
from proxy.legacy.text import ILLEGAL, legible

T = TypeVar("T")

CONTENT_TYPE = "application/xml"

# CR would be read back as LF unless it is escaped (XML 1.0 section 2.11)
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
_SPECIAL = re.compile("[&<>\r]")
_NOT_PLAIN = re.compile(f"{_SPECIAL.pattern}|{ILLEGAL}")
_SPECIAL_IN_ATTRIBUTE = re.compile('[&<"]')


def one(name: str, texts: Texts, status: int) -> bytes:  # noqa: ARG001 - HTML shows it
    """Write a document that holds one element."""
    return document(element(name, texts))


def many(page: Page, paging: Attributes) -> bytes:
    """Write a document that holds one page of the list."""
    attributes = "".join(f' {name}="{_escape(text, _SPECIAL_IN_ATTRIBUTE)}"' for name, text in paging)
    start = f"<{LIST_NAME}{attributes}".encode()
    return document(b"%b>%b</%b>" % (start, page.text, LIST_NAME.encode()) if page.text else start + b"/>")


def document(content: bytes) -> bytes:
    """Write a document that holds an element."""
    return b'<?xml version="1.0"?>\n<TwilioResponse>%b</TwilioResponse>' % content


def element(name: str, texts: Texts) -> bytes:
    """Write an element with children that hold text."""
    return f"<{name}>{''.join([child(*each) for each in texts])}</{name}>".encode()


def writer(kind: Element[T]) -> Callable[[T, Style], bytes]:
    """Return a function that does `element` for one kind of it, which has no optional children, faster."""
    texts_of = tuple(kind.children.values())
    template = f"<{kind.name}>{''.join(f'<{name}>%s</{name}>' for name in kind.children)}</{kind.name}>"

    def write(value: T, style: Style) -> bytes:
        texts = [text(value, style) for text in texts_of]
        if all(texts) and not _NOT_PLAIN.search("".join(texts)):  # type: ignore[arg-type]
            return (template % tuple(texts)).encode()
        return element(kind.name, list(zip(kind.children, texts, strict=True)))

    return write


def child(name: str, text: str | None) -> str:
    """Write a child that holds text."""
    return f"<{name}>{_escape(text)}</{name}>" if text else f"<{name}/>"


def _escape(text: str, special: re.Pattern[str] = _SPECIAL) -> str:
    text = legible(text)
    return special.sub(_escaped, text) if special.search(text) else text


def _escaped(found: re.Match[str]) -> str:
    return _ESCAPES[found[0]]


_CHILD = re.compile(r"<(\w+)(?:/>|>([^<]*)</\1>)|</\w+>")
_REFERENCE = re.compile("&(?:amp|lt|gt|quot|#13);")
_MEANT = {escape: text for text, escape in _ESCAPES.items()}


def read_elements(name: str, text: bytes) -> Iterator[Texts]:
    """Yield the children of each element of that name: what `element` has written, one after the other."""
    for inside in text.decode().split(f"<{name}>")[1:]:
        yield [
            (found[1], found[2] and _REFERENCE.sub(lambda it: _MEANT[it[0]], found[2]))
            for found in _CHILD.finditer(inside)
            if found[1]
        ]
