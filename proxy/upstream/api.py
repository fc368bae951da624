"""The modern API as coroutines: one number, a full listing, one page of a list, a write, a validation."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple, Protocol, TypeVar

from proxy.errors import (
    NOT_FOUND,
    NOT_SHOWN_YET,
    TOO_SLOW_TO_TELL,
    UNKNOWN_OUTCOME,
    LegacyError,
    Reason,
)
from proxy.model import (
    NO_CALLER_IDS,
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
from proxy.observe.counters import UpstreamOperation
from proxy.observe.failures import ReportFailure, UpstreamFailure
from proxy.profile.calls import Call, NoReplyError, Reply
from proxy.profile.id_memory import IdStore
from proxy.profile.paging import UnevenPagesError
from proxy.profile.profile import Exchange, FoundItem, Profile, StartedValidation, T, UpstreamPage
from proxy.upstream.held_answers import holding
from proxy.upstream.id_store import KnownIds
from proxy.upstream.listing import (
    END_STATUSES,
    CursorExpiredError,
    FullListing,
    ListingResult,
    ListTooLargeError,
    PageDigest,
    PageDigests,
    digest,
    is_past_end,
)


class Sender(Protocol):
    async def send(self, call: Call) -> Reply:
        """Return the whole reply; LegacyError where there is none."""


class DirectPage(NamedTuple):
    """One page of a list, loaded without those before it, and the size of the whole list."""

    caller_ids: CallerIds
    total: int


@contextmanager
def _sending_nothing() -> Iterator[None]:
    """Let a LegacyError say that no call was made."""
    try:
        yield
    except LegacyError as error:
        error.has_no_effect = True
        raise


# In bytes, of answers that are worked on in a thread; to hash takes a tenth as long as to read
_LARGE_TO_READ, _LARGE_TO_HASH = 256 * 1024, 1024 * 1024
_MAX_KNOWN = 256  # requests of each kind
R = TypeVar("R")


@cache
def _reading_thread() -> ThreadPoolExecutor:
    """Return the one thread of this process: with several, the loop would wait for each of them in turn."""
    return ThreadPoolExecutor(1, "answers")


async def _apart(large: int, reply: Reply, work: Callable[..., R], *arguments: Any) -> R:
    """Do `work` on a reply: in a thread where it is `large`, so that the loop goes on meanwhile."""
    if len(reply.body) <= large:
        return work(*arguments)
    return await asyncio.get_running_loop().run_in_executor(_reading_thread(), work, *arguments)


_read, _hash = partial(_apart, _LARGE_TO_READ), partial(_apart, _LARGE_TO_HASH)


class Upstream:
    """A profile and the client that carries out its calls."""

    def __init__(
        self,
        profile: Profile,
        client: Sender,
        name: str = "",
        report: ReportFailure = lambda _: None,
        id_store: IdStore | None = None,
    ) -> None:
        """Report each error, by the `name` of the upstream; `id_store` keeps ids that are in no Sid."""
        self._profile = profile
        self._ids = KnownIds(profile.id_memory, id_store) if profile.id_memory else None
        # Clients ask for the same again and again
        self._exchange = lru_cache(_MAX_KNOWN)(profile.exchange)
        self._first_page = lru_cache(_MAX_KNOWN)(profile.list)
        self._client = client
        self._name = name
        self._report = report
        self._probes: set[asyncio.Task[None]] = set()
        self.has_spoken_codes = profile.has_spoken_codes
        self.codes = profile.codes
        self.has_direct_pages = profile.has_direct_pages
        self.fetches_from_list = profile.fetches_from_list

    async def write(
        self, operation: Rename | Delete, account: Account, state: Callable[[], Awaitable[object]]
    ) -> Result:
        """Rename or delete a caller ID; LegacyError where that fails.

        A rename is not retried once the `state` of the account's data has changed: another write may have
        renamed the same caller ID since.
        """
        await self._recall(operation.sid)
        item = None
        if self._profile.needs_item(operation):
            with _sending_nothing():
                self._profile.check_sid(operation, account)
                item = (await self._find(operation.sid, account)).item
        with self._reporting("rename" if isinstance(operation, Rename) else "delete", account):
            with _sending_nothing():
                exchange = self._profile.exchange(operation, account, item)
            if exchange.call.retries and isinstance(operation, Rename):
                begun = await state()

                async def is_overtaken() -> bool:
                    return begun is None or await state() != begun

                exchange = exchange._replace(call=exchange.call._replace(is_overtaken=is_overtaken))
            result = await self._send_write(exchange, account)
        await self._save_ids()
        return result or await self._find_renamed(operation, account)

    async def _find_renamed(self, operation: Rename | Delete, account: Account) -> CallerId:
        """Return the caller ID that has been renamed, where the answer to that did not hold it."""
        try:
            return (await self._find(operation.sid, account)).caller_id
        except LegacyError as error:
            error.has_no_effect = False
            if error.fault.status < 500:
                raise
            raise LegacyError(NOT_SHOWN_YET) from error

    async def validate(self, operation: Validate, account: Account) -> ValidationRequest | StartedValidation:
        """Start one phone call, never two; where it may have been started, the LegacyError says so."""
        with self._reporting("validate", account), _sending_nothing():
            exchange = self._profile.validate(operation, account)
        started: ValidationRequest | StartedValidation | None = None
        try:
            with self._reporting("validate", account):
                started = await self._send_write(exchange, account)
            if isinstance(started, StartedValidation) and (
                call := self._profile.call(operation, started, account)
            ):
                with self._reporting("call", account):
                    await self._send(call)
        except LegacyError as error:
            error.has_no_effect = error.has_no_effect and started is None  # the number may have been added
            was_sent = not isinstance(error, NoReplyError) or error.was_sent
            if error.fault.status < 500 or error.refuses_credentials or not was_sent:
                raise
            raise LegacyError(TOO_SLOW_TO_TELL if error.fault.status == 504 else UNKNOWN_OUTCOME) from error
        return started

    async def verify(self, operation: Verify, account: Account) -> None:
        """Send the code that a phone call has spoken."""
        with self._reporting("verify", account):
            with _sending_nothing():
                exchange = self._profile.verify(operation, account)
            await self._send_write(exchange, account)

    async def fetch(self, operation: Fetch, account: Account, previous: PageDigests = ()) -> ListingResult:
        """Load one caller ID; an answer with the `previous` digest is not read again."""
        await self._recall(operation.sid)
        with self._reporting("fetch", account):
            result = await self._load_one(self._exchange(operation, account), previous)
        await self._save_ids()
        return result

    def check_sid(self, operation: Fetch, account: Account) -> None:
        """Raise LegacyError 404 for a Sid that no id has, before a list is searched for it."""
        with self._reporting("fetch", account):
            self._profile.check_sid(operation, account)

    async def list_all(self, operation: List, account: Account, previous: PageDigests = ()) -> ListingResult:
        """Return everything that may match, filtered as far as the upstream can; each Sid once.

        Pages with their `previous` digests are not read again. A list that never ends, or leads back to an
        earlier page, is an UpstreamError: a listing that stops early would have a wrong total.
        """
        with self._reporting("list", account):
            result = await self._list_all(operation, account, previous)
        await self._save_ids()
        return result

    async def _list_all(self, operation: List, account: Account, previous: PageDigests) -> ListingResult:
        if lookup := self._profile.lookup(operation, account):
            return await self._look_up(lookup, previous)
        first = self._first_page(operation, account)
        with suppress(CursorExpiredError):  # the list has changed much, or the listing took long
            return (await self._follow_pages(first, account, previous)).result()
        return (await self._follow_pages(first, account, previous)).result()

    async def _follow_pages(
        self, first: Exchange[UpstreamPage], account: Account, previous: PageDigests = ()
    ) -> FullListing:
        """Follow a list from its first page to its end, or to the caller ID that it is read for."""
        listing = FullListing(self._profile.limits, previous)
        exchange: Exchange[UpstreamPage] | None = first
        while exchange is not None:
            listing.record_call(exchange.call)
            try:
                reply = await self._client.send(exchange.call)
            except NoReplyError as error:
                if error.is_out_of_time and listing.has_begun:
                    raise ListTooLargeError("the deadline") from error
                raise
            unread = await _hash(reply, listing.record_reply, exchange, reply)
            for each in unread:
                await _read(each[1], listing.read, *each)
                if len(unread) > 1:  # each is some milliseconds' work
                    await asyncio.sleep(0)
            following = None if listing.found else listing.following
            exchange = following(account) if following else None
        return listing

    async def load_page(self, operation: List, account: Account) -> DirectPage | None:
        """Load the page that `operation` asks for; None where the answers are inconsistent: then list all.

        Two things cannot be checked on one page: whether the upstream's total is right where this page does
        not contradict it, and whether an item comes again on another page.
        """
        with self._reporting("list", account):
            page = await self._load_page(operation, account)
        await self._save_ids()
        return page

    async def _load_page(self, operation: List, account: Account) -> DirectPage | None:
        start, size = operation.page * operation.page_size, operation.page_size
        beyond = start > self._profile.limits.items  # numbers that clients make up are not passed on
        first = self._profile.list(operation, account, 0 if beyond else start)
        exchange: Exchange[UpstreamPage] | None = first
        page: UpstreamPage | None = None
        pages: list[CallerIds] = []
        offset, total = None, None
        while exchange is not None:
            reply = await self._client.send(exchange.call)
            if start and page is None and reply.status in END_STATUSES:
                return None
            if is_past_end(exchange.call, reply, page):
                break
            try:
                page = await _read(reply, exchange.read, reply)
            except UnevenPagesError:
                return None
            total = total if page.total is None else page.total
            if total is None and (page.next or page.offset):
                return None
            offset = page.offset if offset is None else offset
            pages.append(page.caller_ids)
            count = sum(map(len, pages))
            is_enough = beyond or offset + count >= start + size
            exchange = None if is_enough or page.next is None else page.next(account)
        whole = CallerIds.joined(pages)
        if page is None or len(set(whole.sid)) < len(whole):
            return None
        shown = NO_CALLER_IDS if beyond else whole[start - (offset or 0) :][:size]
        total = total or 0  # the first page is empty, and states no total
        return DirectPage(shown, total) if len(shown) == max(0, min(size, total - start)) else None

    async def _find(self, sid: str, account: Account) -> FoundItem:
        """Load one caller ID, from the list where there is no other way; LegacyError 404 without one."""
        if self._profile.has_fetch:
            with self._reporting("fetch", account):
                return await self._send(self._profile.find(sid, account))
        with self._reporting("list", account):
            everything = List(account.sid, page=0, page_size=1)
            first = self._profile.list(everything, account, wanted=sid)
            found = (await self._follow_pages(first, account)).found
        if found is None:
            raise LegacyError(NOT_FOUND)
        return found

    async def _look_up(self, exchange: Exchange[Result | None], previous: PageDigests) -> ListingResult:
        try:
            return await self._load_one(exchange, previous)
        except LegacyError as error:
            if error.fault.status == NOT_FOUND.status:
                return ListingResult(NO_CALLER_IDS, ())
            raise

    async def _load_one(self, exchange: Exchange[Result | None], previous: PageDigests) -> ListingResult:
        reply = await self._client.send(exchange.call)
        digests = (PageDigest(await _hash(reply, digest, reply)),)
        if digests == previous:
            return ListingResult(None, digests)
        result = await _read(reply, exchange.read, reply)
        found = CallerIds.of([result]) if isinstance(result, CallerId) else NO_CALLER_IDS
        return ListingResult(found, digests)

    async def _recall(self, sid: str) -> None:
        if self._ids:
            with _sending_nothing():
                await self._ids.recall(sid)

    async def _save_ids(self) -> None:
        """Save the ids of what is shown before it is shown: another worker may be asked for it next."""
        if self._ids:
            await self._ids.save()

    @contextmanager
    def _reporting(self, operation: UpstreamOperation, account: Account) -> Iterator[None]:
        try:
            with holding():
                yield
        except LegacyError as error:
            self._report(UpstreamFailure(self._name, operation, account.sid, error))
            raise

    async def _send_write(self, exchange: Exchange[T], account: Account) -> T:
        """Send a write; one that a circuit breaker refuses lets the list be requested meanwhile.

        A breaker is closed by a read alone, so that programs which never read would be refused for ever.
        """
        try:
            return await self._send(exchange)
        except NoReplyError as error:
            if error.reason is Reason.BREAKER:
                probe = asyncio.create_task(self._probe(account))
                self._probes.add(probe)
                probe.add_done_callback(self._probes.discard)
            raise

    async def _probe(self, account: Account) -> None:
        """Request the list; nothing is sent while the breaker rests, or another probe is under way."""
        with suppress(LegacyError):
            await self._client.send(self._first_page(List(account.sid, page=0, page_size=1), account).call)

    async def _send(self, exchange: Exchange[T]) -> T:
        reply = await self._client.send(exchange.call)
        return await _read(reply, exchange.read, reply)
