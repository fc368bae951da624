"""Lists as the text they are shown as: an item is written once, and pages, filters and instances are cut out.

A list of ten thousand takes a third of what it would take as objects, and a page of it is one copy of memory.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct

import orjson

from proxy.legacy.elements import CALLER_ID, Style
from proxy.legacy.paging import Page
from proxy.legacy.text import is_legible
from proxy.legacy.xml import child, writer
from proxy.model import CallerId, List

_write = writer(CALLER_ID)
_ENDS = "Q"
_LENGTHS = Struct("<QQ")
_TEN_DIGITS = re.compile("[0-9]{10}")


@dataclass(frozen=True, slots=True)
class Item:
    """One caller ID as the XML it is shown as."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Listed:
    """A whole list, or what is left of it by a filter."""

    text: bytes
    ends: "array[int]"
    """Where each item ends in `text`, in bytes."""
    veiled: frozenset[tuple[str, int]] = frozenset()
    """Children (by name and item) whose text is also that of another value: no filter finds them by it."""

    @property
    def nbytes(self) -> int:
        """How much memory the list takes."""
        return len(self.text) + self.ends.itemsize * len(self.ends)

    def packed(self) -> bytes:
        """Return the list as bytes."""
        veiled = orjson.dumps(sorted(self.veiled))
        return _LENGTHS.pack(len(self.ends), len(veiled)) + self.ends.tobytes() + veiled + self.text

    @classmethod
    def unpacked(cls, content: bytes) -> "Listed":
        """Return what `packed` made bytes of, on a machine of the same kind."""
        items, veil = _LENGTHS.unpack_from(content)
        ends = array(_ENDS)
        after_ends = _LENGTHS.size + items * ends.itemsize
        ends.frombytes(content[_LENGTHS.size : after_ends])
        veiled = (
            (str(name), int(item)) for name, item in orjson.loads(content[after_ends : after_ends + veil])
        )
        return cls(content[after_ends + veil :], ends, frozenset(veiled))

    def page(self, number: int, size: int) -> Page:
        """Return page `number`; it is empty past the end."""
        total = len(self.ends)
        first, last = min(number * size, total), min((number + 1) * size, total)
        return Page(self.text[self._start(first) : self._start(last)], last - first, number, size, total)

    def matching(self, operation: List, style: Style) -> "Listed":
        """Return the items that match both filters of `operation`."""
        found = list(self._matching(operation, style))
        if len(found) == len(self.ends):
            return self
        return joined(self._item(index) for index in found)

    def one(self, sid: str) -> Item | None:
        """Return the item of that Sid, None where the list has none."""
        found = next(self._with_child("Sid", sid), None)
        return None if found is None else Item(self._item(found))

    def _matching(self, operation: List, style: Style) -> Iterator[int]:
        wanted: dict[str, str | None] = {"FriendlyName": operation.friendly_name}
        if operation.phone_number is not None:
            wanted["PhoneNumber"] = style.number(operation.phone_number) or ""
        sets = [set(self._with_child(name, text)) for name, text in wanted.items() if text is not None]
        return iter(sorted(set.intersection(*sets)) if sets else range(len(self.ends)))

    def _with_child(self, name: str, text: str) -> Iterator[int]:
        """Yield the items that have this child. Within an element's text nothing looks like another's tag."""
        wanted, at = child(name, text).encode(), -1
        while (at := self.text.find(wanted, at + 1)) >= 0:
            index = bisect_right(self.ends, at)
            if (name, index) not in self.veiled:
                yield index

    def _item(self, index: int) -> bytes:
        return self.text[self._start(index) : self.ends[index]]

    def _start(self, index: int) -> int:
        return self.ends[index - 1] if index else 0


def joined(items: Iterable[bytes], veiled: Iterable[tuple[str, int]] = ()) -> Listed:
    """Return the list of these items, each an element of XML."""
    texts = list(items)
    ends, end = array(_ENDS), 0
    for text in texts:
        end += len(text)
        ends.append(end)
    return Listed(b"".join(texts), ends, frozenset(veiled))


NOTHING = joined(())


class ListWriter:
    """Writes caller IDs one by one, leaving out those that the list does not show."""

    def __init__(self, style: Style) -> None:
        """Start with none."""
        self._style = style
        self._texts: list[bytes] = []
        self._veiled: list[tuple[str, int]] = []

    def add(self, caller_ids: Iterable[CallerId]) -> None:
        """Write some more."""
        for caller_id in caller_ids:
            number = self._style.number(caller_id.phone_number)
            if number is None:
                continue
            if not caller_id.phone_number.startswith("+1") and _TEN_DIGITS.fullmatch(number):
                self._veiled.append(("PhoneNumber", len(self._texts)))
            if not is_legible(caller_id.friendly_name):
                self._veiled.append(("FriendlyName", len(self._texts)))
            self._texts.append(_write(caller_id, self._style))

    def listed(self) -> Listed:
        """Return what has been written."""
        return joined(self._texts, self._veiled)
