"""A full listing: following a list from page to page to its end, within bounds. Pure: it awaits nothing.

Pages that are the same as in the previous listing are not read again, as long as every page before them was
the same too: most lists have not changed for seconds, and comparing digests costs far less than reading.
"""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from proxy.errors import DECLINED, LIST_TOO_LARGE, LegacyError, Reason, UpstreamError
from proxy.model import Account, CallerIds
from proxy.profile.calls import Call, Reply
from proxy.profile.language import ListingLimits
from proxy.profile.profile import Exchange, FoundItem, UpstreamPage

_PAGING = ("operations", "list", "paging")


class CursorExpiredError(UpstreamError):
    """The upstream no longer accepts the cursor to the next page."""

    def __init__(self, status: int) -> None:
        super().__init__(Reason.CURSOR, DECLINED.with_header("Retry-After", "1"), status=status)
        self.key_path = _PAGING


class ListTooLargeError(UpstreamError):
    """A list reaches one of the limits of its profile, or is not read to its end in time."""

    def __init__(self, limit: str, *key_path: str) -> None:
        """Name the limit, and its key in the profile if it has one."""
        super().__init__(Reason.TOO_LARGE, LIST_TOO_LARGE, limit=limit)
        self.key_path = key_path


class PageDigest(NamedTuple):
    """An answer that has been read."""

    digest: bytes
    following: Callable[[Account], Exchange[UpstreamPage]] | None = None
    """Makes the request for the next page."""


PageDigests = Sequence[PageDigest]
"""The answers that a list was read from, in order."""


class ListingResult(NamedTuple):
    """What a listing, or a question about one number, has brought."""

    caller_ids: CallerIds | None
    """None where nothing has changed since the previous digests."""
    digests: PageDigests


UnreadPage = tuple[Exchange[UpstreamPage], Reply]


class FullListing:
    """A listing that is under way."""

    def __init__(self, limits: ListingLimits, previous: PageDigests) -> None:
        """Begin; `previous` are the digests of the previous listing, if there was one."""
        self.following: Callable[[Account], Exchange[UpstreamPage]] | None = None
        """Makes the request for the next page, once every reply has been read."""
        self._limits = limits
        self._previous = previous
        self._unread: list[UnreadPage] | None = [] if previous else None  # None once a page has changed
        self._calls: dict[Hashable, int] = {}  # the page of each
        self._size = 0
        self._digests: list[PageDigest] = []
        self._last: UpstreamPage | None = None
        self._pages: list[CallerIds] = []
        self._sids: set[str] = set()

    def record_call(self, call: Call) -> None:
        """Record a call; LegacyError where it has been made before: the listing would never end."""
        page = len(self._calls)
        if (before := self._calls.setdefault(call.identity, page)) < page:
            raise UpstreamError(Reason.CURSOR, page=page, leads_to=before).at_key(*_PAGING)

    def record_reply(self, exchange: Exchange[UpstreamPage], reply: Reply) -> Sequence[UnreadPage]:
        """Record the reply to a call; return the pages that have to be read now."""
        self._size += len(reply.body)
        if self._unread is None:
            return [(exchange, reply)]
        self._unread.append((exchange, reply))
        before = self._previous[len(self._unread) - 1 : len(self._unread)]
        if before and before[0].digest == digest(reply):
            self.following = before[0].following
            self._check_limits()
            return ()
        unread, self._unread = self._unread, None
        return unread

    def read(self, exchange: Exchange[UpstreamPage], reply: Reply) -> None:
        """Read a page; LegacyError where it makes no sense, or where the list is too large."""
        self.following = None
        if not is_past_end(exchange.call, reply, self._last):
            before, page = self._last, self._read_page(exchange, reply)
            self._last = page
            self._pages.append(page.caller_ids)
            self._sids.update(page.caller_ids.sid)
            is_again = exchange.call.is_probe and _is_again(page.caller_ids, before)
            self.following = None if is_again else page.next
        self._digests.append(PageDigest(digest(reply), self.following))
        self._check_limits()

    def _read_page(self, exchange: Exchange[UpstreamPage], reply: Reply) -> UpstreamPage:
        try:
            return exchange.read(reply)
        except LegacyError as error:
            if self._last and 400 <= reply.status < 500 and reply.status not in _NOT_ABOUT_THE_CURSOR:
                raise CursorExpiredError(reply.status) from error
            raise

    def _check_limits(self) -> None:
        limits = self._limits
        if self.following and len(self._calls) == limits.pages:
            raise ListTooLargeError(f"{limits.pages} pages", "limits", "pages")
        if len(self._sids) > limits.items:
            raise ListTooLargeError(f"{limits.items} items", "limits", "items")
        if self._size > limits.bytes:
            raise ListTooLargeError(f"{limits.bytes} bytes", "limits", "bytes")

    @property
    def has_begun(self) -> bool:
        """Whether a page has arrived."""
        return self._size > 0

    @property
    def found(self) -> FoundItem | None:
        """The caller ID that the list is read for, if the last page holds it."""
        return self._last.found if self._last else None

    def result(self) -> ListingResult:
        """Return all that was read, each Sid once."""
        if self._unread is not None:
            return ListingResult(None, self._previous)
        listed = CallerIds.joined(self._pages)
        if len(listed) != len(self._sids):
            listed = _without_duplicates(listed)
        return ListingResult(listed, self._digests)


def _is_again(caller_ids: CallerIds, before: UpstreamPage | None) -> bool:
    """Whether a page is the one `before`: some upstreams show the last page again for one past the end."""
    return before is not None and len(caller_ids) > 0 and list(caller_ids.sid) == list(before.caller_ids.sid)


def digest(reply: Reply) -> bytes:
    """Hash an answer, with its headers: they may hold the cursor to the next page."""
    hashed = hashlib.sha256(repr((reply.status, reply.headers)).encode())
    hashed.update(reply.body)
    return hashed.digest()


def _without_duplicates(caller_ids: CallerIds) -> CallerIds:
    first = {sid: index for index, sid in reversed(list(enumerate(caller_ids.sid)))}
    return caller_ids.only(first[sid] == index for index, sid in enumerate(caller_ids.sid))


_NOT_ABOUT_THE_CURSOR = (401, 403, 429)

END_STATUSES = (404, 416)
"""Statuses that may mean no more than the end of a list."""


def is_past_end(call: Call, reply: Reply, before: UpstreamPage | None) -> bool:
    """Tell whether an error means no more than the end of the list, which the page `before` has reached.

    A list that ends before its upstream's total may have been cut short. A 416 to a request for a range means
    the end by itself (RFC 9110 section 15.5.17).
    """
    if before is None or reply.status not in END_STATUSES:
        return False
    if reply.status == 416 and "Range" in call.headers:
        return True
    return before.total is not None and before.offset + len(before.caller_ids) >= before.total
