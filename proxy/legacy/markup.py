"""How elements and their text become XML: escaping, one element, and many elements of one kind at a time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise, repeat
from typing import Any

from proxy.legacy.elements import ListedElement, Texts
from proxy.legacy.text import legible

# CR would be read back as LF unless it is escaped (XML 1.0 section 2.11). The ampersand comes first: the
# others are escaped by one.
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
_SPECIAL = "&<>\r"
_SPECIAL_IN_ATTRIBUTE = '&<"'


def element(name: str, texts: Texts) -> bytes:
    """Write an element with children that hold text."""
    return f"<{name}>{''.join([child(*each) for each in texts])}</{name}>".encode()


def writer(kind: ListedElement) -> Callable[[Mapping[str, Sequence[str | None]]], list[bytes]]:
    """Return a function that writes many elements of one kind, whose children are given as columns."""
    first, *_, last = kind.children
    between = (f"</{one}><{name}>" for one, name in pairwise(kind.children))
    before = [repeat(tag) for tag in (f"<{kind.name}><{first}>", *between)]
    end = repeat(f"</{last}></{kind.name}>")

    def write(columns: Mapping[str, Sequence[str | None]]) -> list[bytes]:
        cells: list[Iterable[str]] = []
        empty: list[str] = []
        for tag, (name, column) in zip(before, columns.items(), strict=True):
            texts: Sequence[Any] = column
            if not all(texts):
                empty.append(name)
                texts = [text or "" for text in texts]
            cells += tag, texts if name in kind.plain else _escape_all(texts)
        written = list(map("".join, zip(*cells, end, strict=False)))
        for name in empty:  # within a text there are no tags
            written = [text.replace(f"<{name}></{name}>", f"<{name}/>") for text in written]
        return list(map(str.encode, written))

    return write


def child(name: str, text: str | None) -> str:
    return f"<{name}>{_escape(text)}</{name}>" if text else f"<{name}/>"


def attribute(name: str, text: str) -> str:
    """Write an attribute, with the space before it."""
    return f' {name}="{_escape(text, _SPECIAL_IN_ATTRIBUTE)}"'


def _escape(text: str, special: str = _SPECIAL) -> str:
    text = legible(text)
    for character in special:
        if character in text:  # most have none, and to see that is a tenth of replacing it
            text = text.replace(character, _ESCAPES[character])
    return text


def _escape_all(texts: Sequence[str]) -> Sequence[str]:
    lines = "\n".join(texts)
    escaped = _escape(lines)
    if escaped == lines:
        return texts
    return escaped.split("\n") if lines.count("\n") == len(texts) - 1 else list(map(_escape, texts))
