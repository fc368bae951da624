"""One walk through a list: what was asked, what came, and when it goes too far. Pure: it awaits nothing.

An answer that came to the last walk too is not read again, as long as every one before it did: most lists are
what they were a few seconds ago, and to tell that is far cheaper than to read them.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from proxy.errors import BAD_UPSTREAM, LIST_TOO_LARGE, LegacyError
from proxy.model import Account, CallerIds
from proxy.profile.calls import Call, Reply
from proxy.profile.language import ListingLimits
from proxy.profile.profile import Exchange, UpstreamPage


class CursorExpiredError(LegacyError):
    """The upstream does not know any more how its list goes on."""


class PageDigest(NamedTuple):
    """What is known of an answer that has been read."""

    digest: bytes
    following: Callable[[Account], Exchange[UpstreamPage]] | None = None
    """How to ask for the next page."""


PageDigests = Sequence[PageDigest]
"""What a list was read from."""


class ListingResult(NamedTuple):
    """Where a walk has led to."""

    caller_ids: CallerIds | None
    """None where everything is as it was known to be."""
    source: PageDigests


Unread = tuple[Exchange[UpstreamPage], Reply]


class Walk:
    """A walk that is under way."""

    def __init__(self, limits: ListingLimits, known: PageDigests) -> None:
        """Begin it; `known` is what the last one came from, if there was one."""
        self.following: Callable[[Account], Exchange[UpstreamPage]] | None = None
        """How to ask for the next page, once what came has been read."""
        self._limits = limits
        self._known = known
        self._held: list[Unread] | None = [] if known else None  # as long as nothing is new
        self._asked: list[object] = []
        self._size = 0
        self._source: list[PageDigest] = []
        self._last: UpstreamPage | None = None
        self._pages: list[CallerIds] = []
        self._sids: set[str] = set()

    def asks(self, call: Call) -> None:
        """Take note of a call; LegacyError where it has been made before: the walk would never end."""
        identity = call.identity
        if identity in self._asked:
            raise LegacyError(BAD_UPSTREAM)
        self._asked.append(identity)

    def came(self, exchange: Exchange[UpstreamPage], reply: Reply) -> Sequence[Unread]:
        """Take note of an answer; return what has to be read now."""
        self._size += len(reply.body)
        if self._held is None:
            return [(exchange, reply)]
        self._held.append((exchange, reply))
        known = self._known[len(self._held) - 1 : len(self._held)]
        if known and known[0].digest == digest(reply):
            self.following = known[0].following
            self._check()
            return ()
        unread, self._held = self._held, None
        return unread

    def read(self, exchange: Exchange[UpstreamPage], reply: Reply) -> None:
        """Read an answer; LegacyError where it makes no sense, or where the list is too large."""
        self.following = None
        if not is_past_end(exchange.call, reply, self._last):
            self._last = self._listing(exchange, reply)
            self._pages.append(self._last.caller_ids)
            self._sids.update(self._last.caller_ids.sid)
            self.following = self._last.next
        self._source.append(PageDigest(digest(reply), self.following))
        self._check()

    def _listing(self, exchange: Exchange[UpstreamPage], reply: Reply) -> UpstreamPage:
        try:
            return exchange.read(reply)
        except LegacyError as error:
            if self._last and 400 <= reply.status < 500 and reply.status not in _NOT_ABOUT_THE_PAGE:
                raise CursorExpiredError(error.fault) from error
            raise

    def _check(self) -> None:
        limits = self._limits
        cut_short = self.following and len(self._asked) == limits.pages
        if cut_short or len(self._sids) > limits.items or self._size > limits.bytes:
            raise LegacyError(LIST_TOO_LARGE)

    @property
    def has_begun(self) -> bool:
        """Whether a page has come."""
        return self._size > 0

    def walked(self) -> ListingResult:
        """Return all that was read, each Sid once."""
        if self._held is not None:
            return ListingResult(None, self._known)
        walked = CallerIds.joined(self._pages)
        return ListingResult(walked if len(walked) == len(self._sids) else _each_once(walked), self._source)


def digest(reply: Reply) -> bytes:
    """Return what only this answer has, in its headers too: they may say how a list goes on."""
    hashed = hashlib.sha256(repr((reply.status, reply.headers)).encode())
    hashed.update(reply.body)
    return hashed.digest()


def _each_once(caller_ids: CallerIds) -> CallerIds:
    """Leave out what came before: the first of each Sid stays."""
    first = {sid: index for index, sid in reversed(list(enumerate(caller_ids.sid)))}
    return caller_ids.only(first[sid] == index for index, sid in enumerate(caller_ids.sid))


_NOT_ABOUT_THE_PAGE = (401, 403, 429)

NOTHING_THERE = (404, 416)
"""Statuses that may say no more than that a list ends."""


def is_past_end(call: Call, reply: Reply, before: UpstreamPage | None) -> bool:
    """Tell whether an error says no more than that the list ends where its upstream said, after `before`.

    One that ends earlier may have been cut short. Of a range that holds nothing 416 says so by itself
    (RFC 9110 section 15.5.17).
    """
    if before is None or reply.status not in NOTHING_THERE:
        return False
    if reply.status == 416 and "Range" in call.headers:
        return True
    return before.total is not None and before.offset + len(before.caller_ids) >= before.total
