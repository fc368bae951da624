"""The closed list of conversions that a profile may name, in both directions.

A reader raises UnreadableError for what it cannot take; nothing is ever guessed or cut to fit.
"""

import calendar
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import isfinite
from typing import Any, Literal

from proxy.errors import BAD_PHONE_NUMBER, BAD_UPSTREAM, LegacyError


class UnreadableError(ValueError):
    """A value from the upstream is not what the profile says it is."""


# Upstream JSON → model

ReadName = Literal[
    "text",
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
    "six_digits",
]


def text(value: Any) -> str:
    """Take a string as it is, and a number as its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise UnreadableError("expected text")


def integer(value: Any) -> str:
    """Take a whole number, as a number or as text."""
    digits = text(value)
    if not re.fullmatch("-?[0-9]{1,18}", digits):
        raise UnreadableError("expected a whole number")
    return digits


def sent_back(value: Any) -> str | int:
    """Take what the upstream wants to see again, if a call can hold it: half a character it cannot."""
    match value:
        case str() if not re.search("[\ud800-\udfff]", value):
            return value
        case int() if not isinstance(value, bool) and value.bit_length() < 64:
            return value
    raise UnreadableError("expected something that can be sent back")


def boolean(value: Any) -> str:
    """Take true or false, as such or as text."""
    word = str(value).lower() if isinstance(value, bool | str) else ""
    if word not in ("true", "false"):
        raise UnreadableError("expected true or false")
    return word


def e164_from_digits(value: Any) -> str:
    """Take a number that lacks its plus sign; what is no number stays as it is."""
    digits = text(value)
    return f"+{digits}" if re.fullmatch("[1-9][0-9]{6,14}", digits) else digits


def e164_from_ten_digits(value: Any) -> str:
    """Take a North American number without its country code; what is none stays as it is."""
    digits = text(value)
    return f"+1{digits}" if re.fullmatch("[0-9]{10}", digits) else digits


def e164_from_formatted(value: Any) -> str:
    """Take a number however it is written for people, as `1 (415) 867-5309`; what is none stays as it is."""
    written = text(value)
    digits = re.sub(r"[\s().\-/]", "", written)
    found = re.fullmatch(r"\+[1-9][0-9]{6,14}|(1?)([2-9][0-9]{9})", digits)
    if not found:
        return written
    return f"+1{found[2]}" if found[2] else digits


def six_digits(value: Any) -> str:
    """Take a validation code, as text or as a number that has lost its leading zeros."""
    code = f"{value:06}" if isinstance(value, int) and not isinstance(value, bool) else text(value)
    if not re.fullmatch("[0-9]{6}", code):
        raise UnreadableError("expected a code of six digits")
    return code


_RFC_2822 = re.compile(
    r"(?:[A-Z][a-z]{2}, )?([0-9]{1,2} [A-Z][a-z]{2} [0-9]{4}) "
    r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]) ([+-])([01][0-9])([0-5][0-9])"
)
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}


@lru_cache(maxsize=4096)
def _midnight(day: str) -> int:
    number, month, year = day.split(" ")
    return _plausible(datetime(int(year), _MONTHS.get(month, 0), int(number), tzinfo=UTC))


def rfc_2822(value: Any) -> int | None:
    """Read `Tue, 01 Apr 2008 18:26:32 +0000` as seconds since the epoch; None for what is no date."""
    found = _RFC_2822.fullmatch(value) if isinstance(value, str) else None
    try:
        if not found:
            return _plausible(parsedate_to_datetime(text(value)))
        day, hour, minute, second, sign, offset_hours, offset_minutes = found.groups()
        offset = int(offset_hours) * 3600 + int(offset_minutes) * 60
        of_day = int(hour) * 3600 + int(minute) * 60 + int(second)
        return _midnight(day) + of_day + (offset if sign == "-" else -offset)
    except (ValueError, OverflowError):
        return None


_ISO_8601 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,][0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


def iso_8601(value: Any) -> int | None:
    """Read `2008-04-01T18:26:32.123456789Z`, a missing zone being UTC; None for what is no date.

    Python's own reader takes no more than six digits of a fraction, so fractions are left out before.
    """
    found = _ISO_8601.fullmatch(value) if isinstance(value, str) else None
    try:
        if not found:
            return None
        day, time, zone = found.groups()
        return _plausible(datetime.fromisoformat(f"{day}T{time or '00:00'}{zone or '+00:00'}"))
    except ValueError:
        return None


def epoch_seconds(value: Any) -> int | None:
    """Read seconds since 1970, as a number or as text; None for what is no date."""
    return _since_1970(value, 1)


def epoch_milliseconds(value: Any) -> int | None:
    """Read milliseconds since 1970, as a number or as text; None for what is no date."""
    return _since_1970(value, 1000)


def _since_1970(value: Any, unit: int) -> int | None:
    whole = int(value) if isinstance(value, float) and isfinite(value) else value
    found = re.fullmatch(r"(-?[0-9]{1,18})(\.[0-9]*)?", text(whole))
    try:
        return _plausible(datetime.fromtimestamp(int(found[1]) // unit, UTC)) if found else None
    except (ValueError, OverflowError, OSError):
        return None


def _plausible(at: datetime) -> int:
    """Return seconds since the epoch, a time without a zone being UTC; ValueError far outside our days."""
    if not 1900 <= at.year < 3000:
        raise ValueError(at.year)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


READ: Mapping[ReadName, Callable[[Any], Any]] = {
    "text": text,
    "integer": integer,
    "boolean": boolean,
    "e164": text,
    "digits": e164_from_digits,
    "ten_digits": e164_from_ten_digits,
    "formatted": e164_from_formatted,
    "rfc2822": rfc_2822,
    "iso8601": iso_8601,
    "date": iso_8601,
    "epoch_seconds": epoch_seconds,
    "epoch_milliseconds": epoch_milliseconds,
    "six_digits": six_digits,
}

# What stands for a value that the upstream does not have

DefaultName = Literal["formatted_number"]


def formatted_number(phone_number: str) -> str:
    """Write a number as 2008 named what had no name: `(415) 867-5309`; one outside +1 stays as it is."""
    found = re.fullmatch(r"\+1([0-9]{3})([0-9]{3})([0-9]{4})", phone_number)
    return f"({found[1]}) {found[2]}-{found[3]}" if found else phone_number


DEFAULT_NAMES: Mapping[DefaultName, Callable[[str], str]] = {"formatted_number": formatted_number}


def is_default_name(name: str) -> bool:
    """Whether one of these may have written `name`."""
    return re.fullmatch(r"\([0-9]{3}\) [0-9]{3}-[0-9]{4}|\+[0-9]+", name) is not None


# Operation → upstream parameters

WriteName = Literal["text", "integer", "boolean", "e164", "digits", "ten_digits"]


def _ten_digits(number: str) -> str:
    if not re.fullmatch(r"\+1[0-9]{10}", number):
        raise LegacyError(BAD_PHONE_NUMBER)
    return number[2:]


def _whole_number(value: Any) -> int:
    """Write an account or an id as a number; one that is none does not fit its upstream."""
    if not re.fullmatch("-?[0-9]{1,18}", str(value)):
        raise LegacyError(BAD_UPSTREAM)
    return int(value)


WRITE: Mapping[WriteName, Callable[[Any], Any]] = {
    "text": str,
    "integer": _whole_number,
    "boolean": lambda value: str(value).lower() == "true",
    "e164": str,
    "digits": lambda number: str(number).removeprefix("+"),
    "ten_digits": _ten_digits,
}
