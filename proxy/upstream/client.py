"""The only outgoing HTTP. Foreign exceptions stop here: what leaves is a Reply or a LegacyError."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from proxy import __version__
from proxy.errors import BAD_UPSTREAM, TOO_SLOW, UNAVAILABLE, Fault, LegacyError
from proxy.upstream import retry
from proxy.upstream.calls import Call, Reply

_MAX_BODY = 8 * 1024 * 1024
_TOTAL = 25.0  # seconds, with retries
_HEADERS = {
    "User-Agent": f"callerid-proxy/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}
_KEPT_HEADERS = ("content-type", "content-range", "link", "retry-after")


class _ConnectionError(LegacyError):
    """The upstream was not reached, or its answer was lost on the way: this may pass."""


# The first row that fits decides. Certificate errors are connector errors too, and come first.
_FAILURES: tuple[tuple[type[Exception], type[LegacyError], Fault], ...] = (
    (aiohttp.ClientSSLError, LegacyError, BAD_UPSTREAM.saying("The upstream API cannot be trusted")),
    (aiohttp.ConnectionTimeoutError, LegacyError, TOO_SLOW),
    (TimeoutError, LegacyError, TOO_SLOW),
    (aiohttp.ClientConnectorError, _ConnectionError, UNAVAILABLE.with_header("Retry-After", "1")),
    (aiohttp.ClientError, _ConnectionError, BAD_UPSTREAM),
    (OSError, _ConnectionError, BAD_UPSTREAM),
    (ValueError, LegacyError, BAD_UPSTREAM),  # aiohttp's, for what cannot be sent
)


class Client:
    """One pool of connections for one event loop; an asynchronous context manager."""

    async def __aenter__(self) -> Self:
        """Open the pool."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=100, keepalive_timeout=15),
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
        """Carry out `call`, again if it has retries and the failure may pass; redirects are not followed.

        Raises LegacyError 502 for an answer that makes no sense, 503 where the upstream cannot be reached and
        504 where it is too slow.
        """
        now = asyncio.get_running_loop().time
        deadline, sent = now() + _TOTAL, 0
        while True:
            outcome: Reply | _ConnectionError
            try:
                outcome = await self._send_once(call, deadline - now(), is_repeated=sent > 0)
            except _ConnectionError as error:
                outcome = error
            reply = outcome if isinstance(outcome, Reply) else None
            sent += 1
            pause = retry.pause(call, sent, reply, deadline - now())
            if pause is not None:
                await asyncio.sleep(pause)
            elif isinstance(outcome, Reply):
                return outcome
            else:
                raise outcome

    async def _send_once(self, call: Call, total: float, *, is_repeated: bool) -> Reply:
        content_type, body = _body(call)
        try:
            async with self._session.request(
                call.method,
                URL(call.url, encoded=True),
                headers={**call.headers, **content_type},
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total, sock_connect=5, sock_read=10),  # seconds
            ) as response:
                content = await _read(response.content)
                headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
                return Reply(response.status, content, headers, is_repeated)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raised, fault = next(row[1:] for row in _FAILURES if isinstance(error, row[0]))
            raise raised(fault) from error


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
