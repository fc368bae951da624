"""The body of a request, as far as HTTP and our limits allow to read it."""

import asyncio
from collections.abc import Callable, Sequence

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web

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
from proxy.server.parsing import RawRequestMessage, StreamReader

_MOST = 64 * 1024  # bytes
_TIMEOUT = 20  # seconds


def objection(head: RawRequestMessage) -> Fault | None:
    """Return why a request is refused before its body is read, if it is."""
    if head.version not in (HttpVersion11, HttpVersion10):
        return HTTP_VERSION
    if _lacks_its_one_host(head):
        return MALFORMED
    for header, objects, fault in _OBJECTIONS:
        if header in head.headers and objects(head, head.headers.getall(header)):
            return fault
    return None


def is_without_version(beginning: bytes) -> bool:
    """Whether a head begins with a whole line of HTTP/0.9, behind which nothing more comes."""
    line, ends, _ = beginning.lstrip(b"\r\n").partition(b"\n")
    return bool(ends) and b" HTTP/" not in line


def waits_for_leave(head: RawRequestMessage) -> bool:
    """Whether the client may send its body only when told to go on; HTTP/1.0 knows no interim answers."""
    return hdrs.EXPECT in head.headers and head.version == HttpVersion11


async def read(body: StreamReader) -> bytes:
    """Return the whole body; LegacyError where it does not arrive as it should."""
    content = bytearray()
    try:
        async with asyncio.timeout(_TIMEOUT):
            while chunk := await body.readany():
                content += chunk
                if len(content) > _MOST:
                    raise LegacyError(BODY_TOO_LARGE)
    except TimeoutError:
        raise LegacyError(REQUEST_TIMEOUT) from None
    except web.RequestPayloadError as error:
        error.__traceback__ = None  # which leads back to it, by way of all that was received
        raise LegacyError(MALFORMED) from None
    return bytes(content)


def _lacks_its_one_host(head: RawRequestMessage) -> bool:
    """RFC 9112 section 3.2; HTTP/1.0 needs none."""
    hosts = len(head.headers.getall(hdrs.HOST, ()))
    return hosts > 1 or (hosts == 0 and head.version == HttpVersion11)


def _is_delimited_oddly(head: RawRequestMessage, codings: Sequence[str]) -> bool:
    """RFC 9112 section 6.1: where servers disagree about the end of a request, another can be smuggled in."""
    return [coding.lower() for coding in codings] != ["chunked"] or head.version != HttpVersion11


def _has_other(than: str) -> Callable[[RawRequestMessage, Sequence[str]], bool]:
    return lambda _, values: any(value.lower() != than for value in values)


def _is_too_long(_: RawRequestMessage, lengths: Sequence[str]) -> bool:
    return any(int(length) > _MOST for length in lengths)


_OBJECTIONS: Sequence[tuple[str, Callable[[RawRequestMessage, Sequence[str]], bool], Fault]] = (
    (hdrs.TRANSFER_ENCODING, _is_delimited_oddly, MALFORMED),
    (hdrs.EXPECT, _has_other("100-continue"), EXPECTATION_FAILED),
    (hdrs.CONTENT_ENCODING, _has_other("identity"), UNSUPPORTED_ENCODING),
    (hdrs.CONTENT_LENGTH, _is_too_long, BODY_TOO_LARGE),
)
"""Headers that few requests have, and what is wrong with their values."""
