"""The head of a request and why it is rejected; its body, as far as HTTP and our limits allow to read it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, StreamReader, hdrs, web
from multidict import CIMultiDictProxy
from yarl import URL

from proxy.errors import (
    BODY_TOO_LARGE,
    EXPECTATION_FAILED,
    HTTP_VERSION,
    MALFORMED,
    REQUEST_TIMEOUT,
    UNSUPPORTED_ENCODING,
    Fault,
    LegacyError,
)
from proxy.server.intake import CHUNKED

_MAX_BODY = 64 * 1024  # bytes
_TIMEOUT = 20  # seconds


class RequestHead(Protocol):
    """The head of a request, as aiohttp's parser hands it to a `request_factory`."""

    method: str
    path: str
    """The request target."""
    version: HttpVersion
    headers: CIMultiDictProxy[str]
    raw_headers: Sequence[tuple[bytes, bytes]]
    should_close: bool
    upgrade: bool
    chunked: bool
    url: URL


HEAD: web.RequestKey[RequestHead] = web.RequestKey("head")
"""Under which a request has its head."""


def rejection(head: RequestHead, *, is_forwarded: bool = False) -> Fault | None:
    """Return why a request is refused before its body is read, if it is (hardening.md section 1).

    What is forwarded may have any body whose end is clear.
    """
    if head.version not in (HttpVersion11, HttpVersion10):
        return HTTP_VERSION
    headers = head.headers
    if not head.path or _lacks_single_host(head):
        return MALFORMED
    for header, is_rejected, fault in _UNCLEAR if is_forwarded else _REJECTIONS:
        if header in headers and is_rejected(head, headers.getall(header)):
            return fault
    return None


def body_length(head: RequestHead) -> int:
    """Return how long the body behind a head is, `CHUNKED` where only the parser will know."""
    return CHUNKED if head.chunked else int(head.headers.get(hdrs.CONTENT_LENGTH, 0))


def expects_continue(head: RequestHead) -> bool:
    """Whether the client sends its body only after an interim answer; HTTP/1.0 knows none."""
    return hdrs.EXPECT in head.headers and head.version == HttpVersion11


async def read(body: StreamReader, *, is_stream: bool = False) -> bytes:
    """Return the whole body; LegacyError where it does not arrive as it should.

    Of a stream, return all that is at hand of it, b'' at its end; each piece has as long as a whole body.
    """
    content = bytearray()
    try:
        async with asyncio.timeout(_TIMEOUT):
            if is_stream:
                return await body.readany()
            while chunk := await body.readany():
                content += chunk
                if len(content) > _MAX_BODY:
                    raise LegacyError(BODY_TOO_LARGE)  # noqa: TRY301 - there is one way out
    except LegacyError as error:
        error.__traceback__ = None  # which leads back to it, by way of all that was received
        raise LegacyError(error.fault) from None
    except TimeoutError:
        raise LegacyError(REQUEST_TIMEOUT) from None
    except web.RequestPayloadError as error:
        error.__traceback__ = None
        raise LegacyError(MALFORMED) from None
    except ConnectionError as error:
        error.__traceback__ = None
        raise ConnectionResetError from None
    return bytes(content)


async def discard(body: StreamReader, seconds: float) -> None:
    """Read the rest of a body for so many seconds, and drop it."""
    with suppress(TimeoutError, web.RequestPayloadError, ConnectionError):
        async with asyncio.timeout(seconds):
            while not body.is_eof():
                await body.readany()


def _lacks_single_host(head: RequestHead) -> bool:
    """RFC 9112 section 3.2; HTTP/1.0 needs none."""
    hosts = len(head.headers.getall(hdrs.HOST, ()))
    return hosts > 1 or (hosts == 0 and head.version == HttpVersion11)


def _has_unclear_end(head: RequestHead, codings: Sequence[str]) -> bool:
    """RFC 9112 section 6.1: where servers disagree about the end of a request, another can be smuggled in."""
    return [coding.lower() for coding in codings] != ["chunked"] or head.version != HttpVersion11


def _has_other(than: str) -> Callable[[RequestHead, Sequence[str]], bool]:
    return lambda _, values: any(value.lower() != than for value in values)


def _is_too_long(_: RequestHead, lengths: Sequence[str]) -> bool:
    return any(int(length) > _MAX_BODY for length in lengths)


_Rejection = tuple[str, Callable[[RequestHead, Sequence[str]], bool], Fault]
_UNCLEAR: Sequence[_Rejection] = (
    (hdrs.TRANSFER_ENCODING, _has_unclear_end, MALFORMED),
    (hdrs.EXPECT, _has_other("100-continue"), EXPECTATION_FAILED),
)
_REJECTIONS: Sequence[_Rejection] = (
    *_UNCLEAR,
    (hdrs.CONTENT_ENCODING, _has_other("identity"), UNSUPPORTED_ENCODING),
    (hdrs.CONTENT_LENGTH, _is_too_long, BODY_TOO_LARGE),
)
"""Headers that few requests have, and which of their values are rejected."""
