"""What counts as the expected message, and how a difference is shown."""

import pytest

from proxy.conversations.comparing import find_differences, is_like
from proxy.conversations.messages import Message, parse_text

JSON = "POST / HTTP/1.1\nContent-Type: application/json\n\n"
XML = 'HTTP/1.1 200 OK\n\n<?xml version="1.0"?>\n'


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("", "", True),
        ("a", "a", True),
        ("a", "b", False),
        ("…", "", True),
        ("…", "anything\nat all", True),
        ("a…", "abc", True),
        ("a…", "bac", False),
        ("…c", "abc", True),
        ("a…c", "abc", True),
        ("a…a", "a", False),
        ("a…b…c", "a-b-b-c", True),
        ("a…b…c", "a-c-b", False),
        ("a…b…b", "ab", False),
        (".*", "ab", False),
    ],
)
def test_any_text(pattern: str, text: str, fits: bool) -> None:
    assert is_like(pattern, text) is fits


def test_a_long_mismatch_takes_linear_time() -> None:
    assert not is_like("…a" * 2000 + "b", "a" * 1_000_000)


def differences(expected: str, received: str, *, is_request: bool = False) -> list[str]:
    return list(find_differences(parse_text(expected), parse_text(received), is_request=is_request))


SAME = [
    ("GET / HTTP/1.1", "GET / HTTP/1.1\nHost: x"),
    ("GET /…?a=… HTTP/1.1", "GET /numbers?a=1 HTTP/1.1"),
    ("HTTP/1.1 404", "HTTP/1.1 404 Not Found"),
    ("HTTP/1.1 200 OK\nX: (absent)", "HTTP/1.1 200 OK"),
    ("HTTP/1.1 200 OK\nx: a…", "HTTP/1.1 200 OK\nX: abc"),
    ("HTTP/1.1 200 OK\nX: a\nX: b", "HTTP/1.1 200 OK\nX: a\nX: b"),
    ("HTTP/1.1 200 OK\n\n…", "HTTP/1.1 200 OK\n\nany body"),
    ("HTTP/1.1 200 OK\n\n…", "HTTP/1.1 200 OK"),
    (JSON + '{"b": [1, 2], "a": "x"}', JSON + '{"a":"x","b":[1,2]}'),
    (JSON + '{"nonce": "…"}', JSON + '{"nonce":17}'),
    (JSON + '{"nonce": "n-…"}', JSON + '{"nonce":"n-17"}'),
    (JSON + '{"a":"x",…}', JSON + '{"a":"x","b":[1,2]}'),
    (XML + "<a>\n  <b>1</b>\n  <c/>\n</a>", XML + "<a><b>1</b><c/></a>"),
    (XML + "<a>\n  <b>…</b>\n</a>", XML + "<a><b>1</b></a>"),
]


@pytest.mark.parametrize(("expected", "received"), SAME)
def test_the_same(expected: str, received: str) -> None:
    assert differences(expected, received, is_request=expected[0] in "GP") == []


DIFFERENT = [
    ("GET /a HTTP/1.1", "GET /b HTTP/1.1", ["- GET /a HTTP/1.1", "+ GET /b HTTP/1.1"]),
    ("HTTP/1.1 404", "HTTP/1.1 502 Bad Gateway", ["- HTTP/1.1 404", "+ HTTP/1.1 502 Bad Gateway"]),
    ("GET / HTTP/1.1\nX-Key: a", "GET / HTTP/1.1", ["- X-Key: a", "+ X-Key: (absent)"]),
    ("GET / HTTP/1.1\nX: (absent)", "GET / HTTP/1.1\nX: a", ["- X: (absent)", "+ X: a"]),
    ("GET / HTTP/1.1\nX: a", "GET / HTTP/1.1\nX: a\nX: a", ["- X: a", "+ X: a", "+ X: a"]),
    ("GET / HTTP/1.1\n\na", "GET / HTTP/1.1", ["- a", "+ (no body)"]),
    ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK\n\na", ["- (no body)", "+ a"]),
    (JSON + '{"id": 41}', JSON + '{"id":"41"}', ["  …", "  {", '-   "id": 41', '+   "id": "41"', "  }"]),
    (JSON + '{"a": 1}', JSON + '{"a":true}', ["  …", "  {", '-   "a": 1', '+   "a": true', "  }"]),
    (
        JSON + '{"a": "…", "b": 1}',
        JSON + '{"a":7,"b":2}',
        ["  …", "  {", '-   "a": "…",', '-   "b": 1', '+   "a": 7,', '+   "b": 2', "  }"],
    ),
    (
        XML + "<a>\n  <b>1</b>\n  <c>…</c>\n</a>",
        XML + "<a><b>2</b><c>3</c></a>",
        ["  …", '  <?xml version="1.0"?>', "  <a>", "- <b>1</b>", "+ <b>2</b>", "  <c>3</c>", "  </a>"],
    ),
    (
        "POST / HTTP/1.1\n\na=1&b=2&c=3",
        "POST / HTTP/1.1\n\na=1&b=3&c=3",
        ["  …", "  a=1&", "- b=2&", "+ b=3&", "  c=3"],
    ),
]


@pytest.mark.parametrize(("expected", "received", "shown"), DIFFERENT)
def test_a_difference(expected: str, received: str, shown: list[str]) -> None:
    assert differences(expected, received, is_request=expected[0] in "GP") == shown


def test_answers_in_json_are_compared_byte_by_byte() -> None:
    answer = "HTTP/1.1 200 OK\nContent-Type: application/json\n\n"
    assert differences(answer + '{"a": 1}', answer + '{"a":1}') == ["- '{\"a\": 1}'", "+ '{\"a\":1}'"]


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert differences("GET / HTTP/1.1\nX: a", "GET / HTTP/1.1\nX: \x1b[2J") == ["- X: a", "+ X: \\x1b[2J"]


def test_long_differences_are_cut() -> None:
    received = Message("HTTP/1.1 200 OK", (), "\n".join(map(str, range(500))).encode())
    shown = find_differences(Message("HTTP/1.1 200 OK", (), b"x"), received, is_request=False)
    assert len(shown) == 41
    assert shown[-1].endswith("more lines")
    (_, line) = differences("HTTP/1.1 200 OK\nX: a", f"HTTP/1.1 200 OK\nX: {'b' * 5000}")
    assert len(line) < 500
