"""The conversions that a profile may name, against the standard library and against nonsense."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.errors import LegacyError
from proxy.profile.conversions import READ, WRITE, ReadName, UnreadableError, format_number

read_date, read_text, read_code = READ["rfc2822"], READ["text"], READ["six_digits"]

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.integers(int(datetime(1902, 1, 1, tzinfo=UTC).timestamp()), 32_000_000_000)


@given(INSTANTS, OFFSETS)
def test_any_date_is_read_back(seconds: int, offset: timezone) -> None:
    assert read_date(format_datetime(datetime.fromtimestamp(seconds, offset))) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "Tue, 01 Apr 2008 18:26:32 +0000",
        "Tue, 1 Apr 2008 18:26:32 +0000",
        "01 Apr 2008 18:26:32 +0000",
        "Tue, 01 Apr 2008 11:26:32 -0700",
        "Wed, 02 Apr 2008 00:11:32 +0545",
        "Tue, 01 Apr 2008 18:26:32 -0000",
        "Tue, 01 Apr 2008 18:26:32 GMT",
        "Tue, 01 Apr 2008 18:26:32",
        "tue, 01 apr 2008 18:26:32 +0000",
        "Tue, 01 Apr 2008 18:26:32 +0000 (UTC)",
        "Tue,  01  Apr  2008  18:26:32  +0000",
        "Fri, 01 Apr 2008 18:26:32 +0000",  # a Tuesday in truth
    ],
)
def test_the_documents_own_date(text: str) -> None:
    assert read_date(text) == 1207074392


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "yesterday",
        "2008-04-01T18:26:32Z",
        "Tue, 31 Feb 2008 18:26:32 +0000",
        "Tue, 00 Apr 2008 18:26:32 +0000",
        "Tue, 01 Foo 2008 18:26:32 +0000",
        "Tue, 01 Apr 2008 24:26:32 +0000",
        "Tue, 01 Apr 2008 18:60:32 +0000",
        "Tue, 01 Apr 2008 18:26:61 +0000",
        "Tue, 01 Apr 0000 18:26:32 +0000",
        "Tue, 01 Apr 9999 23:59:59 -2359",
        "Tue, 01 Apr 99999 18:26:32 +0000",
        "Tue, 01 Apr 2008 18:26:32 +9999",
        "Tue, 01 Apr 2008 18:26:" + "9" * 5000 + " +0000",
        "\0",
        "\ud800",
        True,
        None,
        1.5,
        float("nan"),
        [],
        {},
        [["Tue, 01 Apr 2008 18:26:32 +0000"]],
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_text_that_is_not_a_date(value: object) -> None:
    try:
        assert read_date(value) is None
    except UnreadableError:  # of another type than text: the answer as a whole makes no sense
        assert not isinstance(value, str)


SCRAPS = [
    "Tue",
    ",",
    " ",
    "01",
    "Apr",
    "2008",
    "18",
    ":",
    "26",
    "32",
    "+",
    "-",
    "0000",
    "GMT",
    "(",
    ")",
    "9",
    "\t",
]


@given(st.text() | st.lists(st.sampled_from(SCRAPS), max_size=20).map("".join))
@example("0 0 0 0 0")
@example("Tue, 01 Apr -2008 18:26:32 +0000")
def test_no_text_raises_when_read_as_a_date(text: str) -> None:
    found = read_date(text)
    assert found is None or isinstance(found, int)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", READ)
@given(value=JSON)
def test_any_value_is_read_or_unreadable(name: str, value: object) -> None:
    convert = {str(key): convert for key, convert in READ.items()}[name]
    try:
        found = convert(value)
    except UnreadableError:
        return
    assert found is None or isinstance(found, str | int)


@pytest.mark.parametrize(
    ("value", "text"), [("", ""), ("x", "x"), ("007", "007"), (7, "7"), (0, "0"), (-1, "-1")]
)
def test_text(value: object, text: str) -> None:
    assert read_text(value) == text


@pytest.mark.parametrize("value", [None, True, False, 1.0, [], {}, ["x"]], ids=str)
def test_a_value_that_is_not_text(value: object) -> None:
    with pytest.raises(UnreadableError):
        read_text(value)


@given(st.integers(0, 999_999))
def test_a_code_keeps_its_leading_zeros(number: int) -> None:
    code = str(number).rjust(6, "0")
    assert read_code(code) == code
    assert read_code(number) == code


@pytest.mark.parametrize(
    "value",
    ["", "12345", "1234567", " 12345", "123456\n", "12345a", "-12345", -1, -12345, 1_000_000, True, 123.456],
)
def test_a_value_that_is_not_a_code(value: object) -> None:
    with pytest.raises(UnreadableError):
        read_code(value)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("+14158675309", "(415) 867-5309"),
        ("+10000000000", "(000) 000-0000"),
        ("+141586753096", "+141586753096"),
        ("+442071838750", "+442071838750"),
        ("4158675309", "4158675309"),
        ("", ""),
        ("anonymous", "anonymous"),
    ],
)
def test_the_default_name(number: str, name: str) -> None:
    assert format_number(number) == name


def test_parameters_are_written_as_they_are() -> None:
    assert WRITE["e164"]("+14158675309") == "+14158675309"
    assert WRITE["text"](60) == "60"
    assert WRITE["text"]("Zoë") == "Zoë"


@given(INSTANTS, st.integers(0, 999))
def test_seconds_and_milliseconds_since_1970(seconds: int, more: int) -> None:
    for whole in (seconds, str(seconds)):
        assert READ["epoch_seconds"](whole) == seconds
    assert READ["epoch_seconds"](f"{seconds}.{more:03}") == seconds
    assert READ["epoch_milliseconds"](seconds * 1000 + more) == seconds
    assert READ["epoch_milliseconds"](str(seconds * 1000 + more)) == seconds


@pytest.mark.parametrize("name", ["epoch_seconds", "epoch_milliseconds"])
@pytest.mark.parametrize("value", ["", "2008-04-01", "1e9", 10**17, -(10**17), "9" * 40, 10**40])
def test_a_text_that_is_not_a_time_since_1970(name: ReadName, value: object) -> None:
    assert READ[name](value) is None


@pytest.mark.parametrize("value", [True, None, [], {}, float("nan"), float("inf")])
def test_a_value_that_is_not_a_number(value: object) -> None:
    with pytest.raises(UnreadableError):
        READ["epoch_seconds"](value)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("(415) 867-5309", "+14158675309"),
        ("1-415-867-5309", "+14158675309"),
        ("415.867.5309", "+14158675309"),
        (14158675309, "+14158675309"),
        ("+44 20 7946 0018", "+442079460018"),
        ("020 7946 0018", "020 7946 0018"),
        ("(415) 867-5309 ext. 2", "(415) 867-5309 ext. 2"),
        ("anonymous", "anonymous"),
    ],
)
def test_a_number_as_people_write_it(written: object, number: str) -> None:
    assert READ["formatted"](written) == number


@pytest.mark.parametrize(
    "account", ["AC7", "", "+", "7.0", "\u0667", str(2**64), str(-(2**63) - 1), "7" * 400]
)
def test_a_text_that_is_not_a_number_is_not_written_as_one(account: str) -> None:
    assert WRITE["integer"]("+14158675309") == 14158675309
    assert [WRITE["integer"](str(each)) for each in (-7, 2**64 - 1, -(2**63))] == [-7, 2**64 - 1, -(2**63)]
    with pytest.raises(LegacyError):
        WRITE["integer"](account)
