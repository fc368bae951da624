"""Whole columns of JSON against the conversions that read one value: the two may never differ."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples

from proxy.errors import LegacyError, UpstreamError
from proxy.model import Account, CallerId, Credentials
from proxy.profile import language
from proxy.profile.conversions import READ, READ_COLUMN, UNUSUAL, ReadName, UnreadableError
from proxy.profile.ids import build_codec
from proxy.profile.numbers import read_number, read_numbers
from proxy.profile.pointers import compile_pointers, compile_pointers_of_column
from proxy.profile.values import compile_column_reader, compile_items_reader, compile_reader

NAMES = sorted(READ)
WEEKDAYS = st.sampled_from(["Mon", "Tue", "Sun", "Foo", "mon"])
MONTHS = st.sampled_from(["Jan", "Feb", "Apr", "Dec", "Foo", "feb"])
ZONES = st.sampled_from([" +0000", " -0000", " +0100", " GMT", "", "+0000", " +0000 ", "\n"])
CLOCKS = st.sampled_from(["00:00:00", "18:26:32", "23:59:59", "24:00:00", "18:26:60", "18:60:00", "18:26"])
ISO_ZONES = st.sampled_from(
    ["Z", "", ".5Z", ",123456789Z", "+00:00", "-0000", "+00", "+02:00", "z", ".", "\n"]
)
RFC_2822 = st.builds(
    lambda weekday, day, month, year, clock, zone: f"{weekday}, {day:02} {month} {year:04} {clock}{zone}",
    WEEKDAYS,
    st.integers(0, 32),
    MONTHS,
    st.sampled_from([1899, 1900, 1904, 2007, 2008, 2100, 2999, 3000]),
    CLOCKS,
    ZONES,
)
ISO_8601 = st.builds(
    lambda day, mark, clock, zone: f"{day}{mark}{clock}{zone}",
    st.sampled_from(["2008-04-01", "2008-02-29", "2007-02-29", "1899-12-31", "2999-12-31", "2008-W14-2"]),
    st.sampled_from(["T", " ", "t", ""]),
    CLOCKS,
    ISO_ZONES,
)
USUAL = st.sampled_from(
    ["Tue, 01 Apr 2008 18:26:32 +0000", "Fri, 29 Feb 2008 00:00:00 +0000", "2008-04-01T18:26:32Z", "PN", ""]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | RFC_2822
    | ISO_8601,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=3),
    max_leaves=4,
)
VALUES = st.lists(USUAL, max_size=6) | st.lists(RFC_2822 | ISO_8601 | USUAL, max_size=6) | st.lists(JSON)


def one_by_one(name: ReadName, values: list[Any]) -> object:
    """Return what comes of values that are read by themselves; where one is unreadable, all are."""
    try:
        return [READ[name](value) for value in values]
    except UnreadableError:
        return UnreadableError


@pytest.mark.parametrize("name", sorted(READ_COLUMN))
@given(values=VALUES)
@example(values=["Sun, 31 Feb 2008 18:26:32 +0000"])
@example(values=["Tue, 29 Feb 2000 18:26:32 +0000", "Thu, 29 Feb 2100 18:26:32 +0000"])
@example(values=["2008-04-01T18:26:32Z", "2008-04-01T18:26:32+02:00"])
@example(values=[True, 1, 1.0, "1"])
@example(values=["", None])
@examples(300)
def test_a_column_reader_agrees_with_the_reader(name: ReadName, values: list[Any]) -> None:
    for _ in range(2):  # what is remembered must not differ from what is worked out
        try:
            column = READ_COLUMN[name](values)
        except UNUSUAL:
            continue
        assert column == one_by_one(name, values)


@pytest.mark.parametrize("name", ["rfc2822", "iso8601", "text"])
def test_usual_values_are_read_as_a_column(name: ReadName) -> None:
    usual = {
        "rfc2822": ["Tue, 01 Apr 2008 18:26:32 +0000", "Sat, 31 Dec 2039 23:59:59 +0000"],
        "iso8601": ["2008-04-01T18:26:32Z", "2039-12-31 23:59:59.123+00:00", "2008-04-01T18:26:32"],
        "text": ["", "x", "\ud800\n"],
    }[name]
    assert READ_COLUMN[name](usual) == one_by_one(name, usual)


DOCUMENTS = st.lists(st.dictionaries(st.sampled_from("ab"), JSON | RFC_2822 | ISO_8601) | JSON, max_size=5)
POINTERS = st.sampled_from([("/a",), ("/b", "/a"), ("/a/b",), ("/0",), ("",), ("/a/0", "/b")])


@given(DOCUMENTS, POINTERS)
def test_pointers_find_the_same_in_each_document(documents: list[Any], pointers: tuple[str, ...]) -> None:
    find = compile_pointers(pointers)
    assert repr(compile_pointers_of_column(pointers)(documents)) == repr(
        [find(each) for each in documents]
    )  # NaN is not NaN


@pytest.mark.parametrize("name", NAMES)
@given(documents=DOCUMENTS, pointers=POINTERS, is_required=st.booleans())
@settings(max_examples=50)
def test_a_field_is_read_the_same_in_each_document(
    name: ReadName, documents: list[Any], pointers: tuple[str, ...], is_required: bool
) -> None:
    field = language.ReadValue(at=pointers, as_=name, **({} if is_required else {"default": "none"}))
    read, expected = compile_reader(field), list[Any]()
    try:
        expected = [read(document) for document in documents]
    except UpstreamError as error:
        with pytest.raises(UpstreamError) as raised:
            compile_column_reader(field)(documents)
        assert raised.value.reason == error.reason  # noqa: PT017 - of both
    else:
        assert compile_column_reader(field)(documents) == expected


# Ids

SIDS = st.from_regex("PN[0-9a-fA-F]{32}", fullmatch=True)


@given(st.lists(SIDS | SIDS.map(lambda sid: f"{sid}\n") | st.text(max_size=3), max_size=4))
@example(["PN" + "0" * 32 + "\nPN" + "0" * 32])
@example(["PN" + "0" * 32, ""])
@example(["PN" + "0" * 31, "0PN" + "0" * 32])
def test_sids_of_many_are_checked_as_each_is(upstream_ids: list[str]) -> None:
    identity = build_codec("identity", b"")
    try:
        expected = [identity.encode(upstream_id, "AC") for upstream_id in upstream_ids]
    except UnreadableError:
        with pytest.raises(UnreadableError):
            identity.encode_all(upstream_ids, "AC")
    else:
        assert list(identity.encode_all(upstream_ids, "AC")) == expected


# Phone numbers

DIGITS = st.text("0123456789", min_size=9, max_size=11)
PHONE_NUMBERS = st.builds(
    lambda prefix, digits, end: f"{prefix}{digits}{end}",
    st.sampled_from(["+1", "+1", "+0", "+", "1", "00", "0", "tel:+1"]),
    DIGITS,
    st.sampled_from(["", "", "\n", " x5", "\n+14158675309"]),
)


@given(st.lists(st.none() | PHONE_NUMBERS | st.from_regex(r"\+[0-9]{11}", fullmatch=True), max_size=3))
@example(["+04158675309"])
@example(["+14158675309", "+04158675309"])
@example(["+14158675309\n+14158675309", ""])
@example(["", None, "sip:bob"])
@examples(300)
def test_phone_numbers_of_many_are_read_as_each_is(column: list[str | None]) -> None:
    try:
        expected = [None if number is None else read_number(number) for number in column]
    except UnreadableError:
        with pytest.raises(UnreadableError):
            read_numbers(column, str)
    else:
        assert list(read_numbers(column, str)) == expected


# Items

ACCOUNT = Account("AC" + "1" * 32, "AC" + "1" * 32, Credentials("a", "b"))
READ_ITEMS = compile_items_reader(
    language.CallerIdFields.model_validate(
        {
            "id": "/sid",
            "account": {"at": "/account", "default": None},
            "friendly_name": {"at": "/name", "default": None},
            "phone_number": {"at": "/number", "as": "e164", "default": ""},
            "date_created": {"at": "/created", "as": "rfc2822", "default": None},
            "date_updated": {"at": "/updated", "as": "iso8601", "default": None},
        }
    ),
    build_codec("identity", b""),
)
ITEMS = st.fixed_dictionaries(
    {"sid": SIDS},
    optional={
        "account": st.sampled_from([None, ACCOUNT.upstream_id] * 3 + ["AC2", 1, []]),
        "name": st.none() | st.text() | st.integers(),
        "number": st.sampled_from(["+14158675309", "+442071838750", "+04158675309", None, 14158675309]),
        "created": RFC_2822 | USUAL | st.none(),
        "updated": ISO_8601 | USUAL | st.none(),
    },
)


def read(items: list[Any]) -> list[CallerId] | None:
    """Return what is read; None where the answer makes no sense."""
    try:
        return list(READ_ITEMS(items, ACCOUNT)[0])
    except LegacyError as error:
        if error.fault.status != 502:
            raise
        return None


@given(st.lists(ITEMS | ITEMS | ITEMS | JSON, max_size=5))
def test_items_are_read_together_as_each_is(items: list[Any]) -> None:
    alone = [read([item]) for item in items]
    expected = None if None in alone else [caller_id for found in alone for caller_id in found or ()]
    assert read(items) == expected


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, {"sid": None}, {"sid": "PN"}, {"sid": True}], ids=repr)
def test_one_invalid_item_makes_the_answer_invalid(odd: object) -> None:
    good = {"sid": "PN" + "a" * 32}
    assert read([good, good]) is not None
    assert read([good, odd, good]) is None
