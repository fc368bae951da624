"""How 2008 wrote numbers, names and dates."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import phonenumbers

OutsideNanp = Literal["digits", "e164", "skip"]
"""What becomes of a number that is not in the North American Numbering Plan (+1 and ten digits)."""

# An optional country code, then ten digits, with anything people put between them. A plus sign makes the
# country code mandatory: +41 58 675 30 9… is Switzerland, not Silicon Valley.
_DECORATION = r"[ \u00a0().\-\u2010\u2011\u2013/]*"
_READABLE = re.compile(rf"{_DECORATION}(?:\+?1{_DECORATION})?((?:[0-9]{_DECORATION}){{10}})")
_ELSEWHERE = re.compile(r"\+?[0-9][0-9 ().\-]{6,30}")
_NOT_DIGITS = re.compile(r"[^0-9]+")
_NANP = re.compile(r"\+1[0-9]{10}")


def e164(readable: str) -> str | None:
    """Read a North American number in any readable format; None for anything else.

    `415-555-1212`, `(415) 555.1212`, `1-415-555-1212` and `+14155551212` are all `+14155551212`. Letters,
    extensions, other countries and digits outside ASCII are no number.
    """
    found = _READABLE.fullmatch(readable)
    return f"+1{_NOT_DIGITS.sub('', found[1])}" if found else None


def listed_number(readable: str) -> str | None:
    """Read a number as a list may show it: a North American one, or one from elsewhere with its country code.

    None for what is no number anywhere.
    """
    if north_american := e164(readable):
        return north_american
    if not _ELSEWHERE.fullmatch(readable):
        return None
    try:
        number = phonenumbers.parse("+" + readable.removeprefix("+"))
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def ten_digits(phone_number: str, outside_nanp: OutsideNanp) -> str | None:
    """Write a number without decoration; None where the policy is to leave it out.

    A number outside +1 is never cut down to something that looks like a North American one.
    """
    if _NANP.fullmatch(phone_number):
        return phone_number[2:]
    match outside_nanp:
        case "digits":
            return _NOT_DIGITS.sub("", phone_number)
        case "e164":
            return phone_number
        case "skip":
            return None


_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_QUARTER = 900


def rfc_2822(seconds: int, zone: ZoneInfo) -> str:
    """Write an instant as RFC 2822 section 3.3 does: `Tue, 01 Apr 2008 11:26:32 -0700`."""
    at = datetime.fromtimestamp(seconds, zone)
    offset = (at.utcoffset() or timedelta()) // timedelta(minutes=1)
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    return (
        f"{_WEEKDAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} {sign}{hours:02}{minutes:02}"
    )


def rfc_2822_writer(zone: ZoneInfo) -> Callable[[int], str]:
    """Return `rfc_2822` for one zone, many times faster where instants lie close together.

    Asking the zone for its offset is the dear part, so it is asked once for a quarter of an hour.
    """

    @lru_cache(maxsize=65_536)
    def quarter(number: int) -> tuple[str, int, str] | None:
        first, last = (rfc_2822(number * _QUARTER + second, zone) for second in (0, _QUARTER - 1))
        until_minute, minute, offset = first[:20], int(first[20:22]), first[25:]
        # Some clocks change within a quarter (Newfoundland's did at 00:01), some have run beside them all
        return (
            (until_minute, minute, offset) if last == f"{until_minute}{minute + 14:02}:59{offset}" else None
        )

    def write(seconds: int) -> str:
        number, within = divmod(seconds, _QUARTER)
        if (known := quarter(number)) is None:
            return rfc_2822(seconds, zone)
        until_minute, minute, offset = known
        minutes, second = divmod(within, 60)
        return f"{until_minute}{minute + minutes:02}:{second:02}{offset}"

    return write
