"""The only outgoing HTTP. Foreign exceptions stop here: what leaves is a Reply or a LegacyError.

Of aiohttp this takes the connector, which opens connections and keeps them, and what reads answers from them.
Its session does far more than is wanted here, as redirects, cookies, proxies and sending again by itself, and
costs twice as much.
"""

import asyncio
from functools import lru_cache
from types import TracebackType
from typing import Literal, Self

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from yarl import URL

from proxy.errors import BAD_UPSTREAM, TOO_SLOW, UNAVAILABLE, Fault, LegacyError
from proxy.upstream import retry, wire
from proxy.upstream.calls import Call, Reply
from proxy.upstream.deadlines import Deadlines

_MAX_BODY = 8 * 1024 * 1024
_TOTAL = 25.0  # seconds, with retries
_GAP = 10.0  # seconds without a byte
_CONNECTING = aiohttp.ClientTimeout(total=None, sock_connect=5)  # seconds
_KEPT_HEADERS = ("content-type", "content-range", "link", "retry-after")

_NOT_REACHED = UNAVAILABLE.with_header("Retry-After", "1")

# The first row that fits decides; True is for what may pass. Certificate errors are connector errors too.
_FAILURES: tuple[tuple[type[Exception], bool, Fault], ...] = (
    (aiohttp.ClientSSLError, False, BAD_UPSTREAM.saying("The upstream API cannot be trusted")),
    (TimeoutError, False, TOO_SLOW),
    (aiohttp.ClientConnectorError, True, _NOT_REACHED),
    (aiohttp.ClientError, True, BAD_UPSTREAM),
    (HttpProcessingError, True, BAD_UPSTREAM),
    (OSError, True, BAD_UPSTREAM),
    (ValueError, False, BAD_UPSTREAM),  # for what cannot be sent
)
_FOREIGN = tuple(kind for kind, _, _ in _FAILURES)


class _ConnectionError(LegacyError):
    """The upstream was not reached, or its answer was lost on the way: this may pass."""

    def __init__(self, fault: Fault, *, was_sent: bool) -> None:
        """Know whether a byte of the request `was_sent`; if none was, the upstream has seen nothing of it."""
        super().__init__(fault)
        self.was_sent = was_sent


def _failure(error: Exception, *, was_sent: bool) -> LegacyError:
    may_pass, fault = next(row[1:] for row in _FAILURES if isinstance(error, row[0]))
    return _ConnectionError(fault, was_sent=was_sent) if may_pass else LegacyError(fault)


class Origin(aiohttp.ClientRequest):
    """Whom to connect to, as aiohttp's connector has to be told; nothing of it is ever sent but its Host.

    What has to go over a connection that was never used is `apart`: none is ever kept under its key.
    """

    def __init__(self, origin: str, *, apart: bool) -> None:
        super().__init__("GET", URL(origin))
        key = super().connection_key
        self._key = key._replace(proxy_headers_hash=1) if apart else key
        self.host_header = self.headers["Host"]

    @property
    def connection_key(self) -> ConnectionKey:
        return self._key


class Client:
    """One pool of connections for one event loop; an asynchronous context manager."""

    async def __aenter__(self) -> Self:
        """Open the pool."""
        self._connector = aiohttp.TCPConnector(limit=100, keepalive_timeout=15)
        self._loop, self._deadlines = asyncio.get_running_loop(), Deadlines(_TOTAL)
        self._origin = lru_cache(maxsize=256)(Origin)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self._deadlines.close()
        await self._connector.close()

    async def send(self, call: Call) -> Reply:
        """Carry out `call`, again if it has retries and the failure may pass; redirects are not followed.

        Raises LegacyError 502 for an answer that makes no sense, 503 where the upstream cannot be reached and
        504 where it is too slow.
        """
        try:
            with self._deadlines as deadline:
                return await self._send(call, deadline)
        except TimeoutError as error:
            raise LegacyError(TOO_SLOW) from error

    async def _send(self, call: Call, deadline: float) -> Reply:
        apart = call.method == "POST" and not call.retries  # a stale connection would cost it its only chance
        tried, is_repeated = 0, False
        while True:
            outcome: Reply | _ConnectionError
            try:
                outcome = await self._send_once(call, apart=apart, is_repeated=is_repeated)
                came: Reply | Literal["unsent"] | None = outcome
            except _ConnectionError as error:
                outcome, came, apart = error, None if error.was_sent else "unsent", True
            tried += 1
            pause = retry.pause(call, tried, came, deadline - self._loop.time())
            if pause is not None:
                is_repeated |= came != "unsent"
                await asyncio.sleep(pause)
            elif isinstance(outcome, Reply):
                return outcome
            else:
                raise outcome

    async def _send_once(self, call: Call, *, apart: bool, is_repeated: bool) -> Reply:
        try:
            place, target = wire.origin_and_target(call.url)
            origin = self._origin(place, apart=apart)
            request = wire.encode(call, target, origin.host_header)
            connection = await self._connector.connect(origin, [], _CONNECTING)
        except _FOREIGN as error:
            raise _failure(error, was_sent=False) from error
        try:
            reply = await _exchange(connection, request, call.method, is_repeated=is_repeated)
        except BaseException as error:
            connection.close()
            if isinstance(error, _FOREIGN):
                raise _failure(error, was_sent=True) from error
            raise
        if apart or _is_writing(connection):
            connection.close()
        else:
            connection.release()  # to the pool, unless aiohttp has seen a reason against it
        return reply


async def _exchange(connection: Connection, request: bytes, method: str, *, is_repeated: bool) -> Reply:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or transport.is_closing() or protocol.should_close:
        # It was closed in this moment, or the upstream has said something that nobody asked for
        raise _ConnectionError(_NOT_REACHED, was_sent=False)
    protocol.set_response_params(
        skip_payload=method == "HEAD", read_until_eof=True, auto_decompress=False, read_timeout=_GAP
    )
    transport.write(request)
    protocol.start_timeout()
    message, content = await protocol.read()
    while 100 <= message.code < 200 and message.code != 101:  # interim answers, which stop the clock
        protocol.start_timeout()
        message, content = await protocol.read()
    # What has come at once is far below the limit: aiohttp stops reading in time
    body = content.read_nowait() if content.is_eof() else await _read(content)
    headers = message.headers
    kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    return Reply(message.code, body, kept, is_repeated)


def _is_writing(connection: Connection) -> bool:
    """Whether an answer came before the whole request had gone out."""
    return connection.transport is not None and connection.transport.get_write_buffer_size() > 0


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _MAX_BODY:
            raise LegacyError(BAD_UPSTREAM)
    return bytes(body)
