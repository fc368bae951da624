"""How each kind of upstream leads from one page of a list to the next: a table of pure strategies."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from proxy.errors import BAD_UPSTREAM, LegacyError
from proxy.profile.calls import Call, Reply
from proxy.profile.conversions import UnreadableError, sent_back
from proxy.profile.language import (
    AfterLast,
    Cursor,
    LinkHeader,
    ListEndpoint,
    NextUrl,
    Offset,
    PageNumber,
    Paging,
    PointerTotal,
    RangeHeader,
)
from proxy.profile.pointers import follow

_security = logging.getLogger("proxy.security")


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page stands in its list, and the call that asks for it."""

    call: Call
    offset: int
    """Items before the page."""
    number: int = 0
    """Pages before the page, where the upstream counts them."""
    is_jump: bool = False
    """Whether the pages before it were never seen."""


class UnevenPagesError(LegacyError):
    """An upstream that counts pages gives them another size than was asked for: a jump leads anywhere."""


@dataclass(frozen=True, slots=True)
class PageContents:
    """What an answer holds."""

    reply: Reply
    page: Any
    count: int
    """Items on the page, before any of them is left out."""
    total: int | None
    """Of the whole list, where the upstream says so."""
    last: Any = None
    """The last item of the page."""


def start(paging: Paging, call: Call, offset: int, size: int) -> Position:
    """Return the page that begins at item `offset`; other than 0 only where `can_jump`.

    Pages that are counted begin at a multiple of their size: the one that holds the item is returned.
    """
    number = offset // size
    if isinstance(paging, PageNumber):
        offset = number * size
    return _counted(paging, call, Position(call, offset, number, is_jump=offset > 0), size)


def can_jump(paging: Paging) -> bool:
    """Whether any page can be asked for, without those before it."""
    return paging.strategy in _JUMPS


def following(paging: Paging, first: Call, here: Position, came: PageContents, size: int) -> Position | None:
    """Return the page after `here`, which brought `came`; None at the end of the list.

    Where items or pages are counted, the end is a short page, and not before the upstream's own total: that
    may be too small, or too large, or made of larger pages than the upstream gives.
    """
    offset = here.offset + came.count
    if paging.strategy in _JUMPS:
        if isinstance(paging, PageNumber) and here.is_jump and came.count not in (0, size):
            raise UnevenPagesError(BAD_UPSTREAM)
        more = came.count >= size or (came.total is not None and came.count > 0 and offset < came.total)
        return _counted(paging, first, Position(first, offset, here.number + 1), size) if more else None
    call = _LINKS[paging.strategy](paging, first, here.call, came)
    if call is None:
        return None
    if not came.count:
        raise LegacyError(BAD_UPSTREAM)  # nothing here, yet more to come: this may go on for ever
    return Position(call, offset)


def total_of(endpoint: ListEndpoint, reply: Reply, page: Any) -> int | None:
    """Return how many items the upstream says that its whole list has; None where it does not say."""
    if isinstance(endpoint.paging, RangeHeader):
        found = re.fullmatch(r"\s*\S+ .*/([0-9]{1,18})\s*", reply.headers.get("content-range", ""))
        return int(found[1]) if found else None
    if not isinstance(endpoint.total, PointerTotal):
        return None
    total = follow(endpoint.total.at)(page)
    if isinstance(total, bool) or not re.fullmatch("[0-9]{1,18}", str(total)):
        raise LegacyError(BAD_UPSTREAM)
    return int(total)


# Strategies that count: position → call


def _counted(paging: Paging, first: Call, at: Position, size: int) -> Position:
    jump = _JUMPS.get(paging.strategy)
    return replace(at, call=jump(paging, first, at, size)) if jump else at


def _page_number(paging: PageNumber, call: Call, at: Position, _: int) -> Call:
    return call.asking({paging.parameter: at.number + paging.base})


def _offset(paging: Offset, call: Call, at: Position, _: int) -> Call:
    return call.asking({paging.parameter: at.offset + paging.base})


def _range_header(paging: RangeHeader, call: Call, at: Position, size: int) -> Call:
    first = at.offset + paging.base
    return call.with_header("Range", f"{paging.unit}={first}-{first + size - 1}")


_JUMPS: Mapping[str, Callable[[Any, Call, Position, int], Call]] = {
    "page_number": _page_number,
    "offset": _offset,
    "range_header": _range_header,
}


# Strategies that follow what a page says: what came → call


def _none(_: Any, __: Call, ___: Call, ____: PageContents) -> None:
    return None


def _next_url(paging: NextUrl, _: Call, here: Call, came: PageContents) -> Call | None:
    return _at(here, follow(paging.next)(came.page))


def _cursor(paging: Cursor, first: Call, _: Call, came: PageContents) -> Call | None:
    token = follow(paging.next)(came.page)
    if token is None or token == "" or not (paging.more is None or _says_more(paging.more, came)):
        return None
    return _asking_for(token, paging.parameter, first)


def _after_last(paging: AfterLast, first: Call, _: Call, came: PageContents) -> Call | None:
    if not _says_more(paging.more, came):
        return None
    return _asking_for(follow(paging.of)(came.last), paging.parameter, first)


def _says_more(flag: tuple[str, ...], came: PageContents) -> bool:
    return str(follow(flag)(came.page)).lower() in ("true", "1")


def _asking_for(token: Any, parameter: str, first: Call) -> Call:
    try:
        return first.asking({parameter: sent_back(token)})
    except UnreadableError:
        raise LegacyError(BAD_UPSTREAM) from None


_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[\w!#$&+\-.^`|~]+\*?\s*=\s*(?:"[^"]*"|[^\s;,]+))*)')


def _link_header(paging: LinkHeader, _: Call, here: Call, came: PageContents) -> Call | None:
    for target, parameters in _LINK.findall(came.reply.headers.get("link", "")):
        relation = re.search(r';\s*rel\s*=\s*"?([^";]+)', parameters, re.IGNORECASE)
        if relation and paging.relation.lower() in relation[1].lower().split():  # RFC 8288 section 2.1.1
            return _at(here, target)
    return None


_LINKS: Mapping[str, Callable[[Any, Call, Call, PageContents], Call | None]] = {
    "none": _none,
    "next_url": _next_url,
    "cursor": _cursor,
    "after_last": _after_last,
    "link_header": _link_header,
}


def _at(here: Call, target: Any) -> Call | None:
    """Return the call for a URL that an answer names; one of another origin is never asked."""
    if target is None or target == "":
        return None
    if not isinstance(target, str):  # what is false, as 0 or [], would lead urljoin to the page itself
        raise LegacyError(BAD_UPSTREAM)
    try:
        if _origin(url := urljoin(here.url, target)) == _origin(here.url):
            return here.at(url)
    except ValueError:  # from urllib, for what is no URL at all
        pass
    _security.warning("a page of %s names one elsewhere: it is not asked for", urlsplit(here.url).hostname)
    raise LegacyError(BAD_UPSTREAM)


def _origin(url: str) -> tuple[str, str | None, int | None, bool]:
    split = urlsplit(url)
    port = split.port or {"http": 80, "https": 443}.get(split.scheme)
    return split.scheme, split.hostname, port, "@" in split.netloc
