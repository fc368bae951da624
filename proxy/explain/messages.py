"""Requests and answers as people write them down."""

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from proxy.legacy import Request
from proxy.profile.calls import Call, Reply


def request_of(method: str, url: str, data: tuple[str, ...]) -> Request:
    """Return a legacy request to `url`, from the account that its path names; `data` are form fields."""
    split = urlsplit(url)
    target = f"{split.path}?{split.query}" if split.query else split.path
    account = re.search("AC[0-9a-fA-F]{32}", split.path)
    basic = base64.b64encode(f"{account[0] if account else ''}:token".encode()).decode("ascii")
    kind = "application/x-www-form-urlencoded"
    return Request(method, target, (f"Basic {basic}",), kind, "&".join(data).encode())


def replies_of(text: bytes, status: int | None) -> Iterator[Reply]:
    """Cut `text` into JSON documents, a reply each; what is no JSON is a reply too, and so is nothing."""
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


def message_of(call: Call) -> Iterator[str]:
    """Write a call as it goes over the wire, one line after the other."""
    url = urlsplit(call.url)
    yield f"{call.method} {url.path}{'?' + url.query if url.query else ''} HTTP/1.1"
    yield f"Host: {url.netloc}"
    yield from (f"{name}: {value}" for name, value in call.headers.items())
    if encoded := call.encoded_body():
        content_type, body = encoded
        yield from (f"Content-Type: {content_type}", "", body.decode())
