"""Columns of caller IDs, compared with their rows."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from proxy.model import NO_CALLER_IDS, CallerId, CallerIds

TEXTS = st.text(max_size=3)
DATES = st.none() | st.integers()
ROWS = st.lists(st.builds(CallerId, TEXTS, TEXTS, TEXTS, TEXTS, DATES, DATES), max_size=8)


@given(ROWS)
def test_columns_are_their_rows(rows: list[CallerId]) -> None:
    columns = CallerIds.of(rows)
    assert list(columns) == rows
    assert len(columns) == len(rows)
    assert list(columns.friendly_name) == [row.friendly_name for row in rows]
    assert list(columns.date_updated) == [row.date_updated for row in rows]


@given(ROWS, st.none() | st.integers(-9, 9), st.none() | st.integers(-9, 9))
def test_a_slice(rows: list[CallerId], first: int | None, after: int | None) -> None:
    assert list(CallerIds.of(rows)[first:after]) == rows[first:after]


@given(ROWS, st.data())
def test_a_selection(rows: list[CallerId], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    chosen = [row for row, is_wanted in zip(rows, wanted, strict=True) if is_wanted]
    assert list(CallerIds.of(rows).only(wanted)) == chosen
    assert list(CallerIds.of(rows).only(iter(wanted))) == chosen


@given(st.lists(ROWS, max_size=4))
def test_concatenation(pages: list[list[CallerId]]) -> None:
    assert list(CallerIds.joined([CallerIds.of(rows) for rows in pages])) == list(chain(*pages))


def test_no_rows() -> None:
    assert len(NO_CALLER_IDS) == 0
    assert list(NO_CALLER_IDS) == []
