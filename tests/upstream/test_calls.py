"""What a call is when it goes out: its URL, its body and its headers."""

import json

import pytest

from proxy.upstream.calls import Call


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


def test_a_media_type_of_ones_own() -> None:
    call = Call("POST", "https://x", {"Content-Type": "application/vnd.api+json"}, body_type="json")
    assert call.encoded_body() == ("application/vnd.api+json", b"{}")


def test_where_parameters_go() -> None:
    asked: dict[str, str | int] = {"limit": 10, "name": "x"}
    in_query = Call("GET", "https://x").asking(asked)
    assert in_query.url == "https://x?limit=10&name=x"
    in_form = Call("POST", "https://x", body_type="form").asking(asked)
    assert in_form.body == {"limit": "10", "name": "x"}
    in_json = Call("POST", "https://x", body_type="json").asking(asked)
    assert in_json.body == asked
    assert in_json.identity != Call("POST", "https://x", body_type="json").identity
