"""How 2008 wrote numbers, names and dates."""

import re
from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Literal
from unicodedata import category
from zoneinfo import ZoneInfo

OutsideNanp = Literal["digits", "e164", "skip"]
"""How a number outside the North American Numbering Plan (+1 and ten digits) is shown."""

# An optional country code, then ten digits. A plus sign makes the country code mandatory: +41 58 675 30 9… is
# Switzerland, not Silicon Valley.
_READABLE = re.compile(r"(?:\+?1)?([0-9]{10})")
_ELSEWHERE = re.compile(r"\+?[0-9]{7,31}")
# Any separator between digits is read: white space, and these. The categories are invisible marks, dashes,
# brackets and spaces; the characters are dots, slashes, tildes, minus signs and bullets.
_SEPARATOR_CATEGORIES = frozenset(("Cf", "Pd", "Pe", "Ps", "Zl", "Zp", "Zs"))
_SEPARATORS = frozenset(
    "./~_\u00b7\u02d7\u2022\u2024\u2027\u2043\u2044\u207b\u2212\u2215\u2219\u223c\u22c5\u2796\u30fb\u30fc\uff0e\uff0f\uff5e"
)
_NOT_DIGITS = bytes({*range(256)} - {*b"0123456789"})
_NANP = re.compile(r"\+1[0-9]{10}")


def e164(readable: str) -> str | None:
    """Read a North American number in any readable format; None for anything else.

    `415-555-1212`, `(415) 555.1212`, `1-415-555-1212` and `+14155551212` are all `+14155551212`. Letters,
    extensions, other countries and digits outside ASCII are no number.
    """
    found = _READABLE.fullmatch(_without_separators(readable))
    return f"+1{found[1]}" if found else None


def listed_number(readable: str) -> str | None:
    """Read a number as a list may show it: a North American one, or one from elsewhere with its country code.

    None for what is no number anywhere.
    """
    if north_american := e164(readable):
        return north_american
    number = _without_separators(readable)
    if not _ELSEWHERE.fullmatch(number):
        return None
    import phonenumbers  # noqa: PLC0415 - 3 MB of memory, for filters by foreign numbers only

    try:
        parsed = phonenumbers.parse("+" + number.removeprefix("+"))
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(parsed) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _without_separators(readable: str) -> str:
    return "".join([each for each in readable if not _is_separator(each)])


def _is_separator(character: str) -> bool:
    if character in _SEPARATORS or character.isspace():
        return True
    return category(character) in _SEPARATOR_CATEGORIES


def ten_digits(phone_number: str, outside_nanp: OutsideNanp) -> str | None:
    """Write a number without decoration; None where the policy is to leave it out.

    A number outside +1 is never cut down to something that looks like a North American one.
    """
    if len(phone_number) == 12 and _NANP.fullmatch(phone_number):
        return phone_number[2:]
    match outside_nanp:
        case "digits":
            return phone_number.encode("ascii", "ignore").translate(None, _NOT_DIGITS).decode()
        case "e164":
            return phone_number
        case "skip":
            return None


_ALL_NANP = re.compile(r"(?:\+1[0-9]{10}\n)*+")


def all_ten_digits(phone_numbers: Sequence[str]) -> Sequence[str] | None:
    """Write many numbers as `ten_digits` does; None where one of them is not North American."""
    lines = "\n".join([*phone_numbers, ""])
    # Each line has 13 characters: a number that is several lines makes more of them than there are numbers
    if not _ALL_NANP.fullmatch(lines) or len(lines) != 13 * len(phone_numbers):
        return None
    return lines[2:-1].split("\n+1") if lines else ()


_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def rfc_2822(seconds: int, zone: ZoneInfo) -> str:
    """Write an instant as RFC 2822 section 3.3 does: `Tue, 01 Apr 2008 11:26:32 -0700`."""
    at = datetime.fromtimestamp(seconds, zone)
    return f"{_day(at)}{_month(at)}{at:%H:%M:%S}{_offset(at.utcoffset() or timedelta())}"


def _day(at: date) -> str:
    return f"{_WEEKDAYS[at.weekday()]}, {at.day:02} "


def _month(at: date) -> str:
    return f"{_MONTHS[at.month]} {at.year:04} "


def _offset(offset: timedelta) -> str:
    minutes = offset // timedelta(minutes=1)
    hours, minutes = divmod(abs(minutes), 60)
    return f" {'-' if offset < timedelta() else '+'}{hours:02}{minutes:02}"


_DAY = 86_400
_SPAN = 4 * _DAY
# Few caller IDs are older or younger than these years, which are written fast
_FIRST_DAY, _LAST_DAY = ((date(year, 1, 1) - date(1970, 1, 1)).days for year in (2000, 2040))
_HOURS = tuple(f"{hour:02}:" for hour in range(24))
_MINUTES = tuple(f"{minute:02}" for minute in range(60))


@cache
def _dates() -> tuple[Sequence[str], Sequence[str]]:
    """Return the date texts of 2000 to 2039, with the day before and the day after, in two parts.

    Each part has few different texts, which stay in the processor's cache; whole dates would not. For the
    same reason the minutes of a day are no table.
    """
    days, months = list[str](), list[str]()
    texts = [[f"{weekday}, {day:02} " for day in range(1, 32)] for weekday in _WEEKDAYS]
    for first in (date(year, month, 1) for year in range(2000, 2040) for month in range(1, 13)):
        length = monthrange(first.year, first.month)[1]
        days += [texts[(first.weekday() + day) % 7][day] for day in range(length)]
        months += [_month(first)] * length
    before, after = date(1999, 12, 31), date(2040, 1, 1)
    return [_day(before), *days, _day(after)], [_month(before), *months, _month(after)]


class DateWriter:
    """Writes `rfc_2822` in one zone, twenty times as fast for 2000 to 2039.

    The zone's offset is the expensive part, so all changes are looked up in advance.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        """Look up when the clocks of `zone` change."""

        def offset(seconds: int) -> timedelta:
            return datetime.fromtimestamp(seconds, zone).utcoffset() or timedelta()

        first, last = _FIRST_DAY * _DAY, _LAST_DAY * _DAY
        self._zone = zone
        self._dates = _dates()  # now, rather than in the first request
        self._starts = [first, *_changes(offset, first, last), last]
        offsets = [offset(start) for start in self._starts[:-1]]
        known = {each: _shift_and_endings(each) for each in offsets}
        self._kinds = [None, *(known[each] for each in offsets), None]  # of the time before each and after

    def __call__(self, seconds: int) -> str:
        return self.column([seconds])[0] or ""

    def column(self, column: Sequence[int | None]) -> list[str | None]:
        starts, kinds, (days, months) = self._starts, self._kinds, self._dates
        hours, minutes = _HOURS, _MINUTES
        return [
            f"{days[day := (minute := (second := seconds + kind[0]) // 60) // 1440]}{months[day]}"
            f"{hours[minute % 1440 // 60]}{minutes[minute % 60]}{kind[1][second % 60]}"
            if seconds is not None and (kind := kinds[bisect_right(starts, seconds)])
            else None
            if seconds is None
            else rfc_2822(seconds, self._zone)
            for seconds in column
        ]


def _changes(offset: Callable[[int], timedelta], first: int, last: int) -> Iterator[int]:
    """Yield each second in which the clocks change.

    No clock has ever changed and changed back within six days: where both ends of a span of four days agree,
    all of it does.
    """
    at, before = first, offset(first)
    for end in (*range(first + _SPAN, last, _SPAN), last):
        after = offset(end)
        while before != after:
            at += bisect_left(range(at, end), 1, key=lambda second: offset(second) != before)
            yield at
            before = offset(at)
        at = end


def _shift_and_endings(offset: timedelta) -> tuple[int, Sequence[str]] | None:
    """Return what leads from UTC to the seconds since the first of `_dates`, and how minutes end.

    None where RFC 2822 has no such offset.
    """
    if offset % timedelta(minutes=1):
        return None
    endings = [f":{second:02}{_offset(offset)}" for second in range(60)]
    return offset // timedelta(seconds=1) - (_FIRST_DAY - 1) * _DAY, endings


@cache
def rfc_2822_writer(zone: ZoneInfo) -> DateWriter:
    """Return the writer of dates in a zone; it is built once, for its tables cost more than a reload."""
    return DateWriter(zone)
