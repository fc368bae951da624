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
    if len(phone_number) == 12 and _NANP.fullmatch(phone_number):
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


def rfc_2822(seconds: int, zone: ZoneInfo) -> str:
    """Write an instant as RFC 2822 section 3.3 does: `Tue, 01 Apr 2008 11:26:32 -0700`."""
    at = datetime.fromtimestamp(seconds, zone)
    offset = (at.utcoffset() or timedelta()) // timedelta(minutes=1)
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    return (
        f"{_WEEKDAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} {sign}{hours:02}{minutes:02}"
    )


_DAY = 86_400
_TWO_DIGITS = tuple(f"{number:02}" for number in range(60))


def rfc_2822_writer(zone: ZoneInfo) -> Callable[[int], str]:
    """Return `rfc_2822` for one zone, many times faster where instants share their days.

    Asking the zone for its offset is the dear part, so it is asked once for a day of UTC.
    """

    @lru_cache(maxsize=65_536)
    def day(number: int) -> tuple[int, tuple[str, str, str], str] | None:
        """Return the offset, the dates of today, tomorrow and yesterday, and the offset as it is written."""
        first, noon, last = (number * _DAY + second for second in (0, _DAY // 2, _DAY - 1))
        offsets = {datetime.fromtimestamp(second, zone).utcoffset() for second in (first, noon, last)}
        offset = offsets.pop() or timedelta()
        if offsets or offset % timedelta(minutes=1):  # the clocks change on this day, or are of a sundial
            return None
        before, today, after = (
            rfc_2822(noon + days * _DAY - offset // _SECOND, zone)[:17] for days in (-1, 0, 1)
        )
        return offset // _SECOND, (today, after, before), rfc_2822(noon, zone)[25:]

    def write(seconds: int) -> str:
        number, within = divmod(seconds, _DAY)
        if (known := day(number)) is None:
            return rfc_2822(seconds, zone)
        offset, dates, written_offset = known
        days, of_day = divmod(within + offset, _DAY)
        minutes, second = divmod(of_day, 60)
        hour, minute = divmod(minutes, 60)
        two = _TWO_DIGITS
        return f"{dates[days]}{two[hour]}:{two[minute]}:{two[second]}{written_offset}"

    return write


_SECOND = timedelta(seconds=1)
