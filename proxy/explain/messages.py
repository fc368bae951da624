"""Requests and answers as text: what is typed on the command line, and what is printed."""

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from proxy.legacy import Request
from proxy.profile.calls import Call, Reply
from proxy.upstream.encoding import encode, origin_and_target
from proxy.upstream.route import Origin


def parse_request(method: str, url: str, data: tuple[str, ...]) -> Request:
    """Return a legacy request to `url`, from the account that its path names; `data` are form fields."""
    split = urlsplit(url)
    target = f"{split.path}?{split.query}" if split.query else split.path
    account = re.search("AC[0-9a-fA-F]{32}", split.path)
    basic = base64.b64encode(f"{account[0] if account else ''}:token".encode()).decode("ascii")
    kind = "application/x-www-form-urlencoded"
    return Request(method, target, (f"Basic {basic}",), kind, "&".join(data).encode())


def parse_replies(text: bytes, status: int | None) -> Iterator[Reply]:
    """Yield a reply for each JSON document in `text`; the rest, if it is no JSON, is one reply too."""
    rest = text.decode("utf-8", "surrogateescape").strip()
    if not rest:
        yield Reply(status or 204, b"")
    while rest:
        try:
            _, end = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            end = len(rest)
        yield Reply(
            status or 200, rest[:end].encode("utf-8", "surrogateescape"), {"content-type": "application/json"}
        )
        rest = rest[end:].lstrip()


def format_call(call: Call, masked: Call) -> bytes:
    """Return a call as it goes over the wire, with `masked` parts; ValueError where it cannot be sent."""
    length = _LENGTH.search(_encode(call))
    head, _, body = _encode(masked).partition(b"\r\n\r\n")
    lines = [_LENGTH.sub(length[0], each) if length else each for each in head.split(b"\r\n")]
    return b"\n".join([*lines, b"", body] if body else lines)


_LENGTH = re.compile(rb"^Content-Length: [0-9]+", re.MULTILINE)


def _encode(call: Call) -> bytes:
    origin, target = origin_and_target(call.url)
    return encode(call, target, Origin(origin).host_header)
