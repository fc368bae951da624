"""Columns of caller IDs in little memory: Sids as one text, dates as eight bytes each."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from struct import Struct
from typing import overload

from proxy.model import CallerIds

_SID_LENGTH = 34


@dataclass(frozen=True, slots=True)
class PackedSids(Sequence[str]):
    """A column of Sids, which all have the same length, as one text."""

    text: bytes

    @classmethod
    def of(cls, sids: Iterable[str]) -> "PackedSids":
        """Pack `sids`."""
        return cls("".join(sids).encode("ascii"))

    def __len__(self) -> int:
        return len(self.text) // _SID_LENGTH

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        if isinstance(at, int):
            return self._sid(range(len(self))[at])
        return [self._sid(index) for index in range(len(self))[at]]

    def find(self, sid: str) -> int:
        """Return the row of `sid`, -1 where there is none.

        No Sid is found across two of them: `P` is no hexadecimal digit.
        """
        at = self.text.find(sid.encode()) if len(sid) == _SID_LENGTH else -1
        return at // _SID_LENGTH

    def _sid(self, index: int) -> str:
        return self.text[index * _SID_LENGTH : (index + 1) * _SID_LENGTH].decode()


_NO_DATE = -(2**63)


@dataclass(frozen=True, slots=True)
class PackedDates(Sequence[int | None]):
    """A column of dates, in seconds since the epoch, eight bytes each."""

    seconds: "array[int]"

    @classmethod
    def of(cls, dates: Sequence[int | None]) -> "PackedDates":
        """Pack `dates`."""
        if None in dates:
            dates = [_NO_DATE if each is None else each for each in dates]
        return cls(array("q", dates))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.seconds)

    @overload
    def __getitem__(self, at: int) -> int | None: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[int | None]: ...
    def __getitem__(self, at: int | slice) -> int | Sequence[int | None] | None:
        if isinstance(at, int):
            return _date(self.seconds[at])
        return list(map(_date, self.seconds[at]))


def _date(seconds: int) -> int | None:
    return None if seconds == _NO_DATE else seconds


def pack(caller_ids: CallerIds) -> CallerIds:
    """Return the same rows in little memory."""
    return CallerIds(
        PackedSids.of(caller_ids.sid),
        tuple(caller_ids.account_sid),
        tuple(caller_ids.friendly_name),
        tuple(caller_ids.phone_number),
        PackedDates.of(caller_ids.date_created),
        PackedDates.of(caller_ids.date_updated),
    )


_HEAD = Struct("<QQQ")


def to_bytes(packed: CallerIds) -> bytes:
    """Return packed rows as bytes, for machines of the same kind."""
    texts = [*packed.account_sid, *packed.friendly_name, *packed.phone_number]
    sizes, values = array("Q", map(len, texts)).tobytes(), "".join(texts).encode("utf-8", "surrogatepass")
    dates = PackedDates.of([*packed.date_created, *packed.date_updated]).seconds.tobytes()
    sids = "".join(packed.sid).encode()
    return b"".join((_HEAD.pack(len(packed), len(values), len(sids)), sids, dates, sizes, values))


def from_bytes(content: bytes) -> CallerIds:
    """Return the rows that `to_bytes` made bytes of; ValueError or struct.error for anything else."""
    count, length, width = _HEAD.unpack_from(content)
    starts = accumulate((width, 2 * 8 * count, 3 * 8 * count, length), initial=_HEAD.size)
    sids, dates, sizes, values = (content[start:end] for start, end in pairwise(starts))
    together = values.decode("utf-8", "surrogatepass")
    texts = tuple(together[start:end] for start, end in pairwise(accumulate(array("Q", sizes), initial=0)))
    seconds = array("q", dates)
    return CallerIds(
        PackedSids(sids),
        texts[:count],
        texts[count : 2 * count],
        texts[2 * count :],
        PackedDates(seconds[:count]),
        PackedDates(seconds[count:]),
    )
