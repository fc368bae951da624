"""The conversions that a profile may name: their functions, and their rows in `CONVERSIONS`. Pure.

A reader raises UnreadableError for a value that it cannot take; it never guesses and never truncates.
A reader of columns converts the values of a whole page at once where all have the usual form, and raises one
of `UNUSUAL` where one has not: then the values are read one by one.

To add a conversion, add its name to `ReadName`, and to `WriteName` if it can write; write its functions and
add a row to the table.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache, partial
from itertools import pairwise
from math import isfinite
from typing import Any, Literal, NamedTuple

from proxy.errors import BAD_PHONE_NUMBER, LegacyError, Reason, UpstreamError

ReadName = Literal[
    "text",
    "filled_text",
    "integer",
    "boolean",
    "e164",
    "digits",
    "ten_digits",
    "formatted",
    "rfc2822",
    "iso8601",
    "date",
    "epoch_seconds",
    "epoch_milliseconds",
    "any_date",
    "six_digits",
]
WriteName = Literal["text", "integer", "boolean", "e164", "digits", "ten_digits"]
TypeName = Literal["text", "integer", "boolean"]
"""What a value of an item, whose meaning is unknown, is written as."""

UNUSUAL = (LookupError, TypeError)
"""What a column reader raises where a value has not the usual form."""


class UnreadableError(ValueError):
    """A value from the upstream is not what the profile says it is; the message is what it should be."""


# Texts and whole numbers

_MAX_WRITTEN = 256  # characters of a number or a date as people write them
_JSON_INTEGERS = range(-(2**63), 2**64)
_MAX_TOKEN = 8 * 1024  # characters of what goes back to the upstream


def read_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise UnreadableError("text")


def _read_texts(column: list[Any]) -> list[Any]:
    "".join(column)  # a TypeError where anything is not text
    return column


def read_filled_text(value: Any) -> str | None:
    """Read a text of an upstream that writes an empty one for none."""
    text = read_text(value)
    return text if text.strip() else None


def read_integer(value: Any) -> str:
    digits = read_text(value)
    if not re.fullmatch("-?[0-9]{1,20}", digits):
        raise UnreadableError("a whole number")
    return digits


def _write_integer(value: Any) -> int:
    """Write an account, an id or the digits of a phone number as a number.

    One that is not a number does not fit its upstream.
    """
    if not re.fullmatch("[+-]?[0-9]{1,20}", str(value)) or int(value) not in _JSON_INTEGERS:
        raise UpstreamError(Reason.REQUEST, expected="a whole number")
    return int(value)


def read_boolean(value: Any) -> str:
    word = str(value).lower() if isinstance(value, bool | str) else ""
    if word not in ("true", "false"):
        raise UnreadableError("true or false")
    return word


def read_six_digits(value: Any) -> str:
    """Read a validation code, as text or as a number that has lost its leading zeros."""
    code = f"{value:06}" if isinstance(value, int) and not isinstance(value, bool) else read_text(value)
    if not re.fullmatch("[0-9]{6}", code):
        raise UnreadableError("a code of six digits")
    return code


def read_opaque(value: Any) -> str | int:
    """Read a token that goes back to the upstream; UnreadableError for one that a call cannot hold."""
    match value:
        case str() if len(value) <= _MAX_TOKEN and not re.search("[\ud800-\udfff]", value):
            return value
        case int() if not isinstance(value, bool) and value in _JSON_INTEGERS:
            return value
    raise UnreadableError("text or a number that a call can hold")


# Phone numbers. A text that is not a number stays as it is


def read_digits(value: Any) -> str:
    """Read a number that lacks its plus sign."""
    digits = read_text(value)
    return f"+{digits}" if re.fullmatch("[1-9][0-9]{6,14}", digits) else digits


def read_ten_digits(value: Any) -> str:
    """Read a North American number without its country code; more digits have theirs."""
    digits = read_text(value)
    if re.fullmatch("[0-9]{10}", digits):
        return f"+1{digits}"
    return read_digits(digits) if len(digits) > 10 else digits


def _write_ten_digits(number: str) -> str:
    if not re.fullmatch(r"\+1[0-9]{10}", number):
        raise LegacyError(BAD_PHONE_NUMBER)
    return number[2:]


def read_formatted(value: Any) -> str:
    """Read a number as people write it, for example `1 (415) 867-5309`."""
    written = read_text(value)
    digits = re.sub(r"[\s().\-/]", "", written[:_MAX_WRITTEN])
    found = re.fullmatch(r"\+[1-9][0-9]{6,14}|(1?)([2-9][0-9]{9})", digits)
    if not found or len(written) > _MAX_WRITTEN:
        return written
    return f"+1{found[2]}" if found[2] else digits


# Dates, as seconds since the epoch; None for a text that is not a date

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_RFC_2822 = re.compile(
    r"(?:[A-Z][a-z]{2}, )?([0-9]{1,2} [A-Z][a-z]{2} [0-9]{4}) "
    r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]) ([+-])([01][0-9])([0-5][0-9])"
)


def parse_rfc_2822(value: Any) -> int | None:
    """Read `Tue, 01 Apr 2008 18:26:32 +0000`."""
    found = _RFC_2822.fullmatch(value) if isinstance(value, str) else None
    try:
        if not found:
            return _to_epoch(parsedate_to_datetime(read_text(value)[:_MAX_WRITTEN]))
        day, hour, minute, second, sign, offset_hours, offset_minutes = found.groups()
        offset = int(offset_hours) * 3600 + int(offset_minutes) * 60
        of_day = int(hour) * 3600 + int(minute) * 60 + int(second)
        return _parse_midnight(day) + of_day + (offset if sign == "-" else -offset)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def _parse_midnight(day: str) -> int:
    number, month, year = day.split(" ")
    return _to_epoch(datetime(int(year), _MONTHS.index(month) + 1, int(number), tzinfo=UTC))


_ISO_8601 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]((?:[01][0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2})?)(?:[.,][0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


def parse_iso_8601(value: Any) -> int | None:
    """Read `2008-04-01T18:26:32.123456789Z`; UTC where there is no zone.

    Python's own parser takes at most six digits of a fraction, so the fraction is removed first. From 3.14 on
    it reads 24:00 as the next day, so an hour is at most 23.
    """
    found = _ISO_8601.fullmatch(value) if isinstance(value, str) else None
    try:
        if not found:
            return None
        day, time, zone = found.groups()
        return _to_epoch(datetime.fromisoformat(f"{day}T{time or '00:00'}{zone or '+00:00'}"))
    except ValueError:
        return None


def _parse_epoch(value: Any, unit: int) -> int | None:
    """Read units since 1970, `unit` of which make a second, as a number or as text."""
    whole = int(value) if isinstance(value, float) and isfinite(value) else value
    found = re.fullmatch(r"(-?[0-9]{1,18})(\.[0-9]*)?", read_text(whole)[:_MAX_WRITTEN])
    try:
        return _to_epoch(datetime.fromtimestamp(int(found[1]) // unit, UTC)) if found else None
    except (ValueError, OverflowError, OSError):
        return None


def _parse_any_date(value: Any) -> int | None:
    """Read a date of any form; a number that would be beyond the year 2999 is in milliseconds."""
    for parse in (parse_iso_8601, partial(_parse_epoch, unit=1), partial(_parse_epoch, unit=1000)):
        if (found := parse(value)) is not None:
            return found
    return parse_rfc_2822(value)


def _to_epoch(time: datetime) -> int:
    """Return seconds since the epoch; UTC where there is no zone. ValueError outside 1900 to 2999."""
    if not 1900 <= time.year < 3000:
        raise ValueError(time.year)
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


# Columns of dates from 1970 to 2099 in UTC. Small tables stay in the processor's cache: one table of all days
# is much slower than two of months and of their days. They are built for the first list.

_Table = Mapping[str, int]
_Tables = tuple[Mapping[str, range], _Table, _Table, _Table]
"""Months → the first second of each of their days; days, minutes and seconds → an index or seconds."""
_Slices = tuple[slice, slice, slice, slice]
"""Where months, days, minutes and seconds are: to make a slice takes as long as to cut it out."""

_RFC_2822_SLICES = slice(7, 16), slice(7), slice(16, 22), slice(22, None)
_ISO_8601_SLICES = slice(7), slice(7, 10), slice(10, 16), slice(16, 19)
_ISO_8601_END = re.compile(r"(?:[.,][0-9]{1,9})?(?:Z|[+-]00(?::?00)?)?")


def _read_rfc_2822_column(column: Sequence[Any]) -> list[Any]:
    return _look_up_column(column, _RFC_2822_SLICES, _rfc_2822_tables())


def _read_iso_8601_column(column: Sequence[Any]) -> list[Any]:
    if not all(map(_ISO_8601_END.fullmatch, {text[19:] for text in column})):
        raise LookupError
    return _look_up_column(column, _ISO_8601_SLICES, _iso_8601_tables())


def _look_up_column(column: Sequence[Any], slices: _Slices, tables: _Tables) -> list[Any]:
    month, day, minute, second = slices
    months, days, minutes, seconds = tables
    return [
        months[text[month]][days[text[day]]] + (minutes[text[minute]] + seconds[text[second]])
        for text in column
    ]


@cache
def _rfc_2822_tables() -> _Tables:
    return (
        {f" {_MONTHS[month - 1]} {year}": days for (year, month), days in _midnights().items()},
        {f"{weekday}, {day:02}": day - 1 for weekday in _WEEKDAYS for day in range(1, 32)},
        _minutes(" "),
        {f":{second:02} +0000": second for second in range(60)},
    )


@cache
def _iso_8601_tables() -> _Tables:
    return (
        {f"{year}-{month:02}": days for (year, month), days in _midnights().items()},
        {f"-{day:02}": day - 1 for day in range(1, 32)},
        _minutes(" T"),
        {f":{second:02}": second for second in range(60)},
    )


@cache
def _midnights() -> Mapping[tuple[int, int], range]:
    """Return the first second of each day, by year and month."""
    epoch, day = date(1970, 1, 1), 86_400
    months = [(year, month) for year in range(1970, 2101) for month in range(1, 13)]
    return {
        month: range((date(*month, 1) - epoch).days * day, (date(*following, 1) - epoch).days * day, day)
        for month, following in pairwise(months)
        if month[0] < 2100
    }


def _minutes(separators: str) -> _Table:
    times = [(hour, minute) for hour in range(24) for minute in range(60)]
    return {
        f"{before}{hour:02}:{minute:02}": hour * 3600 + minute * 60
        for before in separators
        for hour, minute in times
    }


# The table


class Conversion(NamedTuple):
    """What the program has to know of a conversion."""

    read: Callable[[Any], Any]
    """From the upstream's JSON to the model."""
    reads: frozenset[str] = frozenset()
    """Names of the values that may be read so. Which conversions read an id is a matter of its codec."""
    write: Callable[[Any], Any] | None = None
    """From an operation to a parameter of a call."""
    writes: frozenset[str] = frozenset()
    """Names of the values that may be written so."""
    read_column: Callable[[list[Any]], list[Any]] | None = None
    """Reads many values at once."""
    can_lack: bool = False
    """Whether a value that is there may count as none."""


_NUMBERS = frozenset({"phone_number", "pending"})
_DATES = frozenset({"date_created", "date_updated"})
_IDS = frozenset({"id", "phone_number"})
_COUNTS = frozenset({"account", "call_delay", "code"})
_NAMES = frozenset({"account", "friendly_name"})

CONVERSIONS: Mapping[ReadName, Conversion] = {
    "text": Conversion(
        read_text, _NAMES | _NUMBERS | {"code"}, str, _IDS | _COUNTS | {"friendly_name"}, _read_texts
    ),
    "filled_text": Conversion(
        read_filled_text,
        frozenset({"friendly_name"}),
        read_column=lambda column: [text if text.strip() else None for text in _read_texts(column)],
        can_lack=True,
    ),
    "integer": Conversion(read_integer, _NAMES | {"pending"}, _write_integer, _IDS | _COUNTS),
    "boolean": Conversion(read_boolean, write=lambda value: str(value).lower() == "true"),
    "e164": Conversion(read_text, _NUMBERS, str, _IDS, _read_texts),
    "digits": Conversion(read_digits, _NUMBERS, lambda number: str(number).removeprefix("+"), _IDS),
    "ten_digits": Conversion(read_ten_digits, _NUMBERS, _write_ten_digits, _IDS),
    "formatted": Conversion(read_formatted, frozenset({"phone_number"})),
    "rfc2822": Conversion(parse_rfc_2822, _DATES, read_column=_read_rfc_2822_column),
    "iso8601": Conversion(parse_iso_8601, _DATES, read_column=_read_iso_8601_column),
    "date": Conversion(parse_iso_8601, _DATES, read_column=_read_iso_8601_column),
    "epoch_seconds": Conversion(partial(_parse_epoch, unit=1), _DATES),
    "epoch_milliseconds": Conversion(partial(_parse_epoch, unit=1000), _DATES),
    "any_date": Conversion(_parse_any_date, _DATES),
    "six_digits": Conversion(read_six_digits, frozenset({"code"})),
}

READ = {name: row.read for name, row in CONVERSIONS.items()}
READ_COLUMN = {name: row.read_column for name, row in CONVERSIONS.items() if row.read_column}
WRITE: Mapping[str, Callable[[Any], Any]] = {
    name: row.write for name, row in CONVERSIONS.items() if row.write
}


def list_readers(value: str) -> frozenset[str]:
    return frozenset(name for name, row in CONVERSIONS.items() if value in row.reads)


def list_writers(value: str) -> frozenset[str]:
    return frozenset(name for name, row in CONVERSIONS.items() if value in row.writes)


# Names for caller IDs without one

DefaultName = Literal["formatted_number"]


def format_number(phone_number: str) -> str:
    """Write a number as 2008 named a caller ID without a name: `(415) 867-5309`; outside +1 as it is."""
    found = re.fullmatch(r"\+1([0-9]{3})([0-9]{3})([0-9]{4})", phone_number)
    return f"({found[1]}) {found[2]}-{found[3]}" if found else phone_number


DEFAULT_NAMES: Mapping[DefaultName, Callable[[str], str]] = {"formatted_number": format_number}
"""By kind: from a number as E.164 to its name."""


def is_default_name(name: str) -> bool:
    """Whether `format_number` may have written `name`."""
    return re.fullmatch(r"\([0-9]{3}\) [0-9]{3}-[0-9]{4}|\+[0-9]+", name) is not None
