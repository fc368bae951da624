"""Conversions for whole columns of JSON, where every value is written in the usual way.

Each returns what the conversion of that name returns for every value by itself, or raises one of UNUSUAL, and
then they have to be read one by one.
"""

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from proxy.profile.conversions import ReadName

UNUSUAL = (LookupError, TypeError)
"""What they raise for all else."""


def _midnights(year: int, month: int) -> range:
    """Return the first second of each day of a month."""
    day = 86_400
    first = (date(year, month, 1) - date(1970, 1, 1)).days
    return range(first * day, (first + calendar.monthrange(year, month)[1]) * day, day)


# Small tables stay near the processor: one of all days is much slower than two of months and of their days
_MONTHS = {(year, month): _midnights(year, month) for year in range(1970, 2100) for month in range(1, 13)}
_RFC_MONTHS = {f" {calendar.month_abbr[month]} {year}": _MONTHS[year, month] for year, month in _MONTHS}
_RFC_DAYS = {f"{weekday}, {day:02}": day - 1 for weekday in calendar.day_abbr for day in range(1, 32)}
_ISO_MONTHS = {f"{year}-{month:02}": _MONTHS[year, month] for year, month in _MONTHS}
_ISO_DAYS = {f"-{day:02}": day - 1 for day in range(1, 32)}
_MINUTES = {
    f" {hour:02}:{minute:02}": hour * 3600 + minute * 60 for hour in range(24) for minute in range(60)
}
_ISO_MINUTES = _MINUTES | {text.replace(" ", "T"): seconds for text, seconds in _MINUTES.items()}
_ISO_SECONDS = {f":{second:02}": second for second in range(60)}
_RFC_SECONDS = {f"{text} +0000": second for text, second in _ISO_SECONDS.items()}
_ISO_END = re.compile(r"(?:[.,][0-9]{1,9})?(?:Z|[+-]00(?::?00)?)?")

# To make a slice takes as long as to cut it out
_RFC_DAY, _RFC_MONTH, _RFC_MINUTE, _RFC_SECOND = slice(7), slice(7, 16), slice(16, 22), slice(22, None)
_ISO_MONTH, _ISO_DAY, _ISO_MINUTE, _ISO_SECOND = slice(7), slice(7, 10), slice(10, 16), slice(16, 19)


def _texts(column: list[Any]) -> list[Any]:
    "".join(column)  # a TypeError where anything is no text
    return column


def _rfc_2822_dates(column: Sequence[Any]) -> list[Any]:
    return [
        _RFC_MONTHS[text[_RFC_MONTH]][_RFC_DAYS[text[_RFC_DAY]]]
        + (_MINUTES[text[_RFC_MINUTE]] + _RFC_SECONDS[text[_RFC_SECOND]])
        for text in column
    ]


def _iso_8601_dates(column: Sequence[Any]) -> list[Any]:
    if not all(map(_ISO_END.fullmatch, {text[19:] for text in column})):
        raise LookupError
    return [
        _ISO_MONTHS[text[_ISO_MONTH]][_ISO_DAYS[text[_ISO_DAY]]]
        + (_ISO_MINUTES[text[_ISO_MINUTE]] + _ISO_SECONDS[text[_ISO_SECOND]])
        for text in column
    ]


COLUMNS: Mapping[ReadName, Callable[[list[Any]], list[Any]]] = {
    "text": _texts,
    "e164": _texts,
    "rfc2822": _rfc_2822_dates,
    "iso8601": _iso_8601_dates,
    "date": _iso_8601_dates,
}
