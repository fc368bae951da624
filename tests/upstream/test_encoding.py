"""A call as bytes: what is sent, and that nothing in it can become a second line, or a second request."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import __version__
from proxy.profile.calls import Call
from proxy.upstream.encoding import encode, origin_and_target

IDENTITY = "Accept-Encoding: identity\r\n"
USUAL = f"User-Agent: callerid-proxy/{__version__}\r\nAccept: application/json\r\n{IDENTITY}"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.mark.parametrize(
    ("call", "head"),
    [
        (Call("GET", ""), f"GET /x HTTP/1.1\r\nHost: h:1\r\n{USUAL}\r\n"),
        (Call("GET", "", {"A": "1%s{0}%"}), f"GET /x HTTP/1.1\r\nHost: h:1\r\n{USUAL}A: 1%s{{0}}%\r\n\r\n"),
        (Call("GET", "", {"%s-%": "1"}), f"GET /x HTTP/1.1\r\nHost: h:1\r\n{USUAL}%s-%: 1\r\n\r\n"),
        (Call("DELETE", ""), f"DELETE /x HTTP/1.1\r\nHost: h:1\r\n{USUAL}Content-Length: 0\r\n\r\n"),
        (
            Call("PUT", "", body={"a": "b"}, body_type="form"),
            f"PUT /x HTTP/1.1\r\nHost: h:1\r\n{USUAL}{FORM}Content-Length: 3\r\n\r\na=b",
        ),
        (
            Call("POST", "", {"Content-Type": "x/json"}, body_type="json"),
            f"POST /x HTTP/1.1\r\nHost: h:1\r\n{USUAL}Content-Type: x/json\r\nContent-Length: 2\r\n\r\n{{}}",
        ),
        (
            Call("GET", "", {"accept": "text/x", "User-agent": "y"}),
            f"GET /x HTTP/1.1\r\nHost: h:1\r\n{IDENTITY}accept: text/x\r\nUser-agent: y\r\n\r\n",
        ),
    ],
)
def test_a_request(call: Call, head: str) -> None:
    assert encode(call, "/x", "h:1") == head.encode()


TEXTS = st.text(st.characters(codec="latin-1")) | st.sampled_from(
    ["\r\n", "\n", "\r", "\0", "\r\n\r\n", ": "]
)
WELL_FORMED = re.compile(rb"[^\r\n\0]* [^\r\n\0]* HTTP/1\.1\r\n(?:[^\r\n\0]*: [^\r\n\0]*\r\n)*\r\n")


@given(TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3), TEXTS)
def test_no_text_makes_another_line(method: str, target: str, headers: dict[str, str], host: str) -> None:
    texts = (method, target, host, *headers, *headers.values())
    try:
        head = encode(Call(method, "", headers), target, host)
    except ValueError:
        assert any(mark in text for text in texts for mark in "\r\n\0")
        return
    assert WELL_FORMED.fullmatch(head)
    harmless = encode(Call("X", "", {f"X-{number}": "x" for number in range(len(headers))}), "/", "x")
    assert head.count(b"\n") == harmless.count(b"\n")


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("http://x", "http://x", "/"),
        ("http://x?a=b", "http://x", "/?a=b"),
        ("http://x/?", "http://x", "/?"),
        ("http://x#/y?z", "http://x", "/"),
        ("https://x:1/a%2F/../b;c?d=/e&f?g#h?i", "https://x:1", "/a%2F/../b;c?d=/e&f?g"),
        ("HTTPS://[::1]:1/x", "HTTPS://[::1]:1", "/x"),
        ("http://u:p@x/y@z", "http://u:p@x", "/y@z"),
        ("http://x//y", "http://x", "//y"),
        ("http://x/#\n", "http://x", "/"),
    ],
)
def test_origin_and_target_of_a_url(url: str, origin: str, target: str) -> None:
    assert origin_and_target(url) == (origin, target)


@pytest.mark.parametrize(
    "url",
    ["", "x", "//x/", "http:/x", "http:///x", "file:///x", "http://x/ y", "http://x/\r\n", "http://x/\xe9"],
)
def test_a_url_that_cannot_be_asked(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        origin_and_target(url)
