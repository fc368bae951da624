"""Reads: the one decision whether the cache answers, and how lists and items are loaded where it does not.

The synchronous way looks up the candidates of a request without awaiting anything. The awaiting way looks up
the same ones, sees what other workers and replicas know, and loads the last of them.
"""

import asyncio
from dataclasses import replace

from proxy.cache import CacheView, ListCache, Loaded, Loader
from proxy.errors import NOT_FOUND, LegacyError
from proxy.gateway.concurrency import ConcurrencyLimiter
from proxy.gateway.parsing import ParsedRequest
from proxy.legacy import EMPTY_LIST, Item, ListWriter, Page, RenderedList, Style
from proxy.model import NO_CALLER_IDS, CallerIds, Fetch, List, Operation
from proxy.observe.counters import REPLACED_NAMES, Counters
from proxy.upstream.api import Upstream
from proxy.upstream.held_answers import holding
from proxy.upstream.listing import PageDigests

Lists = ListCache[RenderedList, PageDigests]
View = CacheView[RenderedList, PageDigests]
LoadedList = Loaded[RenderedList, PageDigests]
PreviousList = LoadedList | None  # named: the annotations of a nested function are evaluated each time
ListLoader = Loader[RenderedList, PageDigests]

_SLICE = 1000  # caller IDs written at a time: some milliseconds of work


class Reader:
    """Answers reads out of the cache, or loads from the upstream what is not there."""

    def __init__(self, lists: Lists, style: Style, limiter: ConcurrencyLimiter, counters: Counters) -> None:
        """Read through `lists`, and write the items of lists in `style`."""
        self._lists = lists
        self._style = style
        self._limiter = limiter
        self._counters = counters

    def from_cache(self, parsed: ParsedRequest) -> Page | Item | None:
        """Return the answer where a fresh list holds it and nothing has to be awaited; else None."""
        if empty := _empty_page(parsed.operation):
            return empty
        for key, cut in parsed.candidates:
            listed = self._lists.peek(key)
            if listed is not None and (found := cut(listed)) is not None:
                return found
        return None

    async def answer(self, operation: List | Fetch, parsed: ParsedRequest, upstream: Upstream) -> Page | Item:
        """Return the answer; LegacyError 404 for an item that is not there, and what loading raises."""
        if empty := _empty_page(operation):
            return empty
        view, unfiltered, own = (
            await self._lists.view(parsed.key.owner),
            parsed.candidates[0],
            parsed.candidates[-1],
        )
        everything = List(parsed.account.sid, page=0, page_size=1)
        listed = await view.find(unfiltered.key, reload=self._loader(everything, parsed, upstream))
        if listed is not None and (found := unfiltered.cut(listed)) is not None:
            return found
        if page := await self._direct_page(parsed, view, upstream):
            return page
        load = operation
        if isinstance(operation, Fetch) and upstream.fetches_from_list:
            upstream.check_sid(operation, parsed.account)
            load, own = everything, unfiltered
        found = own.cut(await view.get_or_load(own.key, loader=self._loader(load, parsed, upstream)))
        if found is None:  # the upstream has the item, but the list leaves it out
            raise LegacyError(NOT_FOUND)
        return found

    async def _direct_page(self, parsed: ParsedRequest, view: View, upstream: Upstream) -> Page | None:
        """Return a page that is loaded by itself; None where that cannot be, or where its list is cached."""
        operation = parsed.operation
        if not isinstance(operation, List):
            return None
        if self._style.outside_nanp == "skip" or not upstream.has_direct_pages(operation):
            return None  # the upstream's total counts numbers that are left out here
        key, page = parsed.candidates[-1].key, (operation.page, operation.page_size)
        if key != parsed.key and await view.find(key) is not None:
            return None
        loader = self._page_loader(operation, parsed, upstream)
        listed = await view.get_or_load(key.with_query(*key.query, *map(str, page)), loader=loader)
        return None if listed.total is None else listed.as_page(*page)

    def _page_loader(self, operation: List, parsed: ParsedRequest, upstream: Upstream) -> ListLoader:
        """Return how to load one page by itself; the list has no total where that does not add up."""

        async def load(_: object) -> LoadedList:
            with holding():
                with await self._limiter.acquire(parsed.caller):
                    page = await upstream.load_page(operation, parsed.account)
                if page is None:
                    return Loaded(EMPTY_LIST)
                return Loaded(replace(await self._write(page.caller_ids, operation), total=page.total))

        return load

    def _loader(self, operation: List | Fetch, parsed: ParsedRequest, upstream: Upstream) -> ListLoader:
        """Return how to load the list or the item that `operation` asks for."""

        async def load(last: PreviousList) -> LoadedList:
            digests = (last and last.page_digests) or ()
            with holding():
                with await self._limiter.acquire(parsed.caller):
                    if isinstance(operation, Fetch):
                        result = await upstream.fetch(operation, parsed.account, digests)
                    else:
                        result = await upstream.list_all(operation, parsed.account, digests)
                if last and result.caller_ids is None:  # every page is as it was
                    return Loaded(last.value, result.digests)
                listed = await self._write(result.caller_ids or NO_CALLER_IDS, operation)
                return Loaded(listed, result.digests)

        return load

    async def _write(self, caller_ids: CallerIds, operation: List | Fetch) -> RenderedList:
        """Write what the list shows, in slices: ten thousand items at once would block the loop."""
        writer = ListWriter(self._style)
        for start in range(0, len(caller_ids), _SLICE):
            part = caller_ids
            if len(caller_ids) > _SLICE:  # the last upstream page was read just now, which took as long
                await asyncio.sleep(0)
                part = caller_ids[start : start + _SLICE]
            writer.add(part if isinstance(operation, Fetch) else _filter(part, operation))
        if writer.replaced:
            self._counters.count(REPLACED_NAMES, times=writer.replaced)
        return writer.listed()


def _empty_page(operation: Operation) -> Page | None:
    """Return the page of a filter that nothing can match."""
    if isinstance(operation, List) and operation.nothing_matches:
        return EMPTY_LIST.page(operation.page, operation.page_size)
    return None


def _filter(caller_ids: CallerIds, operation: List) -> CallerIds:
    """Apply both filters here too: an upstream may apply them less exactly than 2008 did."""
    has_filter = operation.phone_number is not None or operation.friendly_name is not None
    return caller_ids.matching(operation) if has_filter else caller_ids
