"""The only outgoing HTTP. Foreign exceptions stop here: what leaves is a Reply or a LegacyError."""

import asyncio
import math
import os
import socket
import ssl
import weakref
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Self

from proxy.errors import DECLINED, LegacyError, Reason
from proxy.net.deadlines import Deadlines
from proxy.observe.failures import FailureLog
from proxy.profile.calls import Call, NoReplyError, Reply
from proxy.upstream import encoding
from proxy.upstream.breaker import CircuitBreaker, Ticket
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.cooldowns import Cooldowns
from proxy.upstream.pool import ConnectionPool, IdleConnections
from proxy.upstream.response import MalformedResponseError
from proxy.upstream.retry import RetryBudget, retry_delay
from proxy.upstream.route import Origin, UpstreamRoute

_MAX_ORIGINS, _MAX_CALLERS = 256, 1024
_REFUSALS = frozenset({401, 403})

_Failures = Sequence[tuple[type[Exception], bool, Reason]]
"""The first row that fits decides; True is for what may pass."""
_CONNECT_FAILURES: _Failures = (
    (ssl.SSLError, False, Reason.TLS),
    (TimeoutError, False, Reason.TIMEOUT),
    (socket.gaierror, True, Reason.DNS),
    (OSError, True, Reason.CONNECT),
    (MalformedResponseError, False, Reason.HEADERS),  # of a proxy
    (ValueError, False, Reason.DNS),  # a host that cannot be looked up
)
_EXCHANGE_FAILURES: _Failures = (
    (TimeoutError, False, Reason.TIMEOUT),
    (OSError, True, Reason.RESET),
    (MalformedResponseError, True, Reason.HEADERS),
)


class OriginState(NamedTuple):
    """What one worker knows of an origin: its retry budget, and which credentials have to pause."""

    origin: Origin
    budget: RetryBudget
    cooldowns: Cooldowns


_Breaker = CircuitBreaker[Reply | LegacyError]


class _BreakerReport:
    """Tells whether a circuit breaker is open."""

    def __init__(self, failures: FailureLog, origin: str) -> None:
        self._failures = failures
        self._origin = origin
        self._is_open = False

    def __call__(self, cause: Reply | LegacyError, seconds: float | None) -> None:
        self._is_open = seconds is not None
        if seconds is None:
            self._failures.breaker_closed(self._origin)
        else:
            failure = f"status {cause.status}" if isinstance(cause, Reply) else str(cause)
            self._failures.breaker_opened(self._origin, failure, seconds)

    def end(self) -> None:
        """Take note that the breaker is gone: its caller is one too many."""
        if self._is_open:
            self._failures.breaker_removed()


class CallerState(NamedTuple):
    """What belongs to one caller at an origin, which may fail for this caller and for no other."""

    shared: OriginState
    breaker: _Breaker
    idle: IdleConnections


class Client:
    """One pool of connections for one event loop; an asynchronous context manager."""

    def __init__(
        self, routes: Mapping[str, UpstreamRoute] | None = None, failures: FailureLog | None = None
    ) -> None:
        """Take the `routes` to origins, as `https://host:port`, that are not connected to directly."""
        self._routes = routes or {}
        self._failures = failures or FailureLog()

    async def __aenter__(self) -> Self:
        self._pool, self._deadlines = ConnectionPool(), Deadlines()
        self._clock = clock = asyncio.get_running_loop().time
        self._origin = lru_cache(_MAX_ORIGINS)(
            lambda origin: OriginState(
                Origin(origin, self._routes.get(origin)), RetryBudget(clock), Cooldowns(clock)
            )
        )
        self._caller = lru_cache(_MAX_CALLERS)(
            lambda origin, _: CallerState(self._origin(origin), self._create_breaker(origin), [])
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._deadlines.close()
        await self._pool.close()

    def _create_breaker(self, origin: str) -> _Breaker:
        report = _BreakerReport(self._failures, origin)
        breaker: _Breaker = CircuitBreaker(self._clock, report)
        weakref.finalize(breaker, report.end).atexit = False
        return breaker

    async def send(self, call: Call) -> Reply:
        """Send `call`, with its retries where failures are transient; redirects are not followed.

        Raises LegacyError 502 for an unexpected response, 503 where the upstream cannot be reached or
        has asked for a pause, or the circuit breaker is open, and 504 where it is too slow: NoReplyError
        unless a whole answer has come.
        """
        try:
            origin, target = encoding.origin_and_target(call.url)
            caller = self._caller(origin, call.caller)
            request = encoding.encode(call, target, caller.shared.origin.host_header)
        except ValueError as error:
            raise NoReplyError(Reason.REQUEST, was_sent=False) from error
        if fault := caller.shared.cooldowns.fault_for(call.credentials):
            raise NoReplyError(Reason.DECLINED, fault, was_sent=False)
        try:
            with self._deadlines as deadline:
                return await self._send(call, request, caller, deadline)
        except TimeoutError as error:
            raise _out_of_time(was_sent=True) from error

    async def _send(self, call: Call, request: bytes, caller: CallerState, deadline: float) -> Reply:
        shared, breaker = caller.shared, caller.breaker
        reads = call.is_safe or call.method in ("GET", "HEAD")
        # A stale connection would cost a write its only chance; after a failure all idle ones may be stale
        idle = caller.idle if reads or call.retries else None
        is_head = call.method == "HEAD"
        sent, is_repeated = 0, False
        outcome: Reply | NoReplyError | None = None
        while (ticket := breaker.admit(reads=reads)) is not None:
            if not sent:
                shared.budget.record_call()
            try:
                outcome = await self._exchange(request, shared.origin, idle, is_head=is_head)
                breaker.record(ticket, outcome, well=outcome.status < 500)
            except BaseException as error:  # noqa: BLE001 - raised again unless it is transient
                if is_repeated and isinstance(error, LegacyError):
                    error.has_no_effect = False  # an earlier sending may have had one
                outcome = _record_failure(error, breaker, ticket)
            sent += 1
            unsent = isinstance(outcome, NoReplyError) and not outcome.was_sent
            reply = outcome if isinstance(outcome, Reply) else None
            delay = retry_delay(call, sent, "unsent" if unsent else reply, deadline - self._clock())
            if reply and (delay is None or reply.retry_after):
                shared.cooldowns.record_reply(call.credentials, reply)
            if delay is None or not shared.budget.take():
                break
            idle, is_repeated = idle if reply else None, is_repeated or not unsent
            await asyncio.sleep(delay)
            if call.is_overtaken and await call.is_overtaken():
                break
        if outcome is None:
            left = max(1, math.ceil(breaker.seconds_left()))
            fault = DECLINED.with_header("Retry-After", str(left))
            raise NoReplyError(Reason.BREAKER, fault, was_sent=False, seconds_left=left)
        if isinstance(outcome, Reply):
            return outcome._replace(is_repeated=True) if is_repeated else outcome
        raise outcome

    async def _exchange(
        self, request: bytes, origin: Origin, idle: IdleConnections | None, *, is_head: bool
    ) -> Reply:
        """Send a request once; NoReplyError where no whole answer comes."""
        connection: UpstreamConnection | None = None
        failures = _CONNECT_FAILURES
        try:
            connection = await self._pool.acquire(origin, idle)
            failures = _EXCHANGE_FAILURES
            reply = await connection.exchange(request, is_head=is_head)
        except BaseException as error:
            if connection:
                self._pool.release(connection, None)
            was_sent = failures is _EXCHANGE_FAILURES
            for kind, may_pass, reason in failures:
                if isinstance(error, kind):
                    failure = NoReplyError(reason, was_sent=was_sent, may_pass=may_pass)
                    failure.add_details(**_describe(error))
                    raise failure from error
            if isinstance(error, asyncio.CancelledError) and self._deadlines.has_expired():
                raise _out_of_time(was_sent=was_sent) from error
            raise
        # Made-up credentials do not fill the pool
        self._pool.release(connection, None if reply.status in _REFUSALS else idle)
        return reply


def _out_of_time(*, was_sent: bool) -> NoReplyError:
    return NoReplyError(Reason.TIMEOUT, was_sent=was_sent, is_out_of_time=True, limit="the deadline")


def _describe(error: BaseException) -> Mapping[str, str | int]:
    """Return what tells an operator why; messages of exceptions may quote what an upstream has sent."""
    if isinstance(error, MalformedResponseError):
        return error.details
    details = {"exception": type(error).__name__}
    if isinstance(error, ssl.SSLCertVerificationError):
        return {**details, "certificate": error.verify_message}
    if isinstance(error, ssl.SSLError) and error.reason:
        return {**details, "error": error.reason}
    if isinstance(error, OSError) and error.strerror:
        # The text of the system, not of asyncio; those of name lookups have numbers of their own
        text = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return {**details, "error": text}
    return details


def _record_failure(error: BaseException, breaker: _Breaker, ticket: Ticket) -> NoReplyError:
    """Report a failure to the circuit breaker; return it if it is transient, else raise it."""
    match error:
        case NoReplyError():
            breaker.record(ticket, error, well=False)
            if error.may_pass:
                return error
        case LegacyError():
            breaker.record(ticket, error, well=True)  # an answer, though too large
        case _:
            breaker.release(ticket)
    try:
        raise error
    finally:
        del error  # which leads back to it, by way of the request and of its connection
