"""The only outgoing HTTP. Foreign exceptions stop here: what leaves is a Reply or a LegacyError.

Of aiohttp this takes the connector, which opens connections and keeps them, and what reads answers from them.
Its session does far more than is wanted here, as redirects, cookies, proxies and sending again by itself, and
costs twice as much.

Law: a connection carries the requests of one caller. An answer that comes twice, the second time when the
next request is out, is taken for the answer to that.
"""

import asyncio
import math
import time
from collections.abc import Callable
from functools import lru_cache
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDictProxy
from yarl import URL

from proxy.errors import BAD_UPSTREAM, DECLINED, TOO_SLOW, UNAVAILABLE, Fault, LegacyError
from proxy.net.deadlines import Deadlines
from proxy.profile.calls import Call, NoReplyError, Reply
from proxy.upstream import encoding, retry
from proxy.upstream.breaker import Breaker
from proxy.upstream.budget import Budget
from proxy.upstream.cooldowns import Cooldowns, as_seconds

_MAX_BODY = 8 * 1024 * 1024
_GAP = 10.0  # seconds without a byte
_CONNECTING = aiohttp.ClientTimeout(total=None, sock_connect=5, connect=10)
"""In seconds: for an address, and for everything up to a connection, a free place among them included."""
_KEPT_HEADERS = ("content-type", "content-range", "link", "retry-after")
_MOST_CONNECTIONS = 100  # in use; and as many that are kept
_MOST_PLACES, _MOST_CALLERS = 256, 1024
_REFUSALS = frozenset({401, 403})

_NOT_REACHED = UNAVAILABLE.with_header("Retry-After", "1")

# The first row that fits decides; True is for what may pass. Certificate errors are connector errors too.
_FAILURES: tuple[tuple[type[Exception], bool, Fault], ...] = (
    (aiohttp.ClientSSLError, False, BAD_UPSTREAM.saying("The upstream API cannot be trusted")),
    (TimeoutError, False, TOO_SLOW),
    (aiohttp.ClientConnectorError, True, _NOT_REACHED),
    (aiohttp.ClientError, True, BAD_UPSTREAM),
    (HttpProcessingError, True, BAD_UPSTREAM),
    (OSError, True, BAD_UPSTREAM),
    (ValueError, False, BAD_UPSTREAM),  # for a host that cannot be looked up
)
_FOREIGN = tuple(kind for kind, _, _ in _FAILURES)


def _failure(error: Exception, *, was_sent: bool) -> NoReplyError:
    may_pass, fault = next(row[1:] for row in _FAILURES if isinstance(error, row[0]))
    return NoReplyError(fault, was_sent=was_sent, may_pass=may_pass)


class Origin(aiohttp.ClientRequest):
    """Whom to connect to, as aiohttp's connector has to be told; nothing of it is ever sent but its Host."""

    is_apart = True
    """Whether every request has a connection of its own, or one that is kept for its caller."""

    def __init__(self, origin: str) -> None:
        super().__init__("GET", URL(origin))
        self.host_header = self.headers["Host"]


class _Kept:
    """The same, with connections that are kept for one of many callers."""

    __slots__ = ("_origin", "connection_key")
    is_apart = False

    def __init__(self, origin: Origin, caller: int) -> None:
        self._origin = origin
        self.connection_key = origin.connection_key._replace(proxy_headers_hash=caller)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._origin, name)


class _Place:
    """One origin as one worker knows it: what is sent there again, and who is to leave it alone."""

    def __init__(self, origin: str, loop: asyncio.AbstractEventLoop) -> None:
        self.apart = Origin(origin)
        self.budget, self.pauses = Budget(loop.time), Cooldowns(loop.time)


class _Caller:
    """One origin as one caller knows it: how it fares with him need not be how it fares with others."""

    __slots__ = ("breaker", "kept", "place")

    def __init__(self, place: _Place, caller: int, clock: Callable[[], float]) -> None:
        self.place, self.breaker = place, Breaker(clock)
        self.kept = cast(Origin, _Kept(place.apart, caller))


class _Pool(aiohttp.TCPConnector):
    """Connections in use and kept; aiohttp's limit counts only those in use."""

    def make_room(self) -> None:
        """Close whatever has been idle for longest where much is: callers are many, and each has his own."""
        idle = self._conns
        while sum(map(len, idle.values())) >= _MOST_CONNECTIONS:
            key = min(idle, key=lambda key: idle[key][0][1])
            idle[key].popleft()[0].close()
            if not idle[key]:
                del idle[key]


class Client:
    """One pool of connections for one event loop; an asynchronous context manager."""

    async def __aenter__(self) -> Self:
        """Open the pool."""
        self._pool = _Pool(limit=_MOST_CONNECTIONS, keepalive_timeout=15)
        self._loop, self._deadlines = asyncio.get_running_loop(), Deadlines()
        self._place = lru_cache(_MOST_PLACES)(lambda origin: _Place(origin, self._loop))
        self._caller = lru_cache(_MOST_CALLERS)(
            lambda origin, who: _Caller(self._place(origin), who, self._loop.time)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self._deadlines.close()
        await self._pool.close()

    async def send(self, call: Call) -> Reply:
        """Carry out `call`, again if it has retries and the failure may pass; redirects are not followed.

        Raises LegacyError 502 for an answer that makes no sense, 503 where the upstream cannot be reached or
        is left alone for a while, and 504 where it is too slow: NoReplyError where there was no whole answer.
        """
        try:
            origin, target = encoding.origin_and_target(call.url)
            caller = self._caller(origin, call.caller)
            request = encoding.encode(call, target, caller.place.apart.host_header)
        except ValueError as error:
            raise NoReplyError(BAD_UPSTREAM, was_sent=False) from error
        if fault := caller.place.pauses.fault(call.credentials):
            raise NoReplyError(fault, was_sent=False)
        try:
            with self._deadlines as deadline:
                return await self._send(call, request, caller, deadline)
        except TimeoutError as error:
            raise NoReplyError(TOO_SLOW, was_sent=True, is_out_of_time=True) from error

    async def _send(self, call: Call, request: bytes, caller: _Caller, deadline: float) -> Reply:
        to, breaker = caller.place, caller.breaker
        reads = call.is_safe or call.method in ("GET", "HEAD")
        apart = not (reads or call.retries)  # a stale connection would cost a write its only chance
        sent, is_repeated = 0, False
        outcome: Reply | NoReplyError | None = None
        while (ticket := breaker.admit(reads=reads)) is not None:
            if not sent:
                to.budget.sent()
            try:
                outcome = await self._exchange(
                    call.method, request, to.apart if apart else caller.kept, again=is_repeated
                )
                breaker.answered(ticket, well=outcome.status < 500)
            except BaseException as error:  # noqa: BLE001 - raised again where it cannot pass
                outcome = _passing(error, breaker, ticket)
            sent += 1
            unsent = isinstance(outcome, NoReplyError) and not outcome.was_sent
            reply = outcome if isinstance(outcome, Reply) else None
            pause = retry.pause(call, sent, "unsent" if unsent else reply, deadline - self._loop.time())
            if reply and (pause is None or reply.retry_after):
                to.pauses.answered(call.credentials, reply)
            if pause is None or not to.budget.takes():
                break
            apart, is_repeated = apart or reply is None, is_repeated or not unsent
            await asyncio.sleep(pause)
            if call.is_overtaken and await call.is_overtaken():
                break
        if outcome is None:
            left = max(1, math.ceil(breaker.left()))
            raise NoReplyError(DECLINED.with_header("Retry-After", str(left)), was_sent=False)
        if isinstance(outcome, Reply):
            return outcome
        raise outcome

    async def _exchange(self, method: str, request: bytes, origin: Origin, *, again: bool) -> Reply:
        """Send a request once; NoReplyError where no whole answer comes."""
        connection: Connection | None = None
        was_sent = False
        try:
            connection = await self._pool.connect(origin, [], _CONNECTING)
            protocol, transport = _usable(connection)
            protocol.set_response_params(
                skip_payload=method == "HEAD", read_until_eof=True, auto_decompress=False, read_timeout=_GAP
            )
            was_sent = True
            transport.write(request)
            reply = await _answer(protocol, again=again)
        except BaseException as error:
            if connection:
                connection.close()
            if isinstance(error, _FOREIGN):
                raise _failure(error, was_sent=was_sent) from error
            if isinstance(error, asyncio.CancelledError) and self._deadlines.are_over():
                raise NoReplyError(TOO_SLOW, was_sent=was_sent, is_out_of_time=True) from error
            raise
        if (
            origin.is_apart
            or reply.status in _REFUSALS  # who makes credentials up does not fill the pool
            or transport.get_write_buffer_size()  # an answer to half a request
        ):
            connection.close()
        else:
            self._pool.make_room()
            connection.release()  # to the pool, unless aiohttp has seen a reason against it
        return reply


def _passing(error: BaseException, breaker: Breaker, ticket: int) -> NoReplyError:
    """Tell the breaker what has become of a call that was sent once; raise what will not pass by itself."""
    match error:
        case NoReplyError():
            breaker.answered(ticket, well=False)
            if error.may_pass:
                return error
        case LegacyError():
            breaker.answered(ticket, well=True)  # it does answer, be it too much
        case _:
            breaker.abandoned(ticket)
    raise error


def _usable(connection: Connection) -> tuple[ResponseHandler, asyncio.Transport]:
    """Return what a request is sent and answered with; NoReplyError where there is nothing left of it."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or transport.is_closing() or protocol.should_close:
        # It was closed in this moment, or the upstream has said something that nobody asked for
        raise NoReplyError(_NOT_REACHED, was_sent=False, may_pass=True)
    return protocol, transport


async def _answer(protocol: ResponseHandler, *, again: bool) -> Reply:
    """Read the answer to what has just been sent."""
    protocol.start_timeout()
    message, content = await protocol.read()
    while 100 <= message.code < 200 and message.code != 101:  # interim answers, which stop the clock
        protocol.start_timeout()
        message, content = await protocol.read()
    # What has come at once is far below the limit: aiohttp stops reading in time
    body = content.read_nowait() if content.is_eof() else await _read(content)
    return Reply(message.code, body, _kept(message.headers), again)


def _kept(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    if "link" in kept:  # one link a line means the same as all on one (RFC 9110 section 5.3)
        kept["link"] = ", ".join(headers.getall("link"))
    if asked := kept.get("retry-after"):
        kept["retry-after"] = as_seconds(asked, headers.get("date"), time.time())
    return kept


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > _MAX_BODY:
            raise LegacyError(BAD_UPSTREAM)
    return bytes(body)
