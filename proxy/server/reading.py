"""The body of a request, as far as HTTP and our limits allow to read it."""

import asyncio
from collections.abc import Callable, Sequence

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, hdrs, web

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

MAX_BODY = 64 * 1024
SUPPORTED_HTTP = (HttpVersion10, HttpVersion11)
VERSION_SENT = web.RequestKey("version sent", HttpVersion)
_TIMEOUT = 20  # seconds


async def read_body(request: web.BaseRequest) -> bytes:
    """Return the whole body; LegacyError where it is not even read, or does not arrive as it should."""
    for objects, fault in _OBJECTIONS:
        if objects(request):
            raise LegacyError(fault)
    if not request.can_read_body:
        return b""
    if hdrs.EXPECT in request.headers and request.version == HttpVersion11 and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await request.read()
    except TimeoutError:
        raise LegacyError(REQUEST_TIMEOUT) from None
    except web.HTTPRequestEntityTooLarge:
        raise LegacyError(BODY_TOO_LARGE) from None
    except web.RequestPayloadError:
        raise LegacyError(MALFORMED) from None


def wants_upgrade(request: web.BaseRequest) -> bool:
    """Whether the parser may have stopped at this request because it asks for another protocol."""
    asks = hdrs.UPGRADE in request.headers and "upgrade" in request.headers.get(hdrs.CONNECTION, "").lower()
    return asks or request.method == hdrs.METH_CONNECT


def _is_other_http(request: web.BaseRequest) -> bool:
    return request[VERSION_SENT] not in SUPPORTED_HTTP


def _lacks_its_one_host(request: web.BaseRequest) -> bool:
    """RFC 9112 section 3.2; HTTP/1.0 needs none."""
    hosts = len(request.headers.getall(hdrs.HOST, ()))
    return hosts > 1 or (hosts == 0 and request.version == HttpVersion11)


def _is_delimited_oddly(request: web.BaseRequest) -> bool:
    """RFC 9112 section 6.1: where servers disagree about the end of a request, another can be smuggled in."""
    codings = request.headers.getall(hdrs.TRANSFER_ENCODING, ())
    return bool(codings) and (
        [coding.lower() for coding in codings] != ["chunked"] or request.version != HttpVersion11
    )


def _expects_the_unknown(request: web.BaseRequest) -> bool:
    return _has_other(request, hdrs.EXPECT, "100-continue")


def _is_encoded(request: web.BaseRequest) -> bool:
    return _has_other(request, hdrs.CONTENT_ENCODING, "identity")


def _has_other(request: web.BaseRequest, header: str, known: str) -> bool:
    return any(value.lower() != known for value in request.headers.getall(header, ()))


def _is_too_long(request: web.BaseRequest) -> bool:
    return (request.content_length or 0) > MAX_BODY


_OBJECTIONS: Sequence[tuple[Callable[[web.BaseRequest], bool], Fault]] = (
    (_is_other_http, HTTP_VERSION),
    (_lacks_its_one_host, MALFORMED),
    (_is_delimited_oddly, MALFORMED),
    (_expects_the_unknown, EXPECTATION_FAILED),
    (_is_encoded, UNSUPPORTED_ENCODING),
    (_is_too_long, BODY_TOO_LARGE),
)
