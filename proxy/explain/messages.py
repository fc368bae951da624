"""Requests and answers as text: what is typed on the command line, and what is printed."""

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from proxy.legacy import Request
from proxy.profile.calls import Call, Reply


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


def format_call(call: Call) -> Iterator[str]:
    """Yield the lines of a call as it goes over the wire."""
    url = urlsplit(call.url)
    yield f"{call.method} {url.path}{'?' + url.query if url.query else ''} HTTP/1.1"
    yield f"Host: {url.netloc}"
    yield from (f"{name}: {value}" for name, value in call.headers.items())
    if encoded := call.encoded_body():
        content_type, body = encoded
        yield from (f"Content-Type: {content_type}", "", body.decode())
