"""Requests for other resources of the 2008 API, handed on to the server that has these.

Laws: method, target and bodies keep their bytes. Credentials go to no other origin, since redirects are
handed back, and to the target only where the configuration says so. A request is sent once, but for a read
without a body over a connection that had gone. What waits is bounded in bytes and in time, and the slower
side sets the pace.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from ssl import SSLContext
from types import SimpleNamespace
from typing import TypeVar
from urllib.parse import quote

import aiohttp
from aiohttp import hdrs
from yarl import URL

from proxy.errors import MALFORMED, METHOD_NOT_ALLOWED, Fault, LegacyError, Reason, UpstreamError
from proxy.legacy import origin_form
from proxy.server.exchanges import ForwardedExchange
from proxy.server.forwarded_headers import RawHeaders, answer_headers, is_looping, is_split, request_headers
from proxy.upstream.held_answers import AnswerBudget

T = TypeVar("T")

DEFAULT_BODY = 100 * 1024 * 1024  # bytes
_MAX_WAIT = 1  # seconds for one of the connections
_IDLE = 15  # seconds for which a connection is kept
_BUFFER = 64 * 1024  # bytes of an answer, of which aiohttp holds twice as many
_HELD = 256 * 1024  # bytes that an answer may hold at a time, what the loop reads at once included
_MAX_HEADER = 32 * 1024  # bytes, as for upstreams
_MAX_HEADERS = 256
_AUTOMATIC = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT)
_PRINTABLE = bytes(range(0x21, 0x7F)).decode()
_NOT_UTF_8 = MALFORMED.saying("The request has a header that is not UTF-8, which is not forwarded")
_NO_TRACE = METHOD_NOT_ALLOWED.with_header("Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH")


@dataclass(frozen=True, slots=True)
class ForwardOptions:
    """Where requests are handed on to, and within which limits."""

    to: str
    """The URL that targets are appended to, without a slash at its end."""
    credentials: bool = False
    """Whether Authorization, Proxy-Authorization and Cookie go on too."""
    everything: bool = False
    """Whether OutgoingCallerIds are handed on too."""
    tls: SSLContext | None = field(default=None, repr=False)
    server_name: str = ""
    """The name that the certificate has to have, instead of the host of the URL."""
    body_bytes: int = DEFAULT_BODY
    """Of a request."""
    connect_timeout: float = 5
    """Seconds for a connection, its lookup and its handshake."""
    read_timeout: float = 30
    """Seconds in which the target sends or takes something."""
    timeout: float = 600
    """Seconds from the end of a request's head to the end of its answer."""
    connections: int = 100
    """At a time; one peer has three quarters of them."""


class _CutBodyError(Exception):
    """The body of a request does not come to its end."""


class _LostAnswerError(Exception):
    """The connection was lost before the answer. None of aiohttp's own, which it would send again after."""


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending again by itself what may have had its effect."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _LostAnswerError from error


async def _note_reuse(_: object, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.is_reused = True


@dataclass(slots=True, eq=False)
class _Sending:
    """One sending of a request."""

    is_reused: bool = False
    """Whether over a connection that had been used before."""


class _Relay:
    """An exchange with the target: the body on its way there, and the time that the target has."""

    def __init__(self, exchange: ForwardedExchange, options: ForwardOptions) -> None:
        self.exchange = exchange
        self._now = asyncio.get_running_loop().time
        self._patience = options.read_timeout
        self._ends = self._now() + options.timeout
        self._deadline = asyncio.timeout_at(self._ends)
        self._error: type[ConnectionError] | Fault | None = None  # why the body does not come to its end

    async def limit(self, work: Awaitable[T]) -> T:
        """Do a part of the exchange within its time.

        UpstreamError where the target does not do its part, LegacyError or ConnectionError where the client
        does not. Neither holds what has led to it: aiohttp keeps exceptions, which would keep the connection.
        """
        try:
            async with asyncio.timeout_at(self._ends) as self._deadline:
                return await work
        except (aiohttp.ClientError, _LostAnswerError, TimeoutError) as error:
            _forget_frames(error)
            if isinstance(self._error, Fault):
                raise LegacyError(self._error) from None
            if self._error is not None:
                raise self._error from None
            raise _explain(error, "timeout" if self._now() >= self._ends else "read_timeout") from None

    async def upload(self) -> AsyncIterator[bytes]:
        """Yield the body piece by piece, and ask for the next one only when the target has taken one."""
        try:
            self.exchange.invite()
            while piece := await self.exchange.read():
                self._await_target()
                yield piece
                self._await_client()
        except Exception as error:  # noqa: BLE001 - whatever it is, the target gets no more
            self._error = error.fault if isinstance(error, LegacyError) else ConnectionResetError
            self._move_deadline(self._now())  # the answer does not have to wait for the rest
            piece, error.__traceback__ = b"", None
            raise _CutBodyError from None

    async def download(self, answer: "ForwardedAnswer") -> None:
        """Send an answer to the client piece by piece."""
        await self.exchange.begin(answer.status, answer.reason, answer.headers)
        self._await_target()  # where chunks are not valid, aiohttp's client never says so
        async for piece in answer.content.iter_any():
            self._await_client()
            await self.exchange.write(piece)
            self._await_target()
        self._await_client()
        await self.exchange.end()

    def close(self) -> None:
        """Let go of the client, whatever still holds this."""
        del self.exchange

    def _await_target(self) -> None:
        self._move_deadline(self._now() + self._patience)

    def _await_client(self) -> None:
        """Leave it to the connection how long a client may take."""
        self._move_deadline(self._ends)

    def _move_deadline(self, when: float) -> None:
        with suppress(RuntimeError):  # which is over, or has yet to begin
            self._deadline.reschedule(min(when, self._ends))


@dataclass(frozen=True, slots=True)
class ForwardedAnswer:
    """An answer of the target, of which only the head has been read; it has to be closed."""

    status: int
    reason: bytes
    headers: RawHeaders
    content: aiohttp.StreamReader
    _relay: _Relay
    _ends: Sequence[Callable[[], None]]

    async def send(self) -> None:
        """Send the answer to the client, piece by piece; UpstreamError where not all of it comes."""
        await self._relay.limit(self._relay.download(self))

    def close(self) -> None:
        """Give back what the request had; close its connection unless the answer has come to its end."""
        for end in self._ends:
            end()


class Forwarder:
    """Hands requests on to one target."""

    def __init__(self, options: ForwardOptions, held: AnswerBudget) -> None:
        """Connect as `options` say, on the running loop; answers count against the budget `held`."""
        self.options = options
        base = URL(options.to)
        self._scheme, self._authority, self._prefix = (
            base.scheme,
            base.raw_authority,
            base.raw_path.rstrip("/"),
        )
        self.place = f"legacy.forward to {self._authority}"
        """For an operator."""
        self._held = held
        self._slots = asyncio.Semaphore(options.connections)
        self._share = max(1, options.connections * 3 // 4)
        self._active = Counter[str]()  # requests, by peer
        self._idle = asyncio.Event()
        self._idle.set()
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_IDLE, resolver=aiohttp.ThreadedResolver()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_AUTOMATIC,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=options.connect_timeout, sock_read=options.read_timeout
            ),
            read_bufsize=_BUFFER,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
            max_headers=_MAX_HEADERS,
            middlewares=(_send_once,),
            trace_configs=[trace],
        )

    async def ask(self, exchange: ForwardedExchange, peer: str) -> ForwardedAnswer:
        """Hand a request of a `peer` on; return the answer, as soon as its head has come.

        UpstreamError where there is none, LegacyError or ConnectionError where the client has not done
        its part.
        """
        if exchange.head.method == hdrs.METH_TRACE:  # RFC 9110 section 9.3.8: it would show what is added
            raise LegacyError(_NO_TRACE)
        if is_looping(exchange.head.raw_headers):
            raise UpstreamError(Reason.LOOP)
        await exchange.prepare(self.options.body_bytes)
        give_back = await self._take_place(peer)
        relay = _Relay(exchange, self.options)
        ends = [relay.close, give_back]
        try:
            response = await relay.limit(self._send(exchange, relay))
            ends.insert(0, response.close)
            reason, headers = _read_head(response)
        except BaseException:
            for end in ends:
                end()
            raise
        return ForwardedAnswer(response.status, reason, headers, response.content, relay, ends)

    async def close_when_idle(self) -> None:
        """Close all connections after the last answer."""
        await self._idle.wait()
        await self._session.close()

    async def _send(self, exchange: ForwardedExchange, relay: _Relay) -> aiohttp.ClientResponse:
        head = exchange.head
        try:
            headers = request_headers(head.raw_headers, credentials=self.options.credentials)
        except UnicodeDecodeError:
            raise LegacyError(_NOT_UTF_8) from None
        target = quote(origin_form(head.path).encode(errors="surrogateescape"), safe=_PRINTABLE)
        # As one path: apart from it, an empty query would lose its question mark
        url = URL.build(
            scheme=self._scheme, authority=self._authority, path=self._prefix + target, encoded=True
        )
        while True:
            sending = _Sending()
            content = relay.upload() if exchange.content is None else exchange.content
            try:
                return await self._session.request(
                    head.method,
                    url,
                    headers=headers,
                    data=content if exchange.has_body else None,
                    chunked=True if head.chunked else None,
                    allow_redirects=False,
                    ssl=self.options.tls or True,
                    server_hostname=self.options.server_name or None,
                    trace_request_ctx=sending,
                )
            except _LostAnswerError:
                if not (sending.is_reused and exchange.is_repeatable):
                    raise

    async def _take_place(self, peer: str) -> Callable[[], None]:
        """Take one of the connections, and what its answer may hold; return how both are given back.

        UpstreamError where there is none for a while, or the peer has its share.
        """
        if self._active[peer] >= self._share:
            limit = f"legacy.forward.connections: {self._share} of one peer"
            raise UpstreamError(Reason.CAPACITY, limit=limit)
        self._active[peer] += 1
        self._idle.clear()
        try:
            held = await self._take_connection()
        except BaseException:
            self._forget(peer)
            raise
        return partial(self._give_back, peer, held)

    async def _take_connection(self) -> int:
        """Take a connection; return how many bytes its answer may hold."""
        try:
            async with asyncio.timeout(_MAX_WAIT):
                await self._slots.acquire()
        except TimeoutError:
            limit = f"legacy.forward.connections: {self.options.connections}"
            raise UpstreamError(Reason.CAPACITY, limit=limit) from None
        held = min(_HELD, self._held.limit)
        if not self._held.take(held):
            self._slots.release()
            raise UpstreamError(Reason.CAPACITY, limit=self._held.description)
        return held

    def _give_back(self, peer: str, held: int) -> None:
        self._slots.release()
        self._held.taken -= held
        self._forget(peer)

    def _forget(self, peer: str) -> None:
        self._active[peer] -= 1
        if not self._active[peer]:
            del self._active[peer]
        if not self._active:
            self._idle.set()


class Forwarding:
    """The target of now, and those that were replaced, until their last answers have been relayed."""

    def __init__(self, held: AnswerBudget) -> None:
        self.held = held
        self.now: Forwarder | None = None
        self._retired: set[asyncio.Task[None]] = set()

    def follow(self, options: ForwardOptions | None) -> None:
        """Hand on as `options` say from now on; None for nothing."""
        before = self.now
        if before is not None and before.options == options:
            return
        self.now = Forwarder(options, self.held) if options else None
        if before is not None:
            task = asyncio.get_running_loop().create_task(before.close_when_idle())
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)

    async def close(self) -> None:
        self.follow(None)
        await asyncio.gather(*self._retired)


def _read_head(response: aiohttp.ClientResponse) -> tuple[bytes, RawHeaders]:
    """Return the reason phrase and the headers; UpstreamError where they would be no head for the client."""
    reason = (response.reason or "").encode(errors="surrogateescape")
    try:
        headers = answer_headers(response.raw_headers, response.status)
    except ValueError:
        raise UpstreamError(Reason.HEADERS, status=response.status) from None
    if response.status < 200 or is_split(reason):  # 101, which was not asked for
        raise UpstreamError(Reason.HEADERS, status=response.status)
    return reason, headers


def _forget_frames(error: BaseException | None) -> None:
    """Cut the cycle of an exception that aiohttp keeps, and of the frames that it has passed."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


_REASONS: Sequence[tuple[type[Exception], Reason]] = (
    (aiohttp.ClientConnectorDNSError, Reason.DNS),
    (aiohttp.ClientConnectorCertificateError, Reason.TLS),
    (aiohttp.ClientSSLError, Reason.TLS),
    (TimeoutError, Reason.TIMEOUT),
    (aiohttp.ClientConnectorError, Reason.CONNECT),
    (aiohttp.ClientResponseError, Reason.HEADERS),
    (aiohttp.InvalidURL, Reason.REQUEST),
    (Exception, Reason.RESET),
)
"""The first one that fits counts."""


def _explain(error: Exception, limit: str) -> UpstreamError:
    """Return why there is no answer, or not all of it; texts of exceptions may quote a request."""
    reason = next(reason for kind, reason in _REASONS if isinstance(error, kind))
    cause = error.__cause__ if isinstance(error, _LostAnswerError) else error
    details: dict[str, str | int] = {"exception": type(cause).__name__}
    if reason is Reason.TIMEOUT:
        is_late = isinstance(error, aiohttp.ConnectionTimeoutError)
        details["limit"] = f"legacy.forward.{'connect_timeout' if is_late else limit}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        details["certificate"] = getattr(error.certificate_error, "verify_message", "") or "not valid"
    failure = UpstreamError(reason)
    failure.add_details(**details)
    return failure
