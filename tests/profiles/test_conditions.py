"""Conditions: what an item, or an answer, must have at a place."""

from typing import Any

import pytest

from proxy.profile.language import Condition
from proxy.profile.values import compile_condition


@pytest.mark.parametrize(
    ("test", "value", "holds"),
    [
        ({"equals": 1}, 1, True),
        ({"equals": 1}, True, False),
        ({"equals": True}, 1, False),
        ({"equals": "a"}, ["a"], False),
        ({"one_of": ["a", 2]}, 2, True),
        ({"one_of": ["a", 2]}, "2", False),
        ({"one_of": ["a", 2]}, None, False),
        ({"contains": "a"}, ["b", "a"], True),
        ({"contains": "a"}, ["ab", ["a"], {"a": "a"}], False),
        ({"contains": "a"}, [], False),
        ({"contains": "a"}, "a", False),
        ({"contains": "a"}, {"a": 1}, False),
        ({"contains": "a"}, None, False),
        ({"contains": 1}, [True], False),
        ({"contains": True}, [1, True], True),
        ({"contains": False}, [0], False),
        ({"present": True}, 0, True),
        ({"present": False}, None, True),
        ({"empty": True}, [], True),
        ({"empty": False}, [None], True),
    ],
    ids=str,
)
def test_a_condition(test: dict[str, Any], value: object, *, holds: bool) -> None:
    is_met = compile_condition(Condition.model_validate({"at": "/place", **test}))
    assert is_met({"place": value}) == holds
    if value is None:
        assert is_met({}) == holds
