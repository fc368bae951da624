"""Cached lists: the XML of every item, written once, and beside it the values that it was written from.

Pages and items in XML are slices of that text. Filters compare values; other formats are written from them.
"""

import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from struct import Struct

from proxy.legacy.elements import CALLER_ID, Style
from proxy.legacy.markup import writer
from proxy.legacy.packed import PackedCallerIds
from proxy.legacy.text import count_illegible, is_legible
from proxy.model import NO_CALLER_IDS, CallerId, CallerIds, List

_write = writer(CALLER_ID)


@dataclass(frozen=True, slots=True)
class Item:
    """One caller ID of a list."""

    rows: "RenderedList"
    index: int

    @property
    def text(self) -> bytes:
        """Its XML."""
        return self.rows.slice(self.index, self.index + 1)

    @property
    def caller_id(self) -> CallerId:
        """The values that it was written from."""
        return next(iter(self.rows.values[self.index : self.index + 1]))


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of a (filtered) list together with the size of the whole."""

    rows: "RenderedList"
    first: int
    """Row of its first item."""
    count: int
    """Of its items."""
    number: int
    """Zero-based, as asked; it may lie past the end."""
    size: int
    total: int

    @property
    def text(self) -> bytes:
        """The XML of its items, one after the other."""
        return self.rows.slice(self.first, self.first + self.count)

    @property
    def caller_ids(self) -> CallerIds:
        """The values that they were written from."""
        return self.rows.values[self.first : self.first + self.count]


@dataclass(frozen=True, slots=True)
class RenderedList:
    """A whole list, what a filter leaves of it, or one page of it that was asked for by itself."""

    text: bytes
    """The XML of its items, one after the other."""
    ends: "array[int]"
    """Where each item ends in `text`, in bytes."""
    values: PackedCallerIds
    """The values that they were written from."""
    total: int | None = None
    """Items of the whole list, where this is only a page of it."""
    nbytes: int = field(default=0, compare=False)
    """Memory that the list takes, an upper bound."""

    def __len__(self) -> int:
        return len(self.ends)

    def page(self, number: int, size: int) -> Page:
        """Return page `number`; it is empty past the end."""
        total = len(self.ends)
        first, last = min(number * size, total), min((number + 1) * size, total)
        return Page(self, first, last - first, number, size, total)

    def as_page(self, number: int, size: int) -> Page:
        """Return the whole of what is already page `number`."""
        return Page(self, 0, len(self), number, size, len(self) if self.total is None else self.total)

    def matching(self, operation: List) -> "RenderedList":
        """Return the items that match both filters of `operation`."""
        if operation.phone_number is None and operation.friendly_name is None:
            return self
        rows = self.values.matching(operation)
        texts = [self.slice(row, row + 1) for row in rows]
        caller_ids = CallerIds.joined([self.values[row : row + 1] for row in rows])
        return RenderedList(b"".join(texts), _ends(map(len, texts)), PackedCallerIds.pack(caller_ids))

    def item(self, sid: str) -> Item | None:
        """Return the item of that Sid, None where the list has none."""
        row = self.values.find(sid)
        return None if row < 0 else Item(self, row)

    def slice(self, first: int, last: int) -> bytes:
        """Return the XML of the rows from `first` to before `last`."""
        return self.text[self._start(first) : self._start(last)]

    def _start(self, row: int) -> int:
        return self.ends[row - 1] if row else 0

    def to_bytes(self) -> bytes:
        """Return the list as bytes, for replicas on machines of the same kind."""
        rows, ends = self.values.to_bytes(), self.ends.tobytes()
        total = -1 if self.total is None else self.total
        return b"".join((_HEAD.pack(len(ends), len(rows), total, self.nbytes), ends, rows, self.text))

    @classmethod
    def from_bytes(cls, content: bytes) -> "RenderedList":
        """Return the list that `to_bytes` made bytes of; ValueError or struct.error for anything else."""
        *lengths, total, nbytes = _HEAD.unpack_from(content)
        starts = [*accumulate(lengths, initial=_HEAD.size)]
        ends, rows = (content[start:end] for start, end in pairwise(starts))
        values, text = PackedCallerIds.from_bytes(rows), content[starts[-1] :]
        return cls(text, array(_ENDS, ends), values, None if total < 0 else total, nbytes)


_ENDS = "Q"
_HEAD = Struct("<QQqQ")


def _ends(sizes: Iterable[int]) -> "array[int]":
    return array(_ENDS, accumulate(sizes))


EMPTY_LIST = RenderedList(b"", _ends(()), PackedCallerIds.pack(NO_CALLER_IDS))


class ListWriter:
    """Writes caller IDs, some at a time, leaving out those that the list does not show."""

    def __init__(self, style: Style) -> None:
        self.replaced = 0
        """Texts in which a character was replaced."""
        self._style = style
        self._texts: list[bytes] = []  # one for each call of `add`: joining ten thousand takes its time
        self._sizes: list[int] = []
        self._caller_ids: list[CallerIds] = []
        self._nbytes = 0

    def add(self, caller_ids: CallerIds) -> None:
        if self._style.outside_nanp == "skip":
            shown = self._style.numbers(caller_ids.phone_number)
            caller_ids = caller_ids.only([number is not None for number in shown])
        names, numbers = "".join(caller_ids.friendly_name), "".join(caller_ids.phone_number)
        if not is_legible(names):  # all together: ten times as fast as one by one
            self.replaced += count_illegible(caller_ids.friendly_name)
        if not is_legible(numbers):
            self.replaced += count_illegible(self._style.numbers(caller_ids.phone_number))
        self._nbytes += sys.getsizeof(names) + sys.getsizeof(numbers) + len(caller_ids) * _ROW_BYTES
        texts = _write(CALLER_ID.columns(caller_ids, self._style))
        self._texts.append(b"".join(texts))
        self._sizes += map(len, texts)
        self._caller_ids.append(caller_ids)

    def listed(self) -> RenderedList:
        """Return what has been written."""
        text, caller_ids = b"".join(self._texts), CallerIds.joined(self._caller_ids)
        values, nbytes = PackedCallerIds.pack(caller_ids), len(text) + self._nbytes
        return RenderedList(text, _ends(self._sizes), values, nbytes=nbytes)


# Sid, account, dates and end of a row, then two texts: a pointer and an object each beside its characters
_ROW_BYTES = 34 + 8 + 2 * 8 + 8 + 2 * (8 + sys.getsizeof(""))
