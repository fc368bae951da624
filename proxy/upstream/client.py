"""The only outgoing HTTP. Foreign exceptions stop here: what leaves is a Reply or a LegacyError."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from proxy import __version__
from proxy.errors import BAD_UPSTREAM, TOO_SLOW, UNAVAILABLE, Fault, LegacyError
from proxy.upstream.calls import Call, Reply

_MAX_BODY = 8 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=25, sock_connect=5, sock_read=10)  # seconds
_HEADERS = {
    "User-Agent": f"callerid-proxy/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}
_KEPT_HEADERS = ("content-type", "content-range", "link", "retry-after")

# The first row that fits decides. Certificate errors are connector errors too, and come first.
_FAULTS: tuple[tuple[type[Exception], Fault], ...] = (
    (aiohttp.ClientSSLError, BAD_UPSTREAM.saying("The upstream API cannot be trusted")),
    (aiohttp.ConnectionTimeoutError, TOO_SLOW),
    (TimeoutError, TOO_SLOW),
    (aiohttp.ClientConnectorError, UNAVAILABLE.with_header("Retry-After", "1")),
    (aiohttp.ClientError, BAD_UPSTREAM),
    (OSError, BAD_UPSTREAM),
    (ValueError, BAD_UPSTREAM),  # aiohttp's, for what cannot be sent
)


class Client:
    """One pool of connections for one event loop; an asynchronous context manager."""

    async def __aenter__(self) -> Self:
        """Open the pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=100, keepalive_timeout=15),
            timeout=_TIMEOUT,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        # aiohttp sends GET, PUT and DELETE again by itself when an answer is lost; retries are ours to decide
        self._session._retry_connection = False  # noqa: SLF001
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(self, call: Call) -> Reply:
        """Carry out `call` once, without following redirects.

        Raises LegacyError 502 for an answer that makes no sense, 503 where the upstream cannot be reached and
        504 where it is too slow.
        """
        content_type, body = _body(call)
        try:
            async with self._session.request(
                call.method,
                URL(call.url, encoded=True),
                headers={**call.headers, **content_type},
                data=body,
                allow_redirects=False,
            ) as response:
                content = await _read(response.content)
                headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
                return Reply(response.status, content, headers)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            fault = next(fault for kind, fault in _FAULTS if isinstance(error, kind))
            raise LegacyError(fault) from error


def _body(call: Call) -> tuple[Mapping[str, str], bytes | None]:
    encoded = call.encoded_body()
    return ({"Content-Type": encoded[0]}, encoded[1]) if encoded else ({}, None)


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _MAX_BODY:
            raise LegacyError(BAD_UPSTREAM)
    return bytes(body)
