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


# Large documents, which are parsed in slices

ODD = ["},", "},{", "[", "]", '"mark",', "\\", '"', '\\"},{\\"', "\u2028", "é", "\ud800", "{", "[{"]


def large(items: int, *, nested: bool, odd: str, **around: Any) -> dict[str, Any]:
    """Return a document with one long array."""
    inner = {"tags": [odd, {"a": [{}], "b": {"c": odd}}]} if nested else {}
    listed = [{"id": number, "name": f"{odd}{number}", "x": "-" * 80, **inner} for number in range(items)]
    return {"before": odd, "errors": [], **around, "data": listed, "after": [odd, [odd], {"x": odd}]}


@pytest.mark.parametrize("odd", ODD, ids=ascii)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("indent", [None, 1])
def test_found_f12_a_large_document_is_parsed_as_any_other(
    odd: str, nested: bool, indent: int | None
) -> None:
    document = large(3000, nested=nested, odd=odd)
    for ensure_ascii in (True, False):
        text = json.dumps(document, ensure_ascii=ensure_ascii, indent=indent)
        expected = json.loads(text)
        if not ensure_ascii and odd == "\ud800":
            continue  # it has no bytes
        assert parse_json(text.encode()) == expected
        assert parse_json(json.dumps([[], *expected["data"]]).encode()) == [[], *expected["data"]]


BROKEN = {
    "no end": lambda text: text[:-1],
    "a comma too many": lambda text: text.replace(b'}], "after"', b'},], "after"'),
    "half an item": lambda text: text.replace(b'"id": 2000,', b'"id":,'),
    "a key twice": lambda text: text.replace(b'"id": 2000,', b'"id": 2000, "id": 1,'),
    "a key twice in the last item": lambda text: text.replace(b'"id": 2999,', b'"id": 2999, "id": 1,'),
    "a key twice outside": lambda text: text.replace(b'"before"', b'"after"'),
    "another bracket": lambda text: text.replace(b'}], "after"', b'}}, "after"'),
    "NaN": lambda text: text.replace(b'"id": 1500,', b'"id": NaN,'),
    "an array inside a text": lambda text: b'{"x": "[' + text + b'"}',
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_found_f12_a_large_document_that_is_broken_is_refused(broken: Any) -> None:
    text = json.dumps(large(3000, nested=False, odd="x")).encode()
    assert parse_json(text) is not NOT_JSON
    changed = broken(text)
    assert changed != text
    assert parse_json(changed) is NOT_JSON
