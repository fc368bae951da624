"""Conversions for whole columns of JSON, where every value is written in the usual way.

Each returns what the conversion of that name returns for every value by itself, or raises one of UNUSUAL, and
then they have to be read one by one.
"""

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from proxy.memo import Memo, remembering
from proxy.upstream.conversions import ReadName, iso_8601

UNUSUAL = (LookupError, TypeError)
"""What they raise for all else."""

_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_KNOWN_DATES = 4096
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {f"{weekday}, {day:02}": day - 1 for weekday in calendar.day_abbr for day in range(1, 32)}
_MINUTES = {
    f"{mark}{hour:02}:{minute:02}": hour * 3600 + minute * 60
    for mark in " T"
    for hour in range(24)
    for minute in range(60)
}
_SECONDS = {f":{second:02}": second for second in range(60)}
_SECONDS_UTC = {f"{written} +0000": second for written, second in _SECONDS.items()}
_UTC = re.compile(r"(?:[.,][0-9]{1,9})?(?:Z|[+-]00(?::?00)?)?")


def _midnights(month: str) -> range:
    """Return the first second of each day of ` Apr 2008`."""
    if not re.fullmatch(" [A-Z][a-z]{2} (?:19|2[0-9])[0-9]{2}", month):
        raise LookupError
    number, year = _MONTHS[month[1:4]], int(month[5:])
    first = date(year, number, 1).toordinal() - _EPOCH
    return range(first * _DAY, (first + calendar.monthrange(year, number)[1]) * _DAY, _DAY)


def _midnight_iso(day: str) -> int:
    """Return the first second of `2008-04-01`."""
    if (seconds := iso_8601(day)) is None:
        raise LookupError
    return seconds


_months = Memo(_midnights, 2048)
_iso_days = Memo(_midnight_iso, 16_384)


def _texts(column: list[Any]) -> list[Any]:
    "".join(column)  # a TypeError where anything is no text
    return column


def _rfc_2822_dates(column: Sequence[Any]) -> list[Any]:
    return [
        _months[text[7:16]][_DAYS[text[:7]]] + _MINUTES[text[16:22]] + _SECONDS_UTC[text[22:]]
        for text in column
    ]


def _iso_8601_dates(column: Sequence[Any]) -> list[Any]:
    if not all(map(_UTC.fullmatch, {text[19:] for text in column})):
        raise LookupError
    return [_iso_days[text[:10]] + _MINUTES[text[10:16]] + _SECONDS[text[16:19]] for text in column]


COLUMNS: Mapping[ReadName, Callable[[list[Any]], list[Any]]] = {
    "text": _texts,
    "e164": _texts,
    "rfc2822": remembering(_rfc_2822_dates, _KNOWN_DATES),
    "iso8601": (_iso := remembering(_iso_8601_dates, _KNOWN_DATES)),
    "date": _iso,
}
