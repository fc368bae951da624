"""JSON is read as the slow and exact reader does it, and never with a key twice."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.profile.documents import NOT_JSON, parse_json

TEXTS = st.text(alphabet='ab"\\:{,\u0000é\ud800😀', max_size=4)
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | TEXTS
OBJECTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple) | st.lists(st.tuples(TEXTS, inner), max_size=3)  # pairs
    ),
    max_leaves=8,
)


def written(value: Any, quote: str) -> str:
    """Write lists of pairs as objects, whatever keys come twice, and quotation marks as `quote`."""
    match value:
        case list():
            pairs = (f"{written(key, quote)} : {written(each, quote)}" for key, each in value)
            return f"{{{','.join(pairs)}}}"
        case tuple():
            return f"[{', '.join(written(each, quote) for each in value)}]"
        case str():
            return f'"{json.dumps(value)[1:-1].replace(chr(92) + chr(34), quote)}"'
        case _:
            return json.dumps(value)


def has_twice(value: Any) -> bool:
    match value:
        case list():
            keys = [key for key, _ in value]
            return len(set(keys)) < len(keys) or any(has_twice(each) for _, each in value)
        case tuple():
            return any(map(has_twice, value))
        case _:
            return False


@given(OBJECTS, st.sampled_from(['\\"', "\\u0022"]))
@example([("a", 'x":'), ("b", 1), ("b", 2)], "\\u0022")
@example([('x":', 1), ('x":', 1)], '\\"')
def test_a_document_is_parsed_or_refused(value: Any, quote: str) -> None:
    text = written(value, quote)
    expected = NOT_JSON if has_twice(value) else json.loads(text)
    assert parse_json(text.encode()) == expected


@pytest.mark.parametrize("depth", [253, 254, 255, 300])
def test_deep_nesting_is_parsed_or_refused(depth: int) -> None:
    twice = b'{"a": 1, "a": 2}'
    assert parse_json(b"[" * depth + twice + b"]" * depth) is NOT_JSON
    assert parse_json(b"[" * depth + b"{}" + b"]" * depth) is not NOT_JSON


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse_json(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize(
    ("most", "value"), [(99_999, b"[]"), (99_999, b"{}"), (1_000_000, b"1"), (1_000_000, b'""')]
)
def test_too_many_values_are_refused(most: int, value: bytes) -> None:
    assert len(parse_json(b"[" + b",".join([value] * most) + b"]")) == most
    assert parse_json(b"[" + b",".join([value] * (most + 1)) + b"]") is NOT_JSON
