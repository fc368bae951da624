"""Caller IDs in little memory: Sids as one text, dates as eight bytes each."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from struct import Struct
from typing import Any

from proxy.model import CallerIds, List, matching_rows

_SID_LENGTH = 34
_NO_DATE = -(2**63)
_HEAD = Struct("<QQ")


@dataclass(frozen=True, slots=True)
class PackedCallerIds:
    """The columns of many caller IDs; a slice of it is unpacked."""

    sids: bytes
    texts: tuple[tuple[str, ...], ...]
    """The columns account_sid, friendly_name and phone_number."""
    dates: "array[int]"
    """The columns date_created and date_updated, one after the other."""

    @classmethod
    def pack(cls, caller_ids: CallerIds) -> "PackedCallerIds":
        columns = caller_ids.account_sid, caller_ids.friendly_name, caller_ids.phone_number
        dates = _pack_dates([*caller_ids.date_created, *caller_ids.date_updated])
        return cls("".join(caller_ids.sid).encode("ascii"), tuple(map(tuple, columns)), dates)

    def __len__(self) -> int:
        return len(self.texts[0])

    def __getitem__(self, rows: slice) -> CallerIds:
        count = len(self)
        start, stop, _ = rows.indices(count)
        parts = self.dates[start:stop], self.dates[count + start : count + stop]
        dates = ([None if at == _NO_DATE else at for at in part] for part in parts)
        starts = range(start * _SID_LENGTH, stop * _SID_LENGTH, _SID_LENGTH)
        sids = [self.sids[at : at + _SID_LENGTH].decode() for at in starts]
        return CallerIds(sids, *(column[rows] for column in self.texts), *dates)  # type: ignore[arg-type]

    def matching(self, operation: List) -> Sequence[int]:
        """Return the rows that match both filters of `operation`."""
        _, names, numbers = self.texts
        return matching_rows(numbers, names, operation)

    def find(self, sid: str) -> int:
        """Return the row of `sid`, -1 where there is none.

        No Sid is found across two of them: `P` is no hexadecimal digit.
        """
        at = self.sids.find(sid.encode()) if len(sid) == _SID_LENGTH else -1
        return at // _SID_LENGTH

    def to_bytes(self) -> bytes:
        """Return the rows as bytes, for machines of the same kind."""
        texts = [text for column in self.texts for text in column]
        sizes, values = array("Q", map(len, texts)), "".join(texts).encode("utf-8", "surrogatepass")
        head = _HEAD.pack(len(self), len(self.sids))
        return b"".join((head, self.sids, self.dates.tobytes(), sizes.tobytes(), values))

    @classmethod
    def from_bytes(cls, content: bytes) -> "PackedCallerIds":
        """Return the rows that `to_bytes` made bytes of; ValueError or struct.error for anything else."""
        count, length = _HEAD.unpack_from(content)
        starts = [*accumulate((length, 2 * 8 * count, 3 * 8 * count), initial=_HEAD.size)]
        *cuts, end = starts
        sids, dates, sizes = (content[start:stop] for start, stop in pairwise((*cuts, end)))
        values = content[end:].decode("utf-8", "surrogatepass")
        texts = tuple(
            values[start:stop] for start, stop in pairwise(accumulate(array("Q", sizes), initial=0))
        )
        columns = tuple(texts[column * count : (column + 1) * count] for column in range(3))
        return cls(sids, columns, array("q", dates))


def _pack_dates(dates: list[Any]) -> "array[int]":
    try:
        return array("q", dates)
    except TypeError:  # some are None, which few upstreams have
        return array("q", [_NO_DATE if each is None else each for each in dates])
