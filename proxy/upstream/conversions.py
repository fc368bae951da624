"""The closed list of conversions that a profile may name, in both directions.

A reader raises UnreadableError for what it cannot take; nothing is ever guessed or cut to fit.
"""

import calendar
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Literal


class UnreadableError(ValueError):
    """A value from the upstream is not what the profile says it is."""


# Upstream JSON → model

ReadName = Literal["text", "e164", "rfc2822", "six_digits"]


def text(value: Any) -> str:
    """Take a string as it is, and a number as its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise UnreadableError("expected text")


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
    except ValueError:
        return None


def _plausible(at: datetime) -> int:
    """Return seconds since the epoch, a time without a zone being UTC; ValueError far outside our days."""
    if not 1900 <= at.year < 3000:
        raise ValueError(at.year)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


READ: Mapping[ReadName, Callable[[Any], Any]] = {
    "text": text,
    "e164": text,
    "rfc2822": rfc_2822,
    "six_digits": six_digits,
}

# What stands for a value that the upstream does not have

DefaultName = Literal["formatted_number"]


def formatted_number(phone_number: str) -> str:
    """Write a number as 2008 named what had no name: `(415) 867-5309`; one outside +1 stays as it is."""
    found = re.fullmatch(r"\+1([0-9]{3})([0-9]{3})([0-9]{4})", phone_number)
    return f"({found[1]}) {found[2]}-{found[3]}" if found else phone_number


DEFAULT_NAMES: Mapping[DefaultName, Callable[[str], str]] = {"formatted_number": formatted_number}

# Operation → upstream parameters

WriteName = Literal["text", "e164"]

WRITE: Mapping[WriteName, Callable[[Any], str]] = {
    "text": str,
    "e164": str,
}
