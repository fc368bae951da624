"""What is remembered: that it is what would be worked out anew, and that it does not grow without end."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.memo import Memo, remembering


@given(st.lists(st.integers(0, 20)), st.integers(1, 10))
def test_a_memo_says_what_its_function_says_and_is_never_larger_than_allowed(
    keys: list[int], most: int
) -> None:
    memo = Memo(str, most)
    for key in keys:
        assert memo[key] == str(key)
        assert len(memo) <= most


def test_a_memo_asks_once() -> None:
    asked: list[int] = []
    memo = Memo(asked.append, 10)
    for key in (1, 2, 1, 2):
        memo[key]
    assert asked == [1, 2]


def test_a_memo_does_not_keep_what_failed() -> None:
    memo = Memo(int, 10)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            memo["x"]
    assert not memo


class Counting:
    """A function of columns that tells what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, column: Sequence[int]) -> list[str]:
        self.asked.append(list(column))
        return [str(each) for each in column]


@given(st.lists(st.lists(st.integers(0, 20), max_size=12)), st.integers(1, 10))
def test_columns_that_are_remembered_are_those_that_would_be_worked_out(
    columns: list[list[int]], most: int
) -> None:
    remembered = remembering(Counting(), most)
    for column in columns:
        assert remembered(column) == [str(each) for each in column]


def test_a_column_is_worked_out_once_and_each_of_its_values_is_known_then() -> None:
    counting = Counting()
    remembered = remembering(counting, 4)
    for column in ([1, 2, 3], [1, 2, 3], [3, 1], [2, 2]):
        remembered(column)
    assert counting.asked == [[1, 2, 3]]


@pytest.mark.parametrize("later", [[4, 5], [4, 5, 6, 7, 8]], ids=["fills it", "is larger than all of it"])
def test_what_is_too_much_is_not_remembered(later: list[int]) -> None:
    counting = Counting()
    remembered = remembering(counting, 4)
    for column in ([1, 2, 3], later, [1, 2, 3]):
        remembered(column)
    assert counting.asked == ([[1, 2, 3], later, [1, 2, 3]] if len(later) == 2 else [[1, 2, 3], later])
