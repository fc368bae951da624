"""The translator between the two sides: it parses, dispatches and renders, and nothing else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import assert_never

from proxy.cache import derive_owner
from proxy.errors import (
    BAD_CODE,
    BAD_PHONE_NUMBER,
    NO_SUCH_CALL,
    TOO_SLOW,
    TOO_SLOW_TO_TELL,
    UNAUTHENTICATED,
    Fault,
    LegacyError,
    UpstreamError,
)
from proxy.gateway.accounts import Accounts
from proxy.gateway.concurrency import BUSY, TOO_MANY, ConcurrencyLimiter
from proxy.gateway.listing import Lists, Reader
from proxy.gateway.parsing import ParsedRequest, parse
from proxy.gateway.pending_codes import PendingCall, PendingCalls
from proxy.legacy import (
    Answer,
    Request,
    Shown,
    Style,
    e164,
    render,
    render_error,
)
from proxy.model import Account, Delete, Fetch, List, Rename, Validate, ValidationRequest
from proxy.net.deadlines import GRACE, Deadlines, begin_request
from proxy.observe.counters import REPLACED_NAMES, Rejection
from proxy.observe.failures import FailureLog
from proxy.upstream.api import Upstream

_CALL_LIFETIME = 600  # seconds within which the code may be typed: then the number joins the list
_READING = ("GET", "HEAD")
_MAX_PARSED = 4096  # requests
_REJECTIONS: Mapping[object, Rejection] = {
    UNAUTHENTICATED.kind: "wrong_token",
    TOO_MANY.kind: "caller_limit",
    BUSY.kind: "busy",
}
_MAX_PARSED_LENGTH = 512  # characters of target and credentials


@dataclass(frozen=True, slots=True)
class SharedState:
    """What one translator hands on to the next when the configuration is reloaded."""

    failures: FailureLog = field(default_factory=FailureLog)
    limiter: ConcurrencyLimiter = field(default_factory=ConcurrencyLimiter)
    pending: PendingCalls = field(default_factory=PendingCalls)


class Translator:
    """Answers legacy requests from the cache and the upstreams."""

    def __init__(
        self,
        accounts: Accounts,
        upstreams: Mapping[str, Upstream],
        style: Style,
        lists: Lists,
        state: SharedState | None = None,
    ) -> None:
        """Put the parts together; each account names its one of `upstreams`."""
        state = state or SharedState()
        self._accounts = accounts
        self._upstreams = upstreams
        self._style = style
        self._lists = lists
        self.failures, self._limiter, self._pending = state.failures, state.limiter, state.pending
        self._counters = self.failures.counters
        self._reader = Reader(lists, style, self._limiter, self._counters)
        # A function of the accounts alone: a cycle would keep a translator and all its lists after a reload
        self._parse_known = lru_cache(maxsize=_MAX_PARSED)(lambda *parts: parse(accounts, Request(*parts)))
        self.takes_codes = any(upstream.has_spoken_codes for upstream in upstreams.values())

    @cached_property
    def _read_deadlines(self) -> Deadlines:
        """The time that a read may wait, on the running loop."""
        return Deadlines(grace=GRACE)

    async def answer(self, request: Request) -> Answer:
        """Carry out `request`; a failure is an answer too."""
        try:
            parsed = self._parse(request)
            begin_request()
            with self._limiter.admit(parsed.caller):
                result = await self._dispatch(parsed)
        except LegacyError as error:
            self._report_rejection(error, request)
            return self.refuse(error.fault, request.target)
        answer = render(result, parsed.route, self._style)
        if answer.replaced:
            self._counters.count(REPLACED_NAMES, times=answer.replaced)
        return answer

    def from_cache(self, request: Request) -> Answer | None:
        """Answer `request` where a cached list holds the answer and nothing has to be awaited; else None."""
        if request.method not in _READING:
            return None
        try:
            parsed = self._parse(request)
        except LegacyError:
            return None
        result = self._reader.from_cache(parsed)
        return None if result is None else render(result, parsed.route, self._style)

    def _report_rejection(self, error: LegacyError, request: Request) -> None:
        reason = _REJECTIONS.get(error.fault.kind)
        is_challenge = reason == "wrong_token" and not request.authorization
        if reason and not is_challenge and not isinstance(error, UpstreamError):
            self.failures.request_rejected(reason)

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        """Answer with a fault, in the format that `target` names as far as it is known."""
        return render_error(fault, target, self._style)

    def _parse(self, request: Request) -> ParsedRequest:
        """Return the meaning of `request`; LegacyError where it has none. Reads are often repeated."""
        credentials = tuple(request.authorization)
        length = len(request.target) + sum(map(len, credentials))
        if request.method in _READING and length <= _MAX_PARSED_LENGTH:
            return self._parse_known(request.method, request.target, credentials)
        return parse(self._accounts, request)

    async def _dispatch(self, parsed: ParsedRequest) -> Shown:
        operation, account = parsed.operation, parsed.account
        upstream, owner = self._upstreams[account.upstream], parsed.key.owner
        try:
            match operation:
                case List() | Fetch():
                    with self._read_deadlines:
                        return await self._reader.answer(operation, parsed, upstream)
                case Rename() | Delete():
                    with await self._limiter.acquire(parsed.caller):
                        async with self._lists.invalidating(owner) as state:
                            return await upstream.write(operation, account, state)
                case Validate():
                    with await self._limiter.acquire(parsed.caller):
                        async with self._lists.invalidating(owner, _CALL_LIFETIME, TOO_SLOW_TO_TELL):
                            return await self._validate(operation, account, upstream)
                case _:
                    assert_never(operation)
        except TimeoutError as error:
            raise LegacyError(TOO_SLOW) from error
        except LegacyError as error:
            if error.refuses_credentials:
                self._lists.revoke(parsed.key)
            raise

    async def _validate(self, operation: Validate, account: Account, upstream: Upstream) -> ValidationRequest:
        started = await upstream.validate(operation, account)
        if isinstance(started, ValidationRequest):
            return started
        self._pending.add(operation.phone_number, PendingCall(account, started.pending))
        return started.request

    async def bring_code(self, readable_number: str, code: str) -> None:
        """Verify a code that a validation call has spoken; LegacyError where it is refused."""
        number = e164(readable_number)
        if number is None:
            raise LegacyError(BAD_PHONE_NUMBER)
        if not re.fullmatch("[0-9]{6}", code):
            raise LegacyError(BAD_CODE)
        verify, account = self._pending.attempt(number, code)
        upstream = self._upstreams.get(account.upstream)
        if upstream is None:  # the configuration has been reloaded without it
            raise LegacyError(NO_SUCH_CALL)
        begin_request()
        with await self._limiter.acquire(number):
            async with self._lists.invalidating(derive_owner(account)):
                await upstream.verify(verify, account)
                self._pending.complete(number)
