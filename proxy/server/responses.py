"""Answers → bytes of HTTP."""

import re
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import HttpVersion, HttpVersion10, hdrs

from proxy import __version__
from proxy.legacy import Answer
from proxy.server.reading import RequestHead

_SERVER = f"callerid-proxy/{__version__}"
_CONTROLS = re.compile("[\x00-\x1f\x7f]")


def response(answer: Answer, head: RequestHead, *, close: bool) -> bytes:
    """Write the answer to a request, after which the connection may have to close."""
    return _bytes(answer, head.version, close=close, bodiless=head.method == hdrs.METH_HEAD)


def last_response(answer: Answer, version: HttpVersion) -> bytes:
    """Write an answer where there is no request that a response could belong to; then close."""
    return _bytes(answer, version, close=True)


def _bytes(answer: Answer, version: HttpVersion, *, close: bool, bodiless: bool = False) -> bytes:
    head = _opening(answer.status, answer.content_type, version == HttpVersion10, close)
    if answer.headers:
        head += _lines(answer.headers)
    date = _date(int(time.time()))
    if not answer.content_type:
        return b"%bDate: %b\r\n\r\n" % (head, date)
    body = b"" if bodiless else answer.body
    return b"%bDate: %b\r\nContent-Length: %d\r\n\r\n%b" % (head, date, len(answer.body), body)


@lru_cache(maxsize=256)
def _opening(status: int, content_type: str, is_old: bool, close: bool) -> bytes:  # noqa: FBT001
    """Write what many answers have in common. HTTP/1.0 closes unless told otherwise, HTTP/1.1 does not."""
    lines = {"Server": _SERVER}
    if content_type:
        lines["Content-Type"] = content_type
    if close != is_old:
        lines["Connection"] = "close" if close else "keep-alive"
    version = "1.0" if is_old else "1.1"
    return f"HTTP/{version} {status} {HTTPStatus(status).phrase}\r\n".encode() + _lines(lines)


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def _lines(headers: Mapping[str, str]) -> bytes:
    """ValueError where a header would not end with its line."""
    if any(_CONTROLS.search(text) for header in headers.items() for text in header):
        raise ValueError("a header has a control character")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
