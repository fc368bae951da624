"""The translator between the two sides: it parses, dispatches and renders, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeAlias, assert_never

from proxy.cache import (
    Bucket,
    Limit,
    Purpose,
    Refusal,
    SharedTokenBuckets,
    Ticket,
    TokenBuckets,
    derive_owner,
)
from proxy.errors import (
    BAD_CODE,
    BAD_PHONE_NUMBER,
    NOT_SHOWN_YET,
    TOO_SLOW,
    TOO_SLOW_TO_TELL,
    UNAUTHENTICATED,
    UNKNOWN_OUTCOME,
    WRONG_CODE,
    Fault,
    LegacyError,
    UpstreamError,
)
from proxy.gateway.accounts import Accounts
from proxy.gateway.call_limits import CallLimits, LimitExceededError
from proxy.gateway.concurrency import BUSY, TOO_MANY, ConcurrencyLimiter, UnjudgedCaller
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
from proxy.model import (
    Account,
    Credentials,
    Delete,
    Fetch,
    List,
    Operation,
    Rename,
    Validate,
    ValidationRequest,
    Verify,
)
from proxy.net.deadlines import GRACE, Deadlines, begin_request
from proxy.observe.counters import REPLACED_NAMES, LimitName, Rejection
from proxy.observe.failures import FailureLog
from proxy.profile.calls import NoReplyError
from proxy.profile.codes import SIX_DIGITS, Codes
from proxy.profile.id_memory import IdStore
from proxy.upstream.api import Upstream

CodeForm: TypeAlias = Codes
_CALL_LIFETIME = 600  # seconds within which the code may be typed: then the number joins the list
_READING = ("GET", "HEAD")
_MAX_PARSED = 4096  # requests
_REJECTIONS: Mapping[object, Rejection] = {
    UNAUTHENTICATED.kind: "wrong_token",
    TOO_MANY.kind: "caller_limit",
    BUSY.kind: "busy",
}
_MAX_PARSED_LENGTH = 512  # characters of target and credentials
_TRIES_OF_PEER = Limit(20, _CALL_LIFETIME)
"""Codes that a peer may try, over all numbers; those that are right do not count."""
_TRIES_OF_CALL = Limit(5, _CALL_LIFETIME)
"""Codes that are tried on a call, of a million."""


class Confirmation(NamedTuple):
    """A number is confirmed."""

    label: str
    """Of the account that asked for the call; empty where it has none."""
    status: int = 200
    """For programs: another one where lists may not show the number yet."""


@dataclass(frozen=True, slots=True)
class SharedState:
    """What one translator hands on to the next when the configuration is reloaded."""

    failures: FailureLog = field(default_factory=FailureLog)
    limiter: ConcurrencyLimiter = field(default_factory=ConcurrencyLimiter)
    pending: PendingCalls = field(default_factory=PendingCalls)
    buckets: TokenBuckets = field(default_factory=SharedTokenBuckets)
    ids: IdStore | None = None


class Translator:
    """Answers legacy requests from the cache and the upstreams."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is a part
        self,
        accounts: Accounts,
        upstreams: Mapping[str, Upstream],
        style: Style,
        lists: Lists,
        state: SharedState | None = None,
        limits: Mapping[LimitName, Limit] | None = None,
    ) -> None:
        """Put the parts together; each account names its one of `upstreams`, `limits` are those of calls."""
        state = state or SharedState()
        self._accounts = accounts
        self._upstreams = upstreams
        self._style = style
        self._lists = lists
        self.failures, self._limiter, self._pending = state.failures, state.limiter, state.pending
        self.buckets = state.buckets
        self._limits = CallLimits(limits or {}, state.buckets, state.failures)
        self._counters = self.failures.counters
        self._reader = Reader(lists, style, self._limiter, self._counters)
        # A function of the accounts alone: a cycle would keep a translator and all its lists after a reload
        self._parse_known = lru_cache(maxsize=_MAX_PARSED)(lambda *parts: parse(accounts, Request(*parts)))
        forms = [upstream.codes for upstream in upstreams.values() if upstream.has_spoken_codes]
        self.takes_codes = bool(forms)
        self.codes = Codes.covering(forms) if forms else SIX_DIGITS
        """The form of the codes that are taken."""

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
                result = await self._dispatch(parsed, request.peer)
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
        if reason and not is_challenge and not isinstance(error, UpstreamError | LimitExceededError):
            self.failures.request_rejected(reason)

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        """Answer with a fault, in the format that `target` names as far as it is known."""
        return render_error(fault, target, self._style)

    def _parse(self, request: Request) -> ParsedRequest:
        """Return the meaning of `request`; LegacyError where it has none. Reads are often repeated."""
        length = len(request.target) + sum(map(len, request.authorization))
        if request.method in _READING and length <= _MAX_PARSED_LENGTH:
            return self._parse_known(request.method, request.target, request.authorization)
        return parse(self._accounts, request)

    def recognises(self, login: Credentials, digest: bytes) -> bool:
        """Whether credentials, of which there is a `digest`, are known to be right without the upstream."""
        return self._accounts.recognises(login) or self._limiter.has_accepted(UnjudgedCaller(digest))

    async def _dispatch(self, parsed: ParsedRequest, peer: str) -> Shown:
        try:
            result = await self._carry_out(parsed.operation, parsed, peer)
        except TimeoutError as error:
            raise LegacyError(TOO_SLOW) from error
        except LegacyError as error:
            if error.refuses_credentials:
                self._lists.revoke(parsed.key)
                self._limiter.refuse(parsed.caller)
            raise
        is_unasked = isinstance(parsed.operation, List) and parsed.operation.nothing_matches
        if not is_unasked:
            self._limiter.accept(parsed.caller)
        return result

    async def _carry_out(self, operation: Operation, parsed: ParsedRequest, peer: str) -> Shown:
        account, owner = parsed.account, parsed.key.owner
        upstream = self._upstreams[account.upstream]
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
                    async with (
                        self._limits.counting(operation, account, peer),
                        self._lists.invalidating(owner, _CALL_LIFETIME, TOO_SLOW_TO_TELL),
                    ):
                        return await self._validate(operation, account, upstream)
            case _:
                assert_never(operation)

    async def _validate(self, operation: Validate, account: Account, upstream: Upstream) -> ValidationRequest:
        number = operation.phone_number
        if upstream.has_spoken_codes and not self._pending.has_room(number):
            raise LegacyError(BUSY)
        started = await upstream.validate(operation, account)
        if isinstance(started, ValidationRequest):
            return started
        if not await self._pending.add(number, account, started.pending):
            raise LegacyError(UNKNOWN_OUTCOME)  # the phone rings, but the code cannot come back
        return started.request

    async def bring_code(
        self, readable_number: str, code: str, account_name: str = "", peer: str = ""
    ) -> Confirmation:
        """Verify a code that a validation call has spoken; LegacyError where it is refused.

        The account may be named, and has to be where several have asked for a call to this number. A number
        without a call, a wrong code and a call that has had its tries lead to the same fault.
        """
        number = e164(readable_number)
        if number is None:
            raise LegacyError(BAD_PHONE_NUMBER)
        if not self.codes.is_match(code):
            raise LegacyError(BAD_CODE.saying(f"A code has {self.codes}"))
        taken = await self.buckets.take(Bucket(Purpose.PEERS, "codes of a peer", peer, _TRIES_OF_PEER))
        if isinstance(taken, Refusal) and not taken.is_full:  # then the tries of each call have to do
            self.failures.request_rejected("codes")
            raise LimitExceededError(taken.seconds)
        calls = await self._pending.find(number, self._accounts)
        if name := account_name.strip().lower():
            calls = [each for each in calls if name in each.account.names()]
        if len(calls) != 1:
            raise LegacyError(WRONG_CODE)
        begin_request()
        with await self._limiter.acquire(number):
            confirmation = await self._verify(number, calls[0], code)
        if isinstance(taken, Ticket):
            await self.buckets.give_back(taken)
        return confirmation

    async def _verify(self, number: str, call: PendingCall, code: str) -> Confirmation:
        account = call.account
        if not self._upstreams[account.upstream].codes.is_match(code):
            raise LegacyError(WRONG_CODE)
        taken = await self.buckets.take(Bucket(Purpose.CODES, "call", call.id, _TRIES_OF_CALL))
        if isinstance(taken, Refusal):
            raise LegacyError(WRONG_CODE)
        try:
            async with self._lists.invalidating(derive_owner(account)):
                verify = Verify(account.sid, number, call.pending, code)
                await self._upstreams[account.upstream].verify(verify, account)
                await self._pending.complete(number, call)
        except LegacyError as error:
            if error.fault is NOT_SHOWN_YET:
                return Confirmation(account.label, NOT_SHOWN_YET.status)
            if isinstance(error, NoReplyError) and not error.was_sent:
                await self.buckets.give_back(taken)
            if error.fault.status < 500 and not isinstance(error, UpstreamError):
                raise LegacyError(WRONG_CODE) from error
            raise
        return Confirmation(account.label)
