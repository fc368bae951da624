"""aiohttp's parser of HTTP requests, which is C, and our limits of what it reads."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence

import aiohttp
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.legacy import LXML_VERSION

__all__ = [
    "EMPTY_PAYLOAD",
    "MOST_WAITING",
    "HttpProcessingError",
    "RawRequestMessage",
    "StreamReader",
    "assert_limits",
    "assert_versions",
    "request_parser",
]

MOST_WAITING = 32
"""Requests that the parser gives out before the first of them is taken."""
_LONGEST_LINE = _LONGEST_HEADER = 8190  # bytes
_MOST_HEADERS = 100
_READ_AHEAD = 256 * 1024  # bytes of a body


def request_parser(protocol: BaseProtocol, loop: asyncio.AbstractEventLoop) -> HttpRequestParser:
    """Return the parser of one connection."""
    return HttpRequestParser(
        protocol,
        loop,
        _READ_AHEAD,
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_HEADER,
        max_headers=_MOST_HEADERS,
        payload_exception=web.RequestPayloadError,
        auto_decompress=False,
        max_msg_queue_size=MOST_WAITING,
    )


_FOUND: Mapping[str, Sequence[int]] = {
    "aiohttp": [int(number) for number in re.findall("[0-9]+", aiohttp.__version__)],
    "lxml": LXML_VERSION,
}
_LEAST: Mapping[str, Sequence[int]] = {"aiohttp": (3, 14, 5), "lxml": (6, 1)}
"""In older ones are holes that let requests be smuggled in, fill the memory, or read files."""


def assert_versions(found: Mapping[str, Sequence[int]] = _FOUND) -> None:
    """RuntimeError where a library that reads what strangers send is older than it may be."""
    for library, least in _LEAST.items():
        if tuple(found[library]) < tuple(least):
            raise RuntimeError(f"{library} is too old: {'.'.join(map(str, least))} is needed")


def assert_limits(loop: asyncio.AbstractEventLoop) -> None:
    """RuntimeError where the parser is not the one that was tested, or does not keep to a limit of ours.

    It is asked, not believed: it is built of C, and does not tell its limits.
    """
    if HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise RuntimeError("aiohttp's parser of HTTP is not the one in C")
    for what, (within, beyond) in _PROBES.items():
        if not _passes(within, loop) or _passes(beyond, loop):
            raise RuntimeError(f"aiohttp's parser of HTTP does not limit {what} as it was told to")
    messages, _, _ = request_parser(BaseProtocol(loop), loop).feed_data(_request() * (MOST_WAITING + 1))
    if len(messages) != MOST_WAITING:
        raise RuntimeError("aiohttp's parser of HTTP does not limit requests that wait")


def _passes(data: bytes, loop: asyncio.AbstractEventLoop) -> bool:
    try:
        messages, _, _ = request_parser(BaseProtocol(loop), loop).feed_data(data)
    except HttpProcessingError:
        return False
    return len(messages) == 1


def _request(target: bytes = b"/", *headers: bytes) -> bytes:
    return b"\r\n".join((b"GET %b HTTP/1.1" % target, *headers, b"Host: x", b"", b""))


def _probes() -> Iterator[tuple[str, tuple[bytes, bytes]]]:
    """Yield what is limited, with a request within the limit and one beyond it."""
    yield (
        "request lines",
        (_request(b"/".ljust(_LONGEST_LINE, b"x")), _request(b"/".ljust(_LONGEST_LINE + 1, b"x"))),
    )
    header = b"X:".ljust(_LONGEST_HEADER + 1, b"x")  # the colon does not count
    yield "headers' lengths", (_request(b"/", header), _request(b"/", header + b"x"))
    most = [b"X: x"] * (_MOST_HEADERS - 1)  # and Host
    yield "headers' number", (_request(b"/", *most), _request(b"/", *most, b"X: x"))


_PROBES: Mapping[str, tuple[bytes, bytes]] = dict(_probes())
