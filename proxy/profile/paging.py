"""The kinds of paging: the settings of each, the calls it makes, and its row in `PAGING_KINDS`. Pure.

To add a kind, write its settings with the method that makes the call, add them to `Paging` and a row to the
table.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import SplitResult, unquote, urldefrag, urljoin, urlsplit

from pydantic import Field, StrictBool, StrictInt

from proxy.errors import Fault, Reason, UpstreamError
from proxy.net.addresses import find_origin
from proxy.profile.base import Frozen, Name, Pointers
from proxy.profile.calls import Call, Reply
from proxy.profile.conversions import UnreadableError, read_opaque
from proxy.profile.pointers import compile_pointers


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page is in its list, and the call that requests it."""

    call: Call
    offset: int
    """Items before the page."""
    number: int = 0
    """Pages before the page, where the upstream counts pages."""
    is_direct: bool = False
    """Whether the page is requested without those before it."""
    largest: int = 0
    """Items on the largest of the pages before it."""
    guess: Literal["no", "full", "short"] = "no"
    """Whether nothing says that there is such a page, and then whether the one before it is full."""


@dataclass(frozen=True, slots=True)
class PageContents:
    reply: Reply
    page: Any
    count: int
    """Items on the page, before `include_when` removes any."""
    total: int | None
    """Items of the whole list, where the upstream states it."""
    last: Any = None
    """The last item of the page."""
    base_url: str = ""
    """What the URL of every page begins with."""


class UnevenPagesError(UpstreamError):
    """Pages have another size than was requested, so a page number does not tell which items it holds."""


# Kinds that count: position → call


class PageNumber(Frozen):
    """Pages are counted."""

    strategy: Literal["page_number"]
    parameter: Name
    base: Literal[0, 1] = 1
    count: Pointers | None = None
    """Where a page says how many items the upstream has, those included that `include_when` leaves out."""

    def call_page(self, first: Call, position: Position, _: int) -> Call:
        return first.with_parameters({self.parameter: position.number + self.base})


class Offset(Frozen):
    """Items are counted."""

    strategy: Literal["offset"]
    parameter: Name
    base: Literal[0, 1] = 0
    """The number of the first item."""
    count: Pointers | None = None
    """Where a page says how many items the upstream has, those included that `include_when` leaves out."""

    def call_page(self, first: Call, position: Position, _: int) -> Call:
        return first.with_parameters({self.parameter: position.offset + self.base})


class RangeHeader(Frozen):
    """A Range header requests items (RFC 9110 section 14); Content-Range tells which items came."""

    strategy: Literal["range_header"]
    unit: Name
    base: Literal[0, 1] = 0

    def call_page(self, first: Call, position: Position, size: int) -> Call:
        start = position.offset + self.base
        return first.with_header("Range", f"{self.unit}={start}-{start + size - 1}")


def _read_range_total(reply: Reply) -> int | None:
    found = re.fullmatch(r"\s*\S+ .*/([0-9]{1,18})\s*", reply.headers.get("content-range", ""))
    return int(found[1]) if found else None


# Kinds that follow what a page says: contents → next call, None after the last page


class NoPaging(Frozen):
    """The whole list comes at once."""

    strategy: Literal["none"]


_MAX_URL = 8192  # characters


class NextUrl(Frozen):
    """Each page holds the URL of the next one, absolute or relative; the last page holds none."""

    strategy: Literal["next_url"]
    next: Pointers
    path_only: StrictBool = False
    """Whether only path and query of that URL count, since its scheme, host and port are internal ones."""

    def call_next(self, _: Call, here: Call, contents: PageContents) -> Call | None:
        target = compile_pointers(self.next)(contents.page)
        if target is None or target == "":
            return None
        return _follow_url(here, target, contents.base_url, path_only=self.path_only)


class Cursor(Frozen):
    """Each page holds a token for the next one; the last page holds none, or `more` is not true there."""

    strategy: Literal["cursor"]
    next: Pointers
    parameter: Name
    more: Pointers | None = None
    """A flag that is not true on the last page, for upstreams whose last page holds a token too."""

    def call_next(self, first: Call, _: Call, contents: PageContents) -> Call | None:
        token = compile_pointers(self.next)(contents.page)
        if token is None or token == "" or not (self.more is None or _has_more(self.more, contents)):
            return None
        return _add_token(first, self.parameter, token)


class AfterLast(Frozen):
    """A value of the page's last item requests the next page, as in `starting_after=ID`."""

    strategy: Literal["after_last"]
    of: Pointers
    """Where the value is in an item."""
    parameter: Name
    more: Pointers
    """A flag that is not true on the last page."""

    def call_next(self, first: Call, _: Call, contents: PageContents) -> Call | None:
        if not _has_more(self.more, contents):
            return None
        return _add_token(first, self.parameter, compile_pointers(self.of)(contents.last))


class Link(NamedTuple):
    """One link of a Link header."""

    target: str
    relations: str
    """In lower case, with spaces between them."""
    anchor: str | None
    """Where the link begins, if that is not the page."""


# An element of the list may be empty; between two there is a comma (RFC 9110 section 5.6.1)
_LINK_TARGET = re.compile(r"[ \t]*+<([^>]*+)>")
_LINK_PARAMETER = re.compile(
    r"""[ \t]*+;[ \t]*+([^ \t=;,"<>]*+)(?:[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^ \t;,"]*+)))?"""
)
_LINK_END = re.compile(r"[ \t]*+(?:,[ \t]*+)*+")
_ESCAPED = re.compile(r"\\(.)")


def _parse_links(header: str) -> Iterator[Link]:
    """Yield each link (RFC 8288 section 3); UpstreamError for any other text."""
    found = _LINK_END.match(header)
    end = found.end() if found else 0
    while target := _LINK_TARGET.match(header, end):
        end, parameters = target.end(), dict[str, str]()
        while parameter := _LINK_PARAMETER.match(header, end):
            end = parameter.end()
            name, quoted, token = parameter.groups(default="")
            if value := _ESCAPED.sub(r"\1", quoted) or token:
                parameters.setdefault(name.lower(), value)  # the first one counts
        yield Link(target[1], parameters.get("rel", "").lower(), parameters.get("anchor"))
        following = _LINK_END.match(header, end)
        if following is None or "," not in following[0]:
            break
        end = following.end()
    if header[end:].strip(" \t"):
        raise _unreadable_link()


def _unreadable_link() -> UpstreamError:
    return UpstreamError(Reason.CURSOR, expected="a Link header of RFC 8288")


class LinkHeader(Frozen):
    """A Link header holds the URL of the next page (RFC 8288)."""

    strategy: Literal["link_header"]
    relation: Name = "next"
    path_only: StrictBool = False
    """As with `next_url`."""

    def call_next(self, _: Call, here: Call, contents: PageContents) -> Call | None:
        links = list(_parse_links(contents.reply.headers.get("link", "")))
        wanted = self.relation.lower()  # RFC 8288 section 2.1.1
        found = (link for link in links if wanted in link.relations.split() and _is_about(link, here))
        link = next(found, None)
        if link is None:
            return None
        return _follow_url(here, link.target, contents.base_url, path_only=self.path_only)


def _is_about(link: Link, here: Call) -> bool:
    """Whether a link begins at this page; an `anchor` says where else it does (RFC 8288 section 3.2)."""
    if link.anchor is None:
        return True
    try:
        return urldefrag(urljoin(here.url, link.anchor)).url == urldefrag(here.url).url
    except ValueError:
        raise _unreadable_link() from None


def _has_more(flag: tuple[str, ...], contents: PageContents) -> bool:
    found = compile_pointers(flag)(contents.page)
    return isinstance(found, str | int) and str(found).lower() in ("true", "1")


def _add_token(first: Call, parameter: str, token: Any) -> Call:
    try:
        return first.with_parameters({parameter: read_opaque(token)})
    except UnreadableError as error:
        raise UpstreamError(Reason.CURSOR, expected=str(error)) from None


def _follow_url(here: Call, target: Any, base_url: str, *, path_only: bool) -> Call:
    """Return the call for a URL that a reply holds; UpstreamError for one of another origin."""
    # urljoin would turn a false value, as 0 or [], into the page's own URL, and keeps what it has split
    if not isinstance(target, str) or len(target) > _MAX_URL:
        raise UpstreamError(Reason.CURSOR, expected=f"a URL of at most {_MAX_URL} characters")
    try:
        url = urlsplit(urljoin(here.url, target))
        is_taken = path_only and url.scheme in _PORTS and url.netloc
        if is_taken or _parse_origin(url) == _parse_origin(urlsplit(here.url)):
            return here.with_url(_move_inside(url, base_url or find_origin(here.url)))
    except ValueError:  # from urllib, for what is not a URL
        pass
    raise UpstreamError(Reason.ORIGIN)


_PORTS = {"http": 80, "https": 443}


def _parse_origin(url: SplitResult) -> tuple[str, str | None, int | None, bool]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme), "@" in url.netloc


def _move_inside(url: SplitResult, base_url: str) -> str:
    """Return the URL with this path and query below `base_url`; UpstreamError where it may lead out of it.

    An upstream behind a gateway does not know of the prefix that the base URL has.
    """
    origin = find_origin(base_url)
    prefix, path = base_url[len(origin) :].rstrip("/"), url.path
    if prefix:
        if {".", ".."} & {*unquote(path).replace("\\", "/").split("/")}:
            raise UpstreamError(Reason.ORIGIN, expected="a path without dots below the base URL")
        if not f"{path}/".startswith(f"{prefix}/"):
            path = prefix + path
    return f"{origin}{path}{'?' if url.query else ''}{url.query}"


# The table


Paging = Annotated[
    NoPaging | PageNumber | Offset | NextUrl | Cursor | AfterLast | RangeHeader | LinkHeader,
    Field(discriminator="strategy"),
]


class PagingKind(NamedTuple):
    """What the program has to know of a kind of paging. Either `page_call` or `next_call` is given."""

    page_call: Callable[[Any, Call, Position, int], Call] | None = None
    """Makes the call for the page at any position, which is what a kind that counts can do."""
    next_call: Callable[[Any, Call, Call, PageContents], Call | None] | None = None
    """Makes the call after the page `here`, given the list's first call, `here` and the page's contents."""
    counts_pages: bool = False
    """Whether pages are counted, so that each begins at a multiple of the page size."""
    is_single_page: bool = False
    """Whether the first page is the whole list."""
    header: str = ""
    """The request header that it sets."""
    success: int | None = None
    """A status that the endpoint's `success` has to include."""
    read_total: Callable[[Reply], int | None] | None = None
    """Reads the total from where this kind always has it, instead of from where `total` says."""


PAGING_KINDS: Mapping[str, PagingKind] = {
    "none": PagingKind(next_call=lambda *_: None, is_single_page=True),
    "page_number": PagingKind(PageNumber.call_page, counts_pages=True),
    "offset": PagingKind(Offset.call_page),
    "next_url": PagingKind(next_call=NextUrl.call_next),
    "cursor": PagingKind(next_call=Cursor.call_next),
    "after_last": PagingKind(next_call=AfterLast.call_next),
    "range_header": PagingKind(
        RangeHeader.call_page, header="Range", success=206, read_total=_read_range_total
    ),
    "link_header": PagingKind(next_call=LinkHeader.call_next),
}


# Page sizes and totals


class PageSize(Frozen):
    """The largest page that the upstream gives, and the parameter that requests it."""

    parameter: Name | None = None
    max: StrictInt = Field(ge=1)


class WalkTotal(Frozen):
    """The list is read to its end and counted."""

    strategy: Literal["walk"]


class PointerTotal(Frozen):
    """Each page states the total, so that a page can be requested without the others."""

    strategy: Literal["pointer"]
    at: Pointers


class LengthTotal(Frozen):
    """The one page is the list."""

    strategy: Literal["length"]


Total = Annotated[WalkTotal | PointerTotal | LengthTotal, Field(discriminator="strategy")]


def read_total(paging: Paging, total: Total, reply: Reply, page: Any) -> int | None:
    """Return the upstream's number of items in the whole list; None where it states no whole number."""
    if read := PAGING_KINDS[paging.strategy].read_total:
        return read(reply)
    where = total.at if isinstance(total, PointerTotal) else getattr(paging, "count", None)
    found: Any = compile_pointers(where)(page) if where else None
    is_number = isinstance(found, str | int) and not isinstance(found, bool)
    if is_number and re.fullmatch("[0-9]{1,18}", str(found)[:19]):
        return int(found)
    if isinstance(total, PointerTotal) and isinstance(found, dict | list):  # the pointer is wrong
        raise UpstreamError(Reason.TOTAL)
    return None


# From page to page


def has_direct_pages(paging: Paging) -> bool:
    """Whether any page can be requested without those before it."""
    return PAGING_KINDS[paging.strategy].page_call is not None


def start_position(paging: Paging, call: Call, offset: int, size: int) -> Position:
    """Return the page that begins at item `offset`, which is 0 unless the paging `has_direct_pages`.

    Where pages are counted, it is the page that holds the item.
    """
    number = offset // size
    if PAGING_KINDS[paging.strategy].counts_pages:
        offset = number * size
    return _place_call(paging, Position(call, offset, number, is_direct=offset > 0), size)


def next_position(
    paging: Paging, first: Call, here: Position, contents: PageContents, size: int
) -> Position | None:
    """Return the page after `here`, which had `contents`; None at the end of the list.

    Where items or pages are counted, a short page is the end, but not before the upstream's own total, which
    may be too small, too large, or made of larger pages than the upstream gives. Without a total, the first
    short page may be as large as pages of this upstream get: only a smaller page, or none, is the end.
    """
    kind = PAGING_KINDS[paging.strategy]
    count, offset = contents.count, here.offset + contents.count
    if kind.next_call is None:
        if kind.counts_pages and here.is_direct and count not in (0, size):
            raise UnevenPagesError(Reason.CURSOR)
        is_open = contents.total is None
        more = count >= (here.largest or 1) if is_open else count > 0 and offset < (contents.total or 0)
        if not more and count < size:
            return None
        guess: Literal["no", "full", "short"] = "no"
        if is_open or not more:
            guess = "short" if count < size else "full"
        call = first._replace(is_probe=guess == "short")
        largest = max(count, here.largest)
        return _place_call(
            paging, Position(call, offset, here.number + 1, largest=largest, guess=guess), size
        )
    following = kind.next_call(paging, first, here.call, contents)
    return Position(following, offset) if following else None  # the bound on pages ends empty ones


_ENDS = {"full": frozenset({404, 416}), "short": frozenset({400, 404, 410, 416, 422})}
_NOT_ABOUT_PAGES = frozenset({401, 403, 429})


def is_end(here: Position, reply: Reply, fault: Fault) -> bool:
    """Whether an error answer says no more than that there is no such page.

    Behind a full page most statuses may mean a limit of the upstream, which would cut the list short.
    """
    if reply.status < 300:  # an error inside a success
        return here.guess == "short" and 400 <= fault.status < 500 and fault.status not in _NOT_ABOUT_PAGES
    return reply.status in _ENDS.get(here.guess, ())


def _place_call(paging: Paging, position: Position, size: int) -> Position:
    page_call = PAGING_KINDS[paging.strategy].page_call
    return replace(position, call=page_call(paging, position.call, position, size)) if page_call else position
