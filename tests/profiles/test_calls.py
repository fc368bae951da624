"""What a call is when it goes out: its URL, its body and its headers."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.profile.calls import Call


@pytest.mark.parametrize(
    ("body", "document"),
    [
        ({}, {}),
        ({"name": "x", "a/b": 1}, {"name": "x", "a/b": 1}),
        ({"/data/type": "x", "/data/a/name": "y"}, {"data": {"type": "x", "a": {"name": "y"}}}),
        ({"/a~1b/c~0d": True}, {"a/b": {"c~d": True}}),
        ({"/tags/0": "x", "/tags/1": "y"}, {"tags": ["x", "y"]}),
        ({"/x/1": 1, "/y/0/a": 1, "/y/b": 2}, {"x": {"1": 1}, "y": {"0": {"a": 1}, "b": 2}}),
        ({"/0/number": "x"}, [{"number": "x"}]),
    ],
)  # fmt: skip
def test_a_json_body(body: dict[str, object], document: object) -> None:
    encoded = Call("POST", "https://x", body=body, body_type="json").encoded_body()
    assert encoded is not None
    assert (encoded[0], json.loads(encoded[1])) == ("application/json", document)


def test_a_profile_sets_the_media_type() -> None:
    call = Call("POST", "https://x", {"Content-Type": "application/vnd.api+json"}, body_type="json")
    assert call.encoded_body() == ("application/vnd.api+json", b"{}")


def test_where_parameters_go() -> None:
    asked: dict[str, str | int] = {"limit": 10, "name": "x"}
    in_query = Call("GET", "https://x").with_parameters(asked)
    assert in_query.url == "https://x?limit=10&name=x"
    in_form = Call("POST", "https://x", body_type="form").with_parameters(asked)
    assert in_form.body == {"limit": "10", "name": "x"}
    in_json = Call("POST", "https://x", body_type="json").with_parameters(asked)
    assert in_json.body == asked
    assert in_json.identity != Call("POST", "https://x", body_type="json").identity


@given(st.dictionaries(st.text(), st.text()))
def test_a_query_has_the_encoding_of_a_form(values: dict[str, str]) -> None:
    call = Call("POST", "https://x?a=b", query={"y": "z", **values}, body=values, body_type="form")
    assert call.url == f"https://x?a=b&{urlencode({'y': 'z', **values})}"
    assert call.encoded_body() == ("application/x-www-form-urlencoded", urlencode(values).encode())


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("https://x/a%2Fb/%c3?x=%20+&y=", "https://x/a%2Fb/%c3?x=%20+&y="),
        ("https://x/a b/\xe9?x=\u20ac", "https://x/a%20b/%C3%A9?x=%E2%82%AC"),
        ("https://x/%/%zz?[1]={}|^`\"'<>\\", "https://x/%/%zz?[1]={}|^`\"'<>\\"),
        ("https://x/\r\nX-Evil: 1\0", "https://x/%0D%0AX-Evil:%201%00"),
    ],
)
def test_a_next_url_without_percent_encoding(written: str, asked: str) -> None:
    assert Call("GET", "https://x/").with_url(written).url == asked
