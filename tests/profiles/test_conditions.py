"""Conditions: what an item, or an answer, must have at a place."""

from pathlib import Path
from typing import Any

import pytest
from support.dialogues import example_rest, hold

from proxy.profile.language import Condition, ProfileSettings
from proxy.profile.rules import find_violations
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
        ({"one_of": ["a", None]}, "a", True),
        ({"one_of": ["a", None]}, None, True),
        ({"one_of": [None]}, None, True),
        ({"one_of": ["a", None]}, "", False),
        ({"one_of": ["a", None]}, False, False),
        ({"one_of": ["a", None]}, 0, False),
        ({"one_of": ["a", None]}, [], False),
        ({"one_of": ["a", None]}, "None", False),
        ({"one_of": ["a", None]}, "null", False),
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


ABSENT_OR = {"one_of": ["a", None]}


@pytest.mark.parametrize(
    ("profile", "violations"),
    [
        ({"include": [{"at": "/state", **ABSENT_OR}, {"at": "/state", "one_of": ["b", None]}]}, []),
        ({"include": [{"at": "/state", **ABSENT_OR}, {"at": "/state", "present": False}]}, []),
        ({"include": [{"at": "/state", **ABSENT_OR}, {"at": "/state", "equals": "b"}]}, ["no item meets"]),
        (
            {"include": [{"at": "/state", "equals": "b"}, {"at": "/state", "present": False}]},
            ["no item meets"],
        ),
        ({"errors": {"unless": {"at": "/state", **ABSENT_OR}}}, []),
        ({"errors": {"unless": {"at": "/state", **ABSENT_OR}, "present": "/state"}}, []),
        ({"errors": {"unless": {"at": "/state", "equals": "a"}, "present": "/state"}}, ["every answer"]),
        (
            {"errors": {"unless": {"at": "/state", **ABSENT_OR}, "when": {"at": "/state", **ABSENT_OR}}},
            ["every answer"],
        ),
        (
            {"errors": {"unless": {"at": "/x", "empty": True}, "when": {"at": "/x", "empty": True}}},
            ["every answer"],
        ),
    ],
    ids=str,
)
def test_conditions_that_contradict_each_other(profile: dict[str, Any], violations: list[str]) -> None:
    settings = example_rest()
    settings["operations"]["list"] |= {
        "include_when": profile.get("include", []),
        "total": {"strategy": "walk"},
    }
    settings["errors"] = profile.get("errors", {})
    found = [message for _, message in find_violations(ProfileSettings.model_validate(settings))]
    assert [message[: len(start)] for message, start in zip(found, violations, strict=True)] == violations


@pytest.mark.parametrize("unless", [{"empty": True}, ABSENT_OR])
def test_a_list_that_is_an_array_lacks_what_may_be_absent(unless: dict[str, Any]) -> None:
    settings = example_rest()
    settings["operations"]["list"] |= {"items": "", "total": {"strategy": "walk"}}
    settings["errors"] = {"unless": {"at": "/state", **unless}}
    assert list(find_violations(ProfileSettings.model_validate(settings))) == []
    settings["errors"] = {"unless": {"at": "/state", "equals": "a"}}
    assert len(list(find_violations(ProfileSettings.model_validate(settings)))) == 1


async def test_an_empty_list_that_lacks_a_state_is_no_error(tmp_path: Path) -> None:
    """What is absent proves nothing about an error."""
    await hold(
        tmp_path,
        """
operations: {list: {empty: [{when: {at: /state, one_of: [none, null]}}]}}
errors: {present: /error}
""",
        """
program  GET OutgoingCallerIds
proxy    GET /v1/accounts/acme/caller-ids?limit=100&offset=0
vendor   200 {"error": {"code": 7}}
answer   400 <Code>7</Code>
program  GET OutgoingCallerIds
proxy    GET /v1/accounts/acme/caller-ids?limit=100&offset=0
vendor   200 {"state": "none"}
answer   200 total="0"
program  GET OutgoingCallerIds?PhoneNumber=4158675309
proxy    GET /v1/accounts/acme/caller-ids?number=%2B14158675309&limit=100&offset=0
vendor   200 {"total": 0}
answer   200 total="0"
""",
    )
