"""Whole lists as text: what is cut out of them, and that they come through as bytes."""

from hypothesis import given
from hypothesis import strategies as st
from support.lists import listed

from proxy.legacy import Listed, Style
from proxy.model import CallerId

NAMES = st.text(max_size=8)
NUMBERS = st.sampled_from(["+14158675309", "+442079460958", "+41586753099", "4158675309", ""])


@given(st.lists(st.tuples(NAMES, NUMBERS), max_size=8))
def test_a_list_comes_through_as_bytes(values: list[tuple[str, str]]) -> None:
    caller_ids = [
        CallerId(f"PN{index:032x}", "AC" + "0" * 32, name, number, 0, None)
        for index, (name, number) in enumerate(values)
    ]
    whole = listed(caller_ids, Style(str))
    assert Listed.unpacked(whole.packed()) == whole
