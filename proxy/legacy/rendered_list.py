"""Lists as the text they are shown as: an item is written once, and pages, filters and instances are cut out.

A list of ten thousand takes a third of what it would take as objects, and a page of it is one copy of memory.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from struct import Struct
from typing import Any

import orjson

from proxy.legacy.elements import CALLER_ID, Style
from proxy.legacy.paging import Page
from proxy.legacy.text import count_illegible, is_legible
from proxy.legacy.xml import child, writer
from proxy.model import CallerIds, List

_write = writer(CALLER_ID)
_SID = re.compile(b"<Sid>([^<]*)<")
_ENDS = "Q"
_HEAD = Struct("<QQQq")
_TEN_DIGITS = re.compile("[0-9]{10}")


@dataclass(frozen=True, slots=True)
class Item:
    """One caller ID as the XML it is shown as."""

    text: bytes


@dataclass(frozen=True, slots=True)
class RenderedList:
    """A whole list, or what is left of it by a filter."""

    text: bytes
    ends: "array[int]"
    """Where each item ends in `text`, in bytes."""
    sids: bytes
    """Those of the items, with a line feed before and after each: a tenth of the text to look for one."""
    unmatchable: frozenset[tuple[str, int]] = frozenset()
    """Children (by name and item) whose text is also that of another value: no filter finds them by it."""
    total: int | None = None
    """Of a list that this is only a page of."""
    source: Any = field(default=(), compare=False, repr=False)
    """What the list was read from, for those who read it."""

    @property
    def nbytes(self) -> int:
        """How much memory the list takes."""
        return len(self.text) + self.ends.itemsize * len(self.ends) + len(self.sids)

    def packed(self) -> bytes:
        """Return the list as bytes."""
        ends, unmatchable = self.ends.tobytes(), orjson.dumps(sorted(self.unmatchable))
        total = -1 if self.total is None else self.total
        head = _HEAD.pack(len(ends), len(self.sids), len(unmatchable), total)
        return b"".join((head, ends, self.sids, unmatchable, self.text))

    @classmethod
    def unpacked(cls, content: bytes) -> "RenderedList":
        """Return what `packed` made bytes of, on a machine of the same kind."""
        *lengths, total = _HEAD.unpack_from(content)
        starts = [*accumulate(lengths, initial=_HEAD.size)]
        ends, sids, unmatchable = (content[start:end] for start, end in pairwise(starts))
        pairs = ((str(name), int(item)) for name, item in orjson.loads(unmatchable))
        rest = content[starts[-1] :]
        return cls(rest, array(_ENDS, ends), sids, frozenset(pairs), None if total < 0 else total)

    def page(self, number: int, size: int) -> Page:
        """Return page `number`; it is empty past the end."""
        total = len(self.ends)
        first, last = min(number * size, total), min((number + 1) * size, total)
        return Page(self.text[self._start(first) : self._start(last)], last - first, number, size, total)

    def matching(self, operation: List, style: Style) -> "RenderedList":
        """Return the items that match both filters of `operation`."""
        if operation.phone_number is None and operation.friendly_name is None:
            return self
        texts = [self._item(index) for index in self._matching(operation, style)]
        return RenderedList(b"".join(texts), _ends(map(len, texts)), _lines(map(_sid, texts)))

    def one(self, sid: str) -> Item | None:
        """Return the item of that Sid, None where the list has none."""
        at = self.sids.find(f"\n{sid}\n".encode())
        return None if at < 0 else Item(self._item(self.sids.count(b"\n", 0, at)))

    def _matching(self, operation: List, style: Style) -> Sequence[int]:
        wanted: dict[str, str | None] = {"FriendlyName": operation.friendly_name}
        if operation.phone_number is not None:
            wanted["PhoneNumber"] = style.number(operation.phone_number) or ""
        sets = [set(self._with_child(name, text)) for name, text in wanted.items() if text is not None]
        return sorted(set.intersection(*sets))

    def _with_child(self, name: str, text: str) -> Iterator[int]:
        """Yield the items that have this child. Within an element's text nothing looks like another's tag."""
        wanted, at = child(name, text).encode(), -1
        while (at := self.text.find(wanted, at + 1)) >= 0:
            index = bisect_right(self.ends, at)
            if (name, index) not in self.unmatchable:
                yield index

    def _item(self, index: int) -> bytes:
        return self.text[self._start(index) : self.ends[index]]

    def _start(self, index: int) -> int:
        return self.ends[index - 1] if index else 0


def _all_north_american(phone_numbers: Sequence[str]) -> bool:
    lines = "\n".join(["", *phone_numbers])
    # A number that is several lines makes more of them than there are numbers
    return lines.count("\n+1") == lines.count("\n") == len(phone_numbers)


def _ends(sizes: Iterable[int]) -> "array[int]":
    return array(_ENDS, accumulate(sizes))


def _lines(sids: Iterable[str]) -> bytes:
    return "\n".join(["", *sids, ""]).encode()


def _sid(text: bytes) -> str:
    found = _SID.search(text)
    return found[1].decode() if found else ""


NOTHING = RenderedList(b"", _ends(()), _lines(()))


class ListWriter:
    """Writes caller IDs, some at a time, leaving out those that the list does not show."""

    def __init__(self, style: Style) -> None:
        """Start with none."""
        self.replaced = 0
        """Texts in which a character was replaced."""
        self._style = style
        self._texts: list[bytes] = []  # of all that came together: to join ten thousand takes its time
        self._sizes: list[int] = []
        self._sids: list[str] = []
        self._veiled: list[tuple[str, int]] = []

    def add(self, caller_ids: CallerIds) -> None:
        """Write some more."""
        if self._style.outside_nanp == "skip":
            numbers = self._style.numbers(caller_ids.phone_number)
            caller_ids = caller_ids.only([number is not None for number in numbers])
        elif not _all_north_american(caller_ids.phone_number):
            self._veil("PhoneNumber", map(self._looks_north_american, caller_ids.phone_number))
            self.replaced += count_illegible(self._style.numbers(caller_ids.phone_number))
        if not is_legible("".join(caller_ids.friendly_name)):
            self._veil("FriendlyName", (not is_legible(name) for name in caller_ids.friendly_name))
            self.replaced += count_illegible(caller_ids.friendly_name)
        texts = _write(CALLER_ID.columns(caller_ids, self._style))
        self._texts.append(b"".join(texts))
        self._sizes += map(len, texts)
        self._sids += caller_ids.sid

    def _looks_north_american(self, phone_number: str) -> bool:
        shown = self._style.number(phone_number) or ""
        return not phone_number.startswith("+1") and _TEN_DIGITS.fullmatch(shown) is not None

    def _veil(self, name: str, are_veiled: Iterable[bool]) -> None:
        first = len(self._sizes)
        self._veiled += [(name, first + index) for index, is_veiled in enumerate(are_veiled) if is_veiled]

    def listed(self, source: object = ()) -> RenderedList:
        """Return what has been written, which was read from there."""
        return RenderedList(
            b"".join(self._texts),
            _ends(self._sizes),
            _lines(self._sids),
            frozenset(self._veiled),
            source=source,
        )
