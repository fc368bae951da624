"""Rendered lists, compared with the same caller IDs rendered one by one."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.lists import listed

from proxy.legacy import RenderedList, Style, rfc_2822_writer
from proxy.legacy.formats import OutsideNanp
from proxy.model import CallerId, List

STYLE = Style(rfc_2822_writer(ZoneInfo("America/Los_Angeles")))
ANY_TEXT = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("&<>\"'\r\n\t\0]\ufffd\ufffe\uffff\ud800\udfff")
)
NUMBERS = st.sampled_from(
    ["+14158675309", "+14158675309", "4158675309", "+442071838750", "+1415867530", "", "+14158675309\n"]
)
NAMES = st.sampled_from(["Bob", "", "Bob & Co", "\ufffd", "\ufffe", "a\nb", "Zoë"]) | ANY_TEXT
DATES = st.none() | st.sampled_from([1207074392, 1207074392, 0, -1, 4 * 10**9]) | st.integers(0, 4 * 10**9)
POLICIES: list[OutsideNanp] = ["digits", "e164", "skip"]
ROWS = st.lists(st.tuples(NAMES, NUMBERS, DATES, DATES), max_size=6).map(
    lambda rows: [CallerId(f"PN{index:032}", "AC", *row) for index, row in enumerate(rows)]
)
BOB = CallerId("PN" + "0" * 32, "AC", "Bob", "+14158675309", 1207074392, None)
ANN = BOB._replace(sid="PN" + "1" * 32, friendly_name="Ann")


@pytest.mark.parametrize("policy", POLICIES)
@given(rows=ROWS)
@example(rows=[BOB, ANN._replace(phone_number="+14158675309\n+14158675309")])
@example(rows=[BOB, ANN._replace(friendly_name="a\nb")])
@example(rows=[BOB, ANN._replace(friendly_name="<\n>")])
def test_a_list_is_its_items_written_one_by_one(policy: OutsideNanp, rows: list[CallerId]) -> None:
    style = replace(STYLE, outside_nanp=policy)
    together, alone = listed(rows, style), [listed([row], style) for row in rows]
    assert together.text == b"".join(each.text for each in alone)
    shown = [row for row, each in zip(rows, alone, strict=True) if each.ends]
    items = [item for row in shown if (item := together.item(row.sid))]
    assert [item.text for item in items] == [each.text for each in alone if each.ends]
    assert [item.caller_id for item in items] == shown
    assert len(together.ends) == len(shown)


@pytest.mark.parametrize("policy", POLICIES)
@given(rows=ROWS)
def test_a_filter_matches_exactly(policy: OutsideNanp, rows: list[CallerId]) -> None:
    style = replace(STYLE, outside_nanp=policy)
    whole = listed(rows, style)
    for name in ("Bob", "Bob & Co", "\ufffd", "Zoë"):
        named = [row for row in rows if row.friendly_name == name]
        assert whole.matching(List("AC", 0, 50, friendly_name=name)).text == listed(named, style).text
    for number in ("+14158675309", "+442071838750"):
        numbered = [row for row in rows if row.phone_number == number]
        found = whole.matching(List("AC", 0, 50, phone_number=number))
        assert found.text == listed(numbered, style).text
        assert [found.item(row.sid) is not None for row in numbered] == [
            policy != "skip" or "+1" in number
        ] * len(numbered)


def test_an_instance_is_found_by_its_whole_sid() -> None:
    rows = [BOB._replace(sid=f"PN{index:032}") for index in range(1000)]
    whole = listed(rows, STYLE)
    for index in (0, 1, 499, 999):
        item = whole.item(f"PN{index:032}")
        assert item
        assert item.text == listed([rows[index]], STYLE).text
        assert item.caller_id == rows[index]
    for sid in ("PN", "", "PN" + "0" * 31, "PN" + "f" * 32, f"PN{0:032}\nPN{1:032}"[:67]):
        assert whole.item(sid) is None


def test_memory_per_item() -> None:
    rows = [BOB._replace(sid=f"PN{index:032}", date_updated=1207074392 + index) for index in range(10_000)]
    assert listed(rows, STYLE).nbytes < 500 * len(rows)


@given(rows=ROWS)
def test_a_list_round_trips_as_bytes(rows: list[CallerId]) -> None:
    whole = listed(rows, STYLE)
    assert RenderedList.from_bytes(whole.to_bytes()) == whole
