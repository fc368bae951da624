"""Answers → bytes of HTTP; and what aiohttp's server gets instead of them, once they are written."""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion, HttpVersion10, hdrs, web

from proxy import __version__
from proxy.errors import INTERNAL, Fault, LegacyError
from proxy.legacy import Answer

_log = logging.getLogger("proxy.server")

_SERVER = f"callerid-proxy/{__version__}"
_PHRASES: Mapping[int, str] = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    417: "Expectation Failed",
    421: "Misdirected Request",
    422: "Unprocessable Entity",
    423: "Locked",
    424: "Failed Dependency",
    425: "Too Early",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    506: "Variant Also Negotiates",
    507: "Insufficient Storage",
    508: "Loop Detected",
    511: "Network Authentication Required",
}
"""Phrases of the time (RFC 2616 and RFC 4918); those of Python's `http` differ from version to version."""
_CLASSES: Mapping[int, str] = {1: "Informational", 2: "Success", 3: "Redirection", 4: "Client Error"}
"""For statuses without a phrase, by their first digit; others are errors of a server."""

_CONTROLS = re.compile("[\x00-\x1f\x7f]")


def response(answer: Answer, version: HttpVersion, method: str = "", *, close: bool = True) -> bytes:
    """Write an answer, after which the connection may have to close; HEAD gets no body."""
    is_old = version == HttpVersion10
    head = _opening(answer.status, answer.content_type, answer.cache_control, is_old, close)
    if answer.headers:
        head += _lines(answer.headers)
    date = _date(int(time.time()))
    if not answer.content_type:
        return b"%bDate: %b\r\n\r\n" % (head, date)
    body = b"" if method == hdrs.METH_HEAD else answer.body
    return b"%bDate: %b\r\nContent-Length: %d\r\n\r\n%b" % (head, date, len(answer.body), body)


def fault_of(error: Exception) -> Fault:
    """Return what a client is told where no answer was made."""
    if isinstance(error, LegacyError):
        return error.fault
    if not isinstance(error, ConnectionError):  # with which a client goes
        _log.error("server: a request failed inside the proxy and was answered 500", exc_info=error)
    return INTERNAL


@lru_cache(maxsize=256)
def _opening(status: int, content_type: str, cache_control: str, is_old: bool, close: bool) -> bytes:  # noqa: FBT001
    """Write what many answers have in common. HTTP/1.0 closes unless told otherwise, HTTP/1.1 does not."""
    lines = {"Server": _SERVER}
    if content_type:
        lines[hdrs.CONTENT_TYPE] = content_type
    if cache_control:
        lines[hdrs.CACHE_CONTROL] = cache_control
    if close != is_old:
        lines["Connection"] = "close" if close else "keep-alive"
    version = "1.0" if is_old else "1.1"
    phrase = _PHRASES.get(status) or _CLASSES.get(status // 100, "Server Error")
    return f"HTTP/{version} {status} {phrase}\r\n".encode() + _lines(lines)


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def _lines(headers: Mapping[str, str]) -> bytes:
    """ValueError where a header would not end with its line."""
    if any(_CONTROLS.search(text) for header in headers.items() for text in header):
        raise ValueError("a header has a control character")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


class Written(web.StreamResponse):
    """A response whose bytes are on their way; aiohttp only learns whether another may follow."""

    def __init__(self, end: Callable[[], Awaitable[None]] | None = None, *, keep_alive: bool = False) -> None:
        """Call `end` before the connection closes, if anything is left to be done."""
        super().__init__()
        self._end = end
        self._goes_on = keep_alive

    @property
    def keep_alive(self) -> bool:
        return self._goes_on

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write no head."""

    async def write_eof(self, _data: bytes = b"") -> None:
        if self._end:
            await self._end()


GOES_ON = Written(keep_alive=True)
ENDS = Written()
