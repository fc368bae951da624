"""The modern API as coroutines: ask about one number, walk a whole list, or jump into one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from proxy.errors import (
    DECLINED,
    LIST_TOO_LARGE,
    NOT_FOUND,
    TOO_SLOW_TO_TELL,
    UNKNOWN_OUTCOME,
    LegacyError,
    RefusedError,
)
from proxy.model import (
    NOBODY,
    Account,
    CallerId,
    CallerIds,
    Delete,
    Fetch,
    List,
    Rename,
    Result,
    Validate,
    ValidationRequest,
    Verify,
)
from proxy.profile.calls import Call, NoReplyError, Reply
from proxy.profile.paging import UnevenPagesError
from proxy.profile.profile import Exchange, Profile, StartedValidation, T, UpstreamPage
from proxy.upstream.listing import (
    NOTHING_THERE,
    CursorExpiredError,
    ListingResult,
    PageDigest,
    PageDigests,
    Walk,
    digest,
    is_past_end,
)


class Sender(Protocol):
    """What carries a call out."""

    async def send(self, call: Call) -> Reply:
        """Return the whole answer; LegacyError where there is none."""


class Window(NamedTuple):
    """One page of a list and the size of the whole."""

    caller_ids: CallerIds
    total: int


class Upstream:
    """A profile and the client that carries out its calls."""

    def __init__(self, profile: Profile, client: Sender) -> None:
        """Bind the two together."""
        self._profile = profile
        self._client = client
        self.has_spoken_codes = profile.has_spoken_codes

    async def perform(
        self, operation: Rename | Delete, account: Account, state: Callable[[], Awaitable[object]]
    ) -> Result:
        """Write, and read the answer; LegacyError for whatever stands in the way.

        A name is not sent again once the `state` of the account's data has changed, by another write that may
        have been of the same name.
        """
        exchange = self._profile.exchange(operation, account)
        if exchange.call.retries and isinstance(operation, Rename):
            begun = await state()

            async def is_overtaken() -> bool:
                return begun is None or await state() != begun

            exchange = exchange._replace(call=exchange.call._replace(is_overtaken=is_overtaken))
        return await self._send(exchange)

    async def validate(self, operation: Validate, account: Account) -> ValidationRequest | StartedValidation:
        """Place one call, never a second one; where it is not known to have failed, the error says so."""
        exchange = self._profile.validate(operation, account)
        try:
            started = await self._send(exchange)
            if isinstance(started, StartedValidation) and (
                call := self._profile.call(operation, started, account)
            ):
                await self._send(call)
        except LegacyError as error:
            if error.fault.status < 500 or isinstance(error, RefusedError) or _was_kept_back(error):
                raise
            raise LegacyError(TOO_SLOW_TO_TELL if error.fault.status == 504 else UNKNOWN_OUTCOME) from error
        return started

    async def verify(self, operation: Verify, account: Account) -> None:
        """Bring back the code that a call spoke."""
        await self._send(self._profile.verify(operation, account))

    async def fetch(self, operation: Fetch, account: Account, known: PageDigests = ()) -> ListingResult:
        """Ask for one caller ID; the same answer as is `known` is not read again."""
        return await self._alone(self._profile.exchange(operation, account), known)

    async def walk(self, operation: List, account: Account, known: PageDigests = ()) -> ListingResult:
        """Return everything that may match, as far narrowed down as the upstream can; each Sid once.

        What the last walk came from may be `known`. A list without end, or one that leads back to where it
        has been, is a LegacyError: a walk that was cut short would give a wrong total.
        """
        if lookup := self._profile.lookup(operation, account):
            return await self._looked_up(lookup, known)
        try:
            return await self._whole(operation, account, known)
        except CursorExpiredError:
            pass  # a list that has changed much, or a walk that took long
        try:
            return await self._whole(operation, account, known)
        except CursorExpiredError as error:
            raise LegacyError(DECLINED.with_header("Retry-After", "1")) from error

    async def _whole(self, operation: List, account: Account, known: PageDigests) -> ListingResult:
        walk = Walk(self._profile.limits, known)
        exchange: Exchange[UpstreamPage] | None = self._profile.list(operation, account)
        while exchange is not None:
            walk.asks(exchange.call)
            try:
                reply = await self._client.send(exchange.call)
            except NoReplyError as error:
                if error.is_out_of_time and walk.has_begun:
                    raise LegacyError(LIST_TOO_LARGE) from error
                raise
            unread = walk.came(exchange, reply)
            for each in unread:
                walk.read(*each)
                if len(unread) > 1:  # each is some milliseconds' work
                    await asyncio.sleep(0)
            exchange = walk.following(account) if walk.following else None
        return walk.walked()

    def has_direct_pages(self, operation: List) -> bool:
        """Whether any page of what `operation` asks for can be had without those before it."""
        return self._profile.has_direct_pages(operation)

    async def window(self, operation: List, account: Account) -> Window | None:
        """Return the page that `operation` asks for, where the upstream gives any page by itself.

        None where it gives something that does not add up: then a walk tells. What no single page can tell is
        taken on trust: whether the upstream's total is right where this page does not contradict it, and
        whether an item comes again on another page.
        """
        start, size = operation.page * operation.page_size, operation.page_size
        beyond = start > self._profile.limits.items  # no vendor need see what a client makes up
        exchange: Exchange[UpstreamPage] | None = self._profile.list(
            operation, account, 0 if beyond else start
        )
        listing: UpstreamPage | None = None
        pages: list[CallerIds] = []
        offset, total = None, 0
        while exchange is not None:
            reply = await self._client.send(exchange.call)
            if start and listing is None and reply.status in NOTHING_THERE:
                return None
            if is_past_end(exchange.call, reply, listing):
                break
            try:
                listing = exchange.read(reply)
            except UnevenPagesError:
                return None
            offset, total = listing.offset if offset is None else offset, listing.total or 0
            pages.append(listing.caller_ids)
            came = sum(map(len, pages))
            is_enough = beyond or offset + came >= start + size
            exchange = None if is_enough or listing.next is None else listing.next(account)
        whole = CallerIds.joined(pages)
        if listing is None or len(set(whole.sid)) < len(whole):
            return None
        shown = NOBODY if beyond else whole[start - (offset or 0) :][:size]
        return Window(shown, total) if len(shown) == max(0, min(size, total - start)) else None

    async def _looked_up(self, exchange: Exchange[Result], known: PageDigests) -> ListingResult:
        try:
            return await self._alone(exchange, known)
        except LegacyError as error:
            if error.fault.status == NOT_FOUND.status:
                return ListingResult(NOBODY, ())
            raise

    async def _alone(self, exchange: Exchange[Result], known: PageDigests) -> ListingResult:
        reply = await self._client.send(exchange.call)
        source = (PageDigest(digest(reply)),)
        if source == known:
            return ListingResult(None, source)
        result = exchange.read(reply)
        return ListingResult(CallerIds.of([result]) if isinstance(result, CallerId) else NOBODY, source)

    async def _send(self, exchange: Exchange[T]) -> T:
        return exchange.read(await self._client.send(exchange.call))


def _was_kept_back(error: LegacyError) -> bool:
    return isinstance(error, NoReplyError) and not error.was_sent
