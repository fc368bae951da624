"""The only outgoing HTTP. Foreign exceptions stop here: what leaves is a Reply or a LegacyError."""

import asyncio
import math
import os
import socket
import ssl
import weakref
from collections import ChainMap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self

from cachetools import LRUCache

from proxy.errors import DECLINED, LegacyError, Reason, UpstreamError
from proxy.net.deadlines import Deadlines
from proxy.observe.failures import FailureLog
from proxy.profile.calls import Call, NoReplyError, Reply, TokenGrant
from proxy.upstream import encoding
from proxy.upstream.authorizer import Authorizer, authorize
from proxy.upstream.breaker import AdmittedCall, CallerBreakers, CallerCounts, CircuitBreaker
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.cooldowns import Cooldowns
from proxy.upstream.held_answers import AnswerBudget, HeldAnswers, holding
from proxy.upstream.pool import CallerConnections, ConnectionPool, ConnectionSlots, MakeConnection
from proxy.upstream.response import MalformedResponseError, UndecodableError
from proxy.upstream.retry import RetryBudget, retry_delay
from proxy.upstream.route import Origin, ProxyRefusalError, UpstreamRoute
from proxy.upstream.token_cache import TokenCache, TokenMemory

_MAX_ORIGINS, _MAX_CALLERS = 256, 1024
_ACQUIRING = 10.0  # seconds for a connection, the wait for a slot included
_LONGEST_OPEN = 5.0  # seconds that a breaker which callers share is open before the next probe
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
    (UndecodableError, True, Reason.ENCODING),
    (MalformedResponseError, True, Reason.HEADERS),
)


_Outcome = Reply | LegacyError
_Breaker = CircuitBreaker[_Outcome]
_Breakers = CallerBreakers[_Outcome]


class OriginState(NamedTuple):
    """What one worker knows of an origin: what all of its callers share."""

    origin: Origin
    budget: RetryBudget
    cooldowns: Cooldowns
    """Which credentials have to pause."""
    slots: ConnectionSlots
    strangers: _Breaker
    """Of callers that the upstream has not served yet."""
    known: _Breaker


class _BreakerReport:
    """Tells whether a circuit breaker is open."""

    def __init__(self, failures: FailureLog, origin: str, whose: str = "a caller") -> None:
        self._failures = failures
        self._origin = origin
        self._whose = whose
        self._is_open = False

    def __call__(self, cause: _Outcome, seconds: float | None) -> None:
        self._is_open = seconds is not None
        if seconds is None:
            self._failures.breaker_closed(self._origin, self._whose)
        else:
            failure = f"status {cause.status}" if isinstance(cause, Reply) else str(cause)
            self._failures.breaker_opened(self._origin, failure, seconds, self._whose)

    def end(self) -> None:
        """Take note that the breaker is gone: its caller is one too many."""
        if self._is_open:
            self._failures.breaker_removed()


class CallerState(NamedTuple):
    """What belongs to one caller at an origin, which may fail for this caller and for no other."""

    shared: OriginState
    breakers: _Breakers
    connections: CallerConnections


class Client:
    """The connections and the memory of one event loop; an asynchronous context manager."""

    def __init__(
        self,
        routes: Mapping[str, UpstreamRoute] | None = None,
        failures: FailureLog | None = None,
        tokens: TokenMemory | None = None,
        make_connection: MakeConnection = UpstreamConnection,
    ) -> None:
        """Take the `routes` that calls name; a call that names none connects directly.

        In `tokens`, workers share access tokens.
        """
        self._make_connection = make_connection
        self._tokens = tokens
        self._routes = ChainMap(dict(routes or {}), {})
        self._trust: ssl.SSLContext | None = None  # what the system trusts, once it has been read again
        self._failures = failures or FailureLog()
        self.held = AnswerBudget()
        """The bytes of answers that all calls together may hold."""

    async def __aenter__(self) -> Self:
        self._pool, self._deadlines = ConnectionPool(self._make_connection), Deadlines()
        self._clock = asyncio.get_running_loop().time
        self._origins: LRUCache[tuple[str, str], OriginState] = LRUCache(_MAX_ORIGINS)
        self._caller = lru_cache(_MAX_CALLERS)(self._create_caller)
        self._authorizer = Authorizer(self.send, TokenCache(self.send, self._tokens))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._deadlines.close()
        self._authorizer.close()
        await self._pool.close()

    def follow(self, routes: Mapping[str, UpstreamRoute], trust: ssl.SSLContext | None) -> None:
        """Take other routes from now on; answers that are under way still arrive.

        Routes that are gone stay until the next change: listings that are under way name them. `trust` is
        what the system trusts now; without it, that stays as it is.
        """
        self._routes, self._trust = ChainMap(dict(routes), self._routes.maps[0]), trust or self._trust
        for (name, url), state in self._origins.items():
            if not name or name in self._routes:
                state.origin.follow(self._find_route(name, url), self._trust)
        self._pool.change_routes()

    def _find_route(self, name: str, origin: str) -> UpstreamRoute | None:
        """Return a route as far as it is for `origin`; LookupError for none: no call goes another way."""
        return self._routes[name].for_origin(origin) if name else None

    def _create_caller(self, origin: str, caller: int, route: str) -> CallerState:
        found, place = self._find_route(route, origin), origin
        if found and found.unix_path:
            place = found.unix_path
        if (shared := self._origins.get((route, origin))) is None:
            clock = self._clock
            strangers, known = (
                self._create_breaker(place, whose, CallerCounts(clock), _LONGEST_OPEN)
                for whose in ("callers that the upstream has not served yet", "known callers")
            )
            shared = self._origins[route, origin] = OriginState(
                Origin(origin, found, self._trust),
                RetryBudget(clock),
                Cooldowns(clock),
                ConnectionSlots(),
                strangers,
                known,
            )
        breakers = CallerBreakers(caller, self._create_breaker(place), shared.strangers, shared.known)
        return CallerState(shared, breakers, CallerConnections())

    def _create_breaker(self, origin: str, whose: str = "a caller", *how: Any) -> _Breaker:
        report = _BreakerReport(self._failures, origin, whose)
        breaker: _Breaker = CircuitBreaker(self._clock, report, *how)
        weakref.finalize(breaker, report.end).atexit = False
        return breaker

    async def send(self, call: Call) -> Reply:
        """Send `call`, with its retries where failures are transient; redirects are not followed.

        Raises LegacyError 502 for an unexpected response, 503 where the upstream cannot be reached or
        has asked for a pause, a circuit breaker is open, or too much is under way, and 504 where it is too
        slow: NoReplyError unless a whole answer has come.
        """
        if isinstance(call.authorization, TokenGrant):
            return await self._authorizer.send(call, call.authorization)
        try:
            origin, target = encoding.origin_and_target(call.url)
            caller = self._caller(origin, call.caller, call.route)
            host = caller.shared.origin.host_header
            request = (
                encoding.encode(call, target, host) if call.authorization is None else _encode(call, host)
            )
        except (ValueError, LookupError) as error:
            raise NoReplyError(Reason.REQUEST, was_sent=False) from error
        if fault := caller.shared.cooldowns.fault_for(call.credentials):
            raise NoReplyError(Reason.DECLINED, fault, was_sent=False)
        try:
            with holding() as held, self._deadlines as deadline:
                held.prepare(self.held)
                return await self._send(call, request, caller, held, deadline)
        except TimeoutError as error:
            raise _out_of_time(was_sent=True) from error

    async def _send(
        self, call: Call, request: bytes, caller: CallerState, held: HeldAnswers, deadline: float
    ) -> Reply:
        shared, breakers = caller.shared, caller.breakers
        reads = call.is_safe or call.method in ("GET", "HEAD")
        # A stale connection would cost a write its only chance; after a failure all idle ones may be stale
        reuse = reads or call.retries > 0
        sent, is_repeated = 0, False
        outcome: Reply | NoReplyError | None = None
        while (admitted := breakers.admit(reads=reads)) is not None:
            if not sent:
                shared.budget.record_call()
            try:
                outcome = await self._exchange(request, caller, admitted, held, reuse=reuse)
                status = outcome.status
                breakers.record(admitted, outcome, well=status < 500, is_served=status < 300)
            except BaseException as error:  # noqa: BLE001 - raised again unless it is transient
                if is_repeated and isinstance(error, LegacyError):
                    error.has_no_effect = False  # an earlier sending may have had one
                outcome = _record_failure(error, breakers, admitted)
            sent += 1
            unsent = isinstance(outcome, NoReplyError) and not outcome.was_sent
            reply = outcome if isinstance(outcome, Reply) else None
            delay = retry_delay(call, sent, "unsent" if unsent else reply, deadline - self._clock())
            if reply and (delay is None or reply.retry_after):
                shared.cooldowns.record_reply(call.credentials, reply)
            if delay is None or not shared.budget.take():
                break
            reuse, is_repeated = reuse and reply is not None, is_repeated or not unsent
            await asyncio.sleep(delay)
            if call.is_overtaken and await call.is_overtaken():
                break
            request = _encode(call, shared.origin.host_header)  # a nonce and a time are for one sending
        if outcome is None:
            raise _declined(breakers)
        if isinstance(outcome, Reply):
            return outcome._replace(is_repeated=True) if is_repeated else outcome
        raise outcome

    async def _exchange(
        self,
        request: bytes,
        caller: CallerState,
        admitted: AdmittedCall[_Outcome],
        held: HeldAnswers,
        *,
        reuse: bool,
    ) -> Reply:
        """Send a request once; NoReplyError where no whole answer comes."""
        connection: UpstreamConnection | None = None
        failures = _CONNECT_FAILURES
        shared, connections, deadline = caller.shared, caller.connections, self._clock() + _ACQUIRING
        if not shared.slots.take(connections):
            await shared.slots.wait(connections)
            if caller.breakers.has_opened_since(admitted):
                shared.slots.release(connections)
                raise _declined(caller.breakers)
        try:
            connection = await self._pool.acquire(shared.origin, connections, deadline, reuse=reuse)
            failures = _EXCHANGE_FAILURES
            reply = await connection.exchange(request, held, is_head=request.startswith(b"HEAD "))
        except BaseException as error:
            if connection:
                connection.close()
            was_sent = failures is _EXCHANGE_FAILURES
            for kind, may_pass, reason in failures:
                if isinstance(error, kind):
                    failure = NoReplyError(reason, was_sent=was_sent, may_pass=may_pass)
                    between = {} if was_sent else shared.origin.details
                    failure.add_details(**describe_failure(error), **between)
                    raise failure from error
            if isinstance(error, asyncio.CancelledError) and self._deadlines.has_expired():
                raise _out_of_time(was_sent=was_sent) from error
            raise
        else:
            # Made-up credentials do not fill the pool
            self._pool.release(connection, connections, keep=reuse and reply.status not in _REFUSALS)
            return reply
        finally:
            shared.slots.release(connections)


def _encode(call: Call, host: str) -> bytes:
    """Return the bytes of a call, signed at this moment if it is to be; NoReplyError where it cannot be."""
    call = authorize(call)
    return encoding.encode(call, encoding.origin_and_target(call.url)[1], host)


def _declined(breakers: _Breakers) -> NoReplyError:
    left = max(1, math.ceil(breakers.seconds_left()))
    fault = DECLINED.with_header("Retry-After", str(left))
    return NoReplyError(Reason.BREAKER, fault, was_sent=False, seconds_left=left)


def _out_of_time(*, was_sent: bool) -> NoReplyError:
    return NoReplyError(Reason.TIMEOUT, was_sent=was_sent, is_out_of_time=True, limit="the deadline")


def describe_failure(error: BaseException) -> Mapping[str, str | int]:
    """Return what tells an operator why; messages of exceptions may quote what an upstream has sent."""
    if isinstance(error, MalformedResponseError):
        return error.details
    details: dict[str, str | int] = {"exception": type(error).__name__}
    if isinstance(error, ProxyRefusalError):
        return {**details, "proxy_status": error.status}
    if isinstance(error, ssl.SSLCertVerificationError):
        return {**details, "certificate": error.verify_message}
    if isinstance(error, ssl.SSLError) and error.reason:
        return {**details, "error": error.reason}
    if isinstance(error, OSError) and error.strerror:
        # The text of the system, not of asyncio; those of name lookups have numbers of their own
        text = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return {**details, "error": text}
    return details


def _record_failure(
    error: BaseException, breakers: _Breakers, admitted: AdmittedCall[_Outcome]
) -> NoReplyError:
    """Report a failure to the circuit breakers; return it if it is transient, else raise it."""
    match error:
        case UpstreamError(reason=Reason.CAPACITY | Reason.BREAKER):  # it says nothing about the upstream
            breakers.release(admitted)
        case NoReplyError():
            breakers.record(admitted, error, well=False, is_answer=False)
            if error.may_pass:
                return error
        case LegacyError():
            breakers.record(admitted, error, well=True)  # an answer, though too large
        case _:
            breakers.release(admitted)
    try:
        raise error
    finally:
        del error  # which leads back to it, by way of the request and of its connection
