"""Numbers and dates, compared with the standard library and with lists of common spellings."""

import random
import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.legacy.formats import OutsideNanp, all_ten_digits, e164, listed_number, rfc_2822_writer, ten_digits

# Dates


def expected(seconds: int, zone: ZoneInfo) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, zone))


def at(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


def assert_written_alike(instants: list[int], zone: ZoneInfo) -> None:
    write = rfc_2822_writer(zone)
    both = ((seconds, write(seconds), expected(seconds, zone)) for seconds in instants)
    assert [(seconds, ours, theirs) for seconds, ours, theirs in both if ours != theirs] == []


def test_the_documents_own_date() -> None:
    write = rfc_2822_writer(ZoneInfo("America/Los_Angeles"))
    assert write(1207074392) == "Tue, 01 Apr 2008 11:26:32 -0700"


ZONES = {
    "America/Los_Angeles": 100_000,  # how many instants
    "America/New_York": 2_000,
    "America/St_Johns": 2_000,  # half an hour; until 2011 its clocks changed a minute past midnight
    "Australia/Lord_Howe": 2_000,  # daylight saving of half an hour
    "Asia/Kathmandu": 2_000,  # three quarters
    "Africa/Casablanca": 2_000,  # daylight saving but for Ramadan
    "Europe/London": 2_000,
    "Pacific/Apia": 2_000,  # left out a whole day in 2011
    "UTC": 2_000,
}


@pytest.mark.parametrize("name", ZONES)
def test_random_instants(name: str) -> None:
    somewhere = random.Random(2008)
    instants = [somewhere.randrange(at(2005), at(2041)) for _ in range(ZONES[name])]
    assert_written_alike(instants, ZoneInfo(name))


@pytest.mark.parametrize("name", ZONES)
def test_instants_long_ago(name: str) -> None:
    """Since 1936 these zones have offsets of whole minutes; RFC 2822 has no others."""
    somewhere = random.Random(1973)
    instants = [somewhere.randrange(at(1936), at(1973)) for _ in range(1_000)]
    around = [at(1973) + seconds for seconds in range(-1000, 1000, 7)]
    assert_written_alike([*instants, *around, -1, 0, 1], ZoneInfo(name))


def transitions(zone: ZoneInfo, since: int, until: int) -> Iterator[int]:
    """Return the instants at which the clocks of a zone change, but for changes undone within ten days."""

    def offset(seconds: int) -> object:
        return datetime.fromtimestamp(seconds, zone).utcoffset()

    for before, after in pairwise(range(since, until, 10 * 86_400)):
        if offset(before) != offset(after):
            low, high = before, after
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == offset(before) else (low, middle)
            yield high


@pytest.mark.parametrize(
    "name",
    [
        *ZONES,
        "America/Caracas",
        "Antarctica/Troll",
        "Asia/Pyongyang",
        "Pacific/Chatham",
        # Zones whose clocks have changed at other times than a quarter of an hour
        "America/Goose_Bay",
        "America/Moncton",
        "Antarctica/Casey",
        "Asia/Gaza",
        "Asia/Hebron",
        "Pacific/Guam",
        "Pacific/Kiritimati",
    ],
)
def test_around_every_change_of_clocks(name: str) -> None:
    zone = ZoneInfo(name)
    instants = [
        change + seconds
        for change in transitions(zone, at(1973), at(2038))
        for seconds in (-900, -1, 0, 1, 59, 840, 900)
    ]
    assert_written_alike(instants, zone)


def changes(name: str) -> list[tuple[int, int, int]]:
    """Return when the tz database lists that clocks change (RFC 8536), and the offsets before and after.

    Later changes follow a rule, twice a year.
    """
    data = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    header = struct.Struct(">4sc15x6L")
    _, _, utc, standard, leaps, times, types, letters = header.unpack_from(data)
    start = header.size + 5 * times + 6 * types + letters + 8 * leaps + standard + utc
    _, _, _, _, _, times, types, _ = header.unpack_from(data, start)  # the same once more, in 64 bits
    start += header.size
    instants = struct.unpack_from(f">{times}q", data, start)
    kinds = data[start + 8 * times :][:times]
    offsets = [offset for offset, _, _ in struct.iter_unpack(">lBB", data[start + 9 * times :][: 6 * types])]
    before = offsets[0]
    found = []
    for instant, kind in zip(instants, kinds, strict=True):
        found.append((instant, before, offsets[kind]))
        before = offsets[kind]
    return found


def test_no_zone_reverts_a_change_within_four_days() -> None:
    """The writer relies on this for all zones and years."""
    hasty = [
        (name, first)
        for name in files("tzdata").joinpath("zones").read_text().split()
        for (first, offset, _), (second, _, again) in pairwise(
            change for change in changes(name) if change[1] != change[2]
        )
        if second - first <= 4 * 86_400 and offset == again
    ]
    assert hasty == []


def test_changes_match_zoneinfo() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    recent = [change for change in changes(zone.key) if at(2000) < change[0] < at(2007)]
    assert len(recent) == 14
    for instant, before, after in recent:
        for seconds, offset in ((instant - 1, before), (instant, after)):
            assert datetime.fromtimestamp(seconds, zone).utcoffset() == timedelta(seconds=offset)


@given(st.integers(at(1973), at(2500)))
def test_the_order_of_dates_does_not_matter(seconds: int) -> None:
    zone = ZoneInfo("America/St_Johns")
    write = rfc_2822_writer(zone)
    assert [write(seconds + more) for more in (899, 0, 450, 899, 0)] == [
        expected(seconds + more, zone) for more in (899, 0, 450, 899, 0)
    ]


# Reading numbers

READABLE = [
    # the 2008 document's
    "415-555-1212",
    "(415) 555.1212",
    "1-415-555-1212",
    "4155551212",
    # other common spellings
    "+14155551212",
    "+1 415 555 1212",
    "+1 (415) 555-1212",
    "1 (415) 555-1212",
    "1.415.555.1212",
    "(415)555-1212",
    "415.555.1212",
    "415 555 1212",
    "14155551212",
    " 415-555-1212 ",
]


SEPARATORS = (
    # spaces, dashes, invisible marks, and others
    " \t\r\n\v\f\x85\u00a0\u1680\u2000\u2002\u2003\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
    "-\u058a\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u207b\u2212\u2e3a\ufe58\ufe63\uff0d"
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202c\u202d\u202e\u2060\u2066\u2068\u2069\ufeff"
    "()[]\uff08\uff09./~\u00b7\u2022\u2027\u2044\uff0e\uff0f\uff5e"
)


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_found_d1_separators_between_digits(separator: str) -> None:
    readable = [
        f"415{separator}555{separator}1212",
        f"{separator}4155551212{separator}",
        f"1{separator}415{separator}{separator}5551212",
        f"{separator}+1{separator}(415){separator}555-1212{separator}",
        separator.join("4155551212"),
    ]
    assert [e164(text) for text in readable] == ["+14155551212"] * len(readable)
    assert listed_number(f"{separator}+44{separator}20 7183{separator}8750") == "+442071838750"


def test_found_d1_a_number_as_other_programs_copy_it() -> None:
    assert e164("\u202a+1 (415) 555\u20111212\u202c") == "+14155551212"
    assert e164("\ufeff415\u2009555\u20091212\r\n") == "+14155551212"


@pytest.mark.parametrize("readable", READABLE)
def test_a_readable_number(readable: str) -> None:
    assert e164(readable) == "+14155551212"


FOREIGN_ZEROS = (0x0660, 0x06F0, 0x0966, 0xFF10)  # Arabic, Persian, Devanagari, full width


def in_digits_from(zero: int) -> str:
    return "4155551212".translate({ord("0") + digit: zero + digit for digit in range(10)})


NO_NUMBER = [
    "",
    " ",
    "-",
    "415-555-121",  # nine digits
    "415-555-12123",  # eleven
    "2-415-555-1212",
    "1-1-415-555-1212",
    "11-415-555-1212",
    "+4155551212",  # Switzerland
    "+44 20 7183 8750",
    "0044 20 7183 8750",
    "+447911123456",
    "011 44 20 7183 8750",
    "++14155551212",
    "1+4155551212",
    "415-555-1212 x5",
    "415-555-1212 ext. 5",
    "415-555-1212,5",
    "415-555-1212;ext=5",
    "415-555-1212#",
    "tel:+14155551212",
    "1-800-FLOWERS",
    "(415) KL5-1212",
    *map(in_digits_from, FOREIGN_ZEROS),
    "415555121\N{SUPERSCRIPT TWO}",
    "\N{ROMAN NUMERAL FOUR}155551212",
    "415-555-1212\n415-555-1213",
    "4155551212\0",
    "0" * 10_000,
    "(" * 10_000,
    "1" + "-" * 10_000,
    "415" + " " * 10_000 + "x",
]


@pytest.mark.parametrize("text", NO_NUMBER, ids=lambda text: f"{len(text)} {text[:20]!a}")
def test_texts_that_are_no_number(text: str) -> None:
    assert e164(text) is None


DECORATION = st.text(" -.()", max_size=3)
TEN_DIGITS = st.text("0123456789", min_size=10, max_size=10)


@st.composite
def decorated(draw: st.DrawFn, prefix: st.SearchStrategy[str]) -> tuple[str, str]:
    """Return ten digits and a way to write them."""
    number = draw(TEN_DIGITS)
    return number, draw(DECORATION) + draw(prefix) + "".join(digit + draw(DECORATION) for digit in number)


COUNTRY = st.sampled_from(["", "1", "+1", "1-", "+1 ", "1 (", "+1.", "(+1) "])


@given(decorated(COUNTRY))
def test_ten_digits_are_read_from_any_decoration(written: tuple[str, str]) -> None:
    number, text = written
    assert e164(text) == f"+1{number}"


@given(
    decorated(COUNTRY),
    st.characters(categories=["L", "Nd", "Nl", "No"], exclude_characters="0123456789"),
    st.data(),
)
def test_a_letter_or_foreign_digit_anywhere_is_no_number(
    written: tuple[str, str], stranger: str, data: st.DataObject
) -> None:
    _, text = written
    place = data.draw(st.integers(0, len(text)))
    assert e164(text[:place] + stranger + text[place:]) is None


@given(decorated(st.sampled_from(["2", "7", "0", "00", "011", "+44 ", "+2", "+", "11", "1 1 ", "+1 1"])))
def test_another_country_is_no_number(written: tuple[str, str]) -> None:
    assert e164(written[1]) is None


@given(
    decorated(COUNTRY),
    st.text("0123456789", min_size=1, max_size=5),
    st.sampled_from([" x", ",", "#", ";ext=", "*"]),
)
def test_an_extension_is_no_number(written: tuple[str, str], extension: str, mark: str) -> None:
    assert e164(written[1] + mark + extension) is None


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_none(text: str) -> None:
    number = e164(text)
    assert number is None or number[2:] == "".join(c for c in text if c in "0123456789")[-10:]


# Writing numbers

POLICIES: list[OutsideNanp] = ["digits", "e164", "skip"]


@given(TEN_DIGITS, st.sampled_from(POLICIES))
def test_a_north_american_number_is_ten_digits_under_every_policy(number: str, policy: OutsideNanp) -> None:
    assert ten_digits(f"+1{number}", policy) == number


@given(
    st.lists(
        st.sampled_from(["+14158675309", "+10000000000"])
        | st.sampled_from(["4158675309", "+442071838750", "", "\n", "+14158675309\n", "+1415867530", "9"])
        | st.text(max_size=12)
    )
)
@example([])
@example(["+14158675309", "+14158675309\n+14158675309"])
@example(["+1415867530", "9+14158675309"])
@example(["+14158675309", "+1415867530\u0669"])
def test_a_column_of_numbers_is_written_like_each_number(numbers: list[str]) -> None:
    alone, together = [ten_digits(number, "skip") for number in numbers], all_ten_digits(numbers)
    assert (together is None) == (None in alone)
    assert together is None or list(together) == alone


FOREIGN = ["+442071838750", "+141586753096", "+1415867530", "+4158675309", "+862012345678"]


@pytest.mark.parametrize("number", FOREIGN)
def test_a_foreign_number_is_never_truncated(number: str) -> None:
    assert ten_digits(number, "digits") == number[1:]
    assert ten_digits(number, "e164") == number
    assert ten_digits(number, "skip") is None


@given(decorated(COUNTRY))
def test_a_shown_number_can_be_a_filter(written: tuple[str, str]) -> None:
    number = e164(written[1])
    assert number is not None
    shown = ten_digits(number, "digits")
    assert shown is not None
    assert listed_number(shown) == number


@pytest.mark.parametrize("number", ["+442071838750", "+4930123456789", "+862012345678"])
def test_a_foreign_number_can_be_a_filter(number: str) -> None:
    assert listed_number(number) == number
    assert listed_number(number[1:]) == number


@given(st.text(st.characters(categories=["Nd", "Po", "Ps", "Pe", "Pd", "Sm", "Zs", "Lu"]), max_size=20))
def test_any_filter_is_a_number_or_none(text: str) -> None:
    number = listed_number(text)
    assert number is None or re.fullmatch(r"\+[0-9]+", number)
