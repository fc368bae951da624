"""The bridge: the only module that knows both shores. Orchestration and nothing else."""

import asyncio
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import assert_never

from proxy.cache import Key, ListCache, View, Walk, key_of, owner_of
from proxy.errors import (
    BAD_CODE,
    BAD_PHONE_NUMBER,
    NO_SUCH_CALL,
    NOT_FOUND,
    TOO_SLOW,
    TOO_SLOW_TO_TELL,
    Fault,
    LegacyError,
)
from proxy.gateway.accounts import Accounts
from proxy.gateway.concurrency import ConcurrencyLimiter
from proxy.gateway.pending_codes import PendingCalls, Waiting
from proxy.legacy import (
    NOTHING,
    Answer,
    Item,
    ListWriter,
    Page,
    RenderedList,
    Request,
    Route,
    Shown,
    Style,
    e164,
    read_credentials,
    render,
    render_error,
    route,
)
from proxy.model import (
    NOBODY,
    Account,
    CallerIds,
    Delete,
    Fetch,
    List,
    Operation,
    Rename,
    Validate,
    ValidationRequest,
)
from proxy.net.deadlines import GRACE, Deadlines, begin_request
from proxy.observe.counters import Counters
from proxy.upstream.api import Upstream
from proxy.upstream.listing import ListingResult, PageDigests

_EVERYTHING = (None, None)
"""The key of the list without filters."""
_A_CALL = 600  # seconds within which the callee may type the code: then the number joins the list
_READING = ("GET", "HEAD")
_MOST_KNOWN = 4096  # requests
_LONGEST_KNOWN = 512  # characters of target and credentials
_SLICE = 1000  # caller IDs written at a time, some milliseconds' work


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request says, whenever it is sent."""

    to: Route
    operation: Operation
    account: Account
    everything: Key
    """Of the list without filters; what else is remembered for whoever asks stands beside it."""

    caller: Hashable
    """Who asks: his own credentials, of whatever account; or an account of the table."""


@dataclass(frozen=True, slots=True)
class SharedState:
    """What goes on where one translator takes the place of another."""

    counters: Counters = field(default_factory=Counters)
    places: ConcurrencyLimiter = field(default_factory=ConcurrencyLimiter)
    pending: PendingCalls = field(default_factory=PendingCalls)


class Translator:
    """Answers legacy requests out of an upstream."""

    def __init__(
        self,
        accounts: Accounts,
        upstreams: Mapping[str, Upstream],
        style: Style,
        lists: ListCache[RenderedList],
        ongoing: SharedState | None = None,
    ) -> None:
        """Bind the parts together; each account names the one of `upstreams` that it is asked of."""
        ongoing = ongoing or SharedState()
        self._accounts = accounts
        self._upstreams = upstreams
        self._style = style
        self._lists = lists
        self._observers = ongoing.counters
        self._places, self._pending = ongoing.places, ongoing.pending
        # Of the accounts alone: whoever reloads lets go of a translator, and a cycle would keep all its lists
        self._known = lru_cache(maxsize=_MOST_KNOWN)(lambda *parts: _asked(accounts, Request(*parts)))
        self.takes_codes = any(upstream.speaks_codes for upstream in upstreams.values())

    @cached_property
    def _reading(self) -> Deadlines:
        """How long a read may wait for whatever it is, on the loop of whoever asks first."""
        return Deadlines(grace=GRACE)

    async def answer(self, request: Request) -> Answer:
        """Carry out `request`; whatever goes wrong on the way is an answer too."""
        try:
            asked = self._understood(request)
            begin_request()
            result = await self._perform(asked)
        except LegacyError as error:
            return self.refuse(error.fault, request.target)
        made = render(result, asked.to, self._style)
        if made.replaced:
            self._observers.replaced(made.replaced)
        return made

    def from_cache(self, request: Request) -> Answer | None:
        """Answer `request` where what it asks for is remembered; None wherever more is needed."""
        if request.method not in _READING:
            return None
        try:
            asked = self._understood(request)
        except LegacyError:
            return None
        result = self._remembered(asked.operation, asked.everything)
        return None if result is None else render(result, asked.to, self._style)

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        """Answer a request to `target`, as far as that is known, which cannot be carried out."""
        return render_error(fault, target, self._style)

    def _understood(self, request: Request) -> _Asked:
        """Read `request`, which programs send again and again; LegacyError where it cannot be carried out."""
        credentials = tuple(request.authorization)
        if request.method in _READING and len(request.target) + sum(map(len, credentials)) <= _LONGEST_KNOWN:
            return self._known(request.method, request.target, credentials)
        return _asked(self._accounts, request)

    def _remembered(self, operation: Operation, everything: Key) -> Shown | None:
        known = self._lists.from_cache(everything)
        match operation:
            case Fetch():
                if known and (item := known.one(operation.sid)):
                    return item
                alone = self._lists.from_cache(everything.about(operation.sid))
                return Item(alone.text) if alone and alone.ends else None
            case List(nothing_matches=True):
                return NOTHING.page(operation.page, operation.page_size)
            case List():
                if known:
                    known = known.matching(operation, self._style)
                else:
                    known = self._lists.from_cache(
                        everything.about(operation.phone_number, operation.friendly_name)
                    )
                return known.page(operation.page, operation.page_size) if known else None
            case _:
                return None

    async def _perform(self, asked: _Asked) -> Shown:
        operation, account = asked.operation, asked.account
        upstream = self._upstreams[account.upstream]
        try:
            match operation:
                case List():
                    with self._reading:
                        return await self._list(operation, asked, upstream)
                case Fetch():
                    with self._reading:
                        return await self._fetch(operation, asked, upstream)
                case Rename() | Delete():
                    with await self._places.of(asked.caller):
                        async with self._lists.writing(asked.everything.owner) as state:
                            return await upstream.write(operation, account, state)
                case Validate():
                    with await self._places.of(asked.caller):
                        async with self._lists.writing(asked.everything.owner, _A_CALL, TOO_SLOW_TO_TELL):
                            return await self._validate(operation, account, upstream)
                case _:
                    assert_never(operation)
        except TimeoutError as error:
            raise LegacyError(TOO_SLOW) from error
        except LegacyError as error:
            if error.refuses_credentials:
                self._lists.forget(asked.everything)
            raise

    async def _fetch(self, operation: Fetch, asked: _Asked, upstream: Upstream) -> Item:
        async def fetched(last: RenderedList | None) -> RenderedList:
            with await self._places.of(asked.caller):
                walked = await upstream.fetch(operation, asked.account, _source(last))
            return await self._read_again(last, walked, operation)

        remembered = await self._lists.view(asked.everything)
        known = await self._everything(remembered, asked, upstream)
        if known and (item := known.one(operation.sid)):
            return item
        listed = await remembered.get_or_load(operation.sid, walk=fetched)
        if not listed.ends:  # the list leaves it out
            raise LegacyError(NOT_FOUND)
        return Item(listed.text)

    async def _list(self, operation: List, asked: _Asked, upstream: Upstream) -> Page:
        number, size = operation.page, operation.page_size
        if operation.nothing_matches:
            return NOTHING.page(number, size)
        remembered = await self._lists.view(asked.everything)
        if known := await self._everything(remembered, asked, upstream):
            return known.matching(operation, self._style).page(number, size)
        what = operation.phone_number, operation.friendly_name
        # An upstream's total counts the numbers that are left out here
        jumps = self._style.outside_nanp != "skip" and upstream.has_direct_pages(operation)
        if jumps and (what == _EVERYTHING or not await remembered.find(*what)):
            jumped = self._jump(operation, asked, upstream)
            listed = await remembered.get_or_load(*what, f"{number}", f"{size}", walk=jumped)
            if listed.total is not None:
                return Page(listed.text, len(listed.ends), number, size, listed.total)
        listed = await remembered.get_or_load(*what, walk=self._walk(operation, asked, upstream))
        return listed.page(number, size)

    def _jump(self, operation: List, asked: _Asked, upstream: Upstream) -> Walk[RenderedList]:
        """Return how to read one page of a list; it has no total where it is not to be had so."""

        async def jumped(_: RenderedList | None) -> RenderedList:
            with await self._places.of(asked.caller):
                window = await upstream.load_page(operation, asked.account)
            if window is None:
                return NOTHING
            listed = await self._written(window.caller_ids, operation)
            return replace(listed, total=window.total)

        return jumped

    async def _everything(
        self, remembered: View[RenderedList], asked: _Asked, upstream: Upstream
    ) -> RenderedList | None:
        """Return the list without filters if it is remembered: it answers every other question too."""
        unfiltered = List(asked.account.sid, page=0, page_size=1)
        return await remembered.find(*_EVERYTHING, refresh=self._walk(unfiltered, asked, upstream))

    def _walk(self, operation: List, asked: _Asked, upstream: Upstream) -> Walk[RenderedList]:
        """Return how to read a whole list."""

        async def read(last: RenderedList | None) -> RenderedList:
            with await self._places.of(asked.caller):
                walked = await upstream.list_all(operation, asked.account, _source(last))
            return await self._read_again(last, walked, operation)

        return read

    async def _read_again(
        self, last: RenderedList | None, walked: ListingResult, operation: List | Fetch
    ) -> RenderedList:
        """Return what a walk led to; `last` where nothing is new, which is then not written again."""
        if last and walked.caller_ids is None:
            return last
        return await self._written(walked.caller_ids or NOBODY, operation, walked.digests)

    async def _written(
        self, caller_ids: CallerIds, operation: List | Fetch, source: PageDigests = ()
    ) -> RenderedList:
        """Write what the list shows, a slice at a time: ten thousand at once would keep everybody waiting."""
        writer = ListWriter(self._style)
        is_long = len(caller_ids) > _SLICE
        for start in range(0, len(caller_ids), _SLICE):
            if is_long:  # the last page has been read just now, which took as long
                await asyncio.sleep(0)
            chosen = caller_ids[start : start + _SLICE] if is_long else caller_ids
            writer.add(chosen if isinstance(operation, Fetch) else _matching(chosen, operation))
        if writer.replaced:
            self._observers.replaced(writer.replaced)
        return writer.listed(source)

    async def _validate(self, operation: Validate, account: Account, upstream: Upstream) -> ValidationRequest:
        started = await upstream.validate(operation, account)
        if isinstance(started, ValidationRequest):
            return started
        self._pending.add(operation.phone_number, Waiting(account, started.pending))
        return started.request

    async def bring_code(self, readable_number: str, code: str) -> None:
        """Bring back the code that a validation call spoke; LegacyError where it is not taken."""
        number = e164(readable_number)
        if number is None:
            raise LegacyError(BAD_PHONE_NUMBER)
        if not re.fullmatch("[0-9]{6}", code):
            raise LegacyError(BAD_CODE)
        verify, account = self._pending.attempt(number, code)
        upstream = self._upstreams.get(account.upstream)
        if upstream is None:  # it is not asked any more since the configuration has changed
            raise LegacyError(NO_SUCH_CALL)
        begin_request()
        with await self._places.of(number):
            async with self._lists.writing(owner_of(account)):
                await upstream.verify(verify, account)
                self._pending.done(number)


def _asked(accounts: Accounts, request: Request) -> _Asked:
    """Read what one of the accounts asks for; LegacyError where it is none, or cannot be carried out."""
    to = route(request)
    account = accounts.admit(to.account_sid, read_credentials(request.authorization))
    key = key_of(account, *_EVERYTHING)
    caller = key.credential, "" if account.is_own else account.sid
    return _Asked(to, to.read(request), account, key, caller)


def _source(last: RenderedList | None) -> PageDigests:
    """Return what a list was read from."""
    return last.source if last else ()


def _matching(caller_ids: CallerIds, operation: List) -> CallerIds:
    """Check both filters once more: an upstream may take them less exactly than 2008 did."""
    number, name = operation.phone_number, operation.friendly_name
    if number is not None:
        caller_ids = caller_ids.only([each == number for each in caller_ids.phone_number])
    if name is not None:
        caller_ids = caller_ids.only([each == name for each in caller_ids.friendly_name])
    return caller_ids
