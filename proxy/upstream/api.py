"""The modern API as coroutines: ask about one number, walk a whole list, or jump into one."""

from typing import NamedTuple, Protocol

from proxy.errors import BAD_UPSTREAM, LIST_TOO_LARGE, NOT_FOUND, LegacyError
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
from proxy.upstream.calls import Call, Reply
from proxy.upstream.paging import UnevenPagesError
from proxy.upstream.profile import Exchange, Listing, Profile, Started, T


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
        self.speaks_codes = profile.speaks_codes

    async def perform(self, operation: Fetch | Rename | Delete, account: Account) -> Result:
        """Ask once and read the answer; LegacyError for whatever stands in the way."""
        return await self._send(self._profile.exchange(operation, account))

    async def validate(self, operation: Validate, account: Account) -> ValidationRequest | Started:
        """Place one call."""
        started = await self._send(self._profile.validate(operation, account))
        if isinstance(started, Started) and (call := self._profile.call(operation, started, account)):
            await self._send(call)
        return started

    async def verify(self, operation: Verify, account: Account) -> None:
        """Bring back the code that a call spoke."""
        await self._send(self._profile.verify(operation, account))

    async def walk(self, operation: List, account: Account) -> CallerIds:
        """Return everything that may match, as far narrowed down as the upstream can; each Sid once.

        A list without end, or one that leads back to where it has been, is a LegacyError: a walk that was cut
        short would give a wrong total.
        """
        if lookup := self._profile.lookup(operation, account):
            return await self._looked_up(lookup)
        pages: list[CallerIds] = []
        found: set[str] = set()
        asked: list[object] = []
        limits, size = self._profile.limits, 0
        listing: Listing | None = None
        exchange: Exchange[Listing] | None = self._profile.list(operation, account)
        while exchange is not None:
            if exchange.call.identity in asked:
                raise LegacyError(BAD_UPSTREAM)
            asked.append(exchange.call.identity)
            reply = await self._client.send(exchange.call)
            size += len(reply.body)
            if _is_past_end(exchange.call, reply, listing):
                break
            listing = exchange.read(reply)
            pages.append(listing.caller_ids)
            found.update(listing.caller_ids.sid)
            cut_short = listing.next and len(asked) == limits.pages
            if cut_short or len(found) > limits.items or size > limits.bytes:
                raise LegacyError(LIST_TOO_LARGE)
            exchange = listing.next
        walked = CallerIds.joined(pages)
        return walked if len(walked) == len(found) else _each_once(walked)

    async def window(self, operation: List, account: Account) -> Window | None:
        """Return the page that `operation` asks for without walking to it.

        None where the upstream gives no such thing, or gives something that does not add up: then a walk
        tells. What no single page can tell is taken on trust: whether the upstream's total is right where
        this page does not contradict it, and whether an item comes again on another page.
        """
        if not self._profile.gives_any_page(operation):
            return None
        start, size = operation.page * operation.page_size, operation.page_size
        beyond = start > self._profile.limits.items  # no vendor need see what a client makes up
        exchange: Exchange[Listing] | None = self._profile.list(operation, account, 0 if beyond else start)
        listing: Listing | None = None
        pages: list[CallerIds] = []
        offset, total = None, 0
        while exchange is not None:
            reply = await self._client.send(exchange.call)
            if start and listing is None and reply.status in _NOTHING_THERE:
                return None
            if _is_past_end(exchange.call, reply, listing):
                break
            try:
                listing = exchange.read(reply)
            except UnevenPagesError:
                return None
            offset, total = listing.offset if offset is None else offset, listing.total or 0
            pages.append(listing.caller_ids)
            came = sum(map(len, pages))
            exchange = listing.next if not beyond and offset + came < start + size else None
        whole = CallerIds.joined(pages)
        if listing is None or len(set(whole.sid)) < len(whole):
            return None
        shown = NOBODY if beyond else whole[start - (offset or 0) :][:size]
        return Window(shown, total) if len(shown) == max(0, min(size, total - start)) else None

    async def _looked_up(self, exchange: Exchange[Result]) -> CallerIds:
        try:
            result = await self._send(exchange)
        except LegacyError as error:
            if error.fault.status == NOT_FOUND.status:
                return NOBODY
            raise
        return CallerIds.of([result]) if isinstance(result, CallerId) else NOBODY

    async def _send(self, exchange: Exchange[T]) -> T:
        return exchange.read(await self._client.send(exchange.call))


def _each_once(caller_ids: CallerIds) -> CallerIds:
    """Leave out what came before: the first of each Sid stays."""
    first = {sid: index for index, sid in reversed(list(enumerate(caller_ids.sid)))}
    return caller_ids.only(first[sid] == index for index, sid in enumerate(caller_ids.sid))


_NOTHING_THERE = (404, 416)


def _is_past_end(call: Call, reply: Reply, before: Listing | None) -> bool:
    """Tell whether an error says no more than that the list ends where its upstream said, after `before`.

    One that ends earlier may have been cut short. Of a range that holds nothing 416 says so by itself
    (RFC 9110 section 15.5.17).
    """
    if before is None or reply.status not in _NOTHING_THERE:
        return False
    if reply.status == 416 and "Range" in call.headers:
        return True
    return before.total is not None and before.offset + len(before.caller_ids) >= before.total
