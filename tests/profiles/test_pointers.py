"""JSON Pointers: the examples of RFC 6901, and what a profile adds: several pointers, null as absence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.profile.pointers import compile_pointers

# RFC 6901 section 5
DOCUMENT: dict[str, Any] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_examples_of_the_rfc(pointer: str, value: object) -> None:
    assert compile_pointers((pointer,))(DOCUMENT) == value


def test_tildes_are_unescaped_in_the_order_of_the_rfc() -> None:
    """Section 4: `~01` is `~1`, never a slash."""
    assert compile_pointers(("/~01",))({"~1": "right", "/": "wrong"}) == "right"


@pytest.mark.parametrize(
    "pointer",
    [
        "/bar",
        "/foo/2",
        "/foo/-",
        "/foo/-1",
        "/foo/x",
        "/foo/",
        "/foo/0/0",
        "/foo/bar",
        "/a/b",
        "//",
        "/foo/1e0",
    ],
)
def test_a_missing_value(pointer: str) -> None:
    assert compile_pointers((pointer,))(DOCUMENT) is None


@pytest.mark.parametrize("index", ["01", "00", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_an_index_has_no_leading_zero_and_ascii_digits(index: str) -> None:
    assert compile_pointers((f"/foo/{index}",))(DOCUMENT) is None


def test_the_first_pointer_to_a_value() -> None:
    find = compile_pointers(("/message", "/detail", "/errors/0/title"))
    assert find({"message": "a", "detail": "b"}) == "a"
    assert find({"message": None, "detail": "b"}) == "b"
    assert find({"message": "", "detail": "b"}) == ""
    assert find({"message": False, "detail": "b"}) is False
    assert find({"errors": [{"title": "c"}]}) == "c"
    assert find({"errors": []}) is None
    assert find({}) is None


@pytest.mark.parametrize("document", [None, True, 0, "", "foo", 1.5, [], {}, [[]], [None]])
def test_any_document_is_accepted(document: object) -> None:
    assert compile_pointers(("/foo/0/bar", "/0/foo"))(document) is None


@given(st.dictionaries(st.text(), st.integers(), min_size=1), st.data())
def test_any_key_can_be_pointed_at(document: dict[str, int], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(document)))
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    assert compile_pointers((pointer,))(document) == document[key]
