"""Legacy HTTP requests → Operations: a table of routes and, below it, the rules for each parameter.

A path yields two Sids, which match their pattern exactly, and a suffix; nothing else of it reaches an
upstream URL.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urlencode

from proxy.errors import (
    BAD_CALL_DELAY,
    BAD_FRIENDLY_NAME,
    BAD_PHONE_NUMBER,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    OTHER_RESOURCE,
    LegacyError,
)
from proxy.legacy import formats
from proxy.legacy.forms import Form, parse_body, parse_query
from proxy.model import Delete, Fetch, List, Operation, Rename, Validate


class Request(NamedTuple):
    """The parts of an HTTP request that the 2008 API reads, as they came over the wire, and its peer."""

    method: str
    target: str
    """The request line's target, undecoded."""
    authorization: tuple[str, ...] = ()
    """The values of all Authorization headers."""
    content_type: str | None = None
    body: bytes = b""
    peer: str = ""
    """The client, as far as it is known: calls are limited for each."""

    def __repr__(self) -> str:
        """Show only the method in tracebacks: every other part may hold a token."""
        return f"Request({self.method!r})"


@dataclass(frozen=True, slots=True)
class Route:
    """A resource of the API and the method that the client means."""

    account_sid: str
    sid: str
    """Empty for the list."""
    method: str
    """After `_method` has been applied; HEAD is a GET."""
    suffix: str
    """The requested format: `.json` for example, or nothing."""
    query: Form

    def read(self, request: Request) -> Operation:
        """Turn the parameters of `request` into an Operation; LegacyError where they are not valid."""
        return _METHODS[bool(self.sid)][self.method](self, request)

    def uri_of_page(self, size: int) -> Callable[[int], str]:
        """Return the path and query of each page of this list, with its suffix and filters."""
        filters = {name: self.query[name] for name in _FILTERS if self.query.get(name)}
        path = f"/2008-08-01/Accounts/{self.account_sid}/OutgoingCallerIds{self.suffix}"
        return lambda number: f"{path}?{urlencode({'page': number, 'num': size, **filters})}"


_PATH = re.compile(
    r"/+2008-08-01/Accounts/(?P<account>AC[0-9a-fA-F]{32})/OutgoingCallerIds"
    r"(?:/(?P<sid>PN[0-9a-fA-F]{32}))?(?P<suffix>\.xml|\.json|\.csv|\.html)?/?"
)
_SUFFIX = re.compile(r"\.(?:xml|json|csv|html)(?=/?\Z)")
_VERSION = re.compile(r"2008-08-01(?:\Z|[/.])")
_ACCOUNT = re.compile(r"/+2008-08-01/Accounts/(?P<account>AC[0-9a-fA-F]{32})(?![0-9a-zA-Z])")
_ABSOLUTE_FORM = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


def route(request: Request) -> Route:
    """Find the resource of `request`; LegacyError 404 for an unknown path and 405 for a method."""
    path, _, query_string = request.target.partition("?")
    path = origin_form(path)
    found = _PATH.fullmatch(path)
    if not found:
        raise LegacyError(OTHER_RESOURCE if is_other_resource(path) else NOT_FOUND)
    query = parse_query(query_string)
    method = "GET" if request.method == "HEAD" else request.method
    if method == "POST" and query.get("_method") in ("PUT", "DELETE"):
        method = query["_method"]
    account_sid, sid, suffix = found.groups(default="")
    methods = _METHODS[bool(sid)]
    if method not in methods:
        allow = ", ".join(name for get in methods for name in ((get, "HEAD") if get == "GET" else (get,)))
        raise LegacyError(METHOD_NOT_ALLOWED.with_header("Allow", allow))
    return Route(account_sid, sid, method, suffix, query)


def origin_form(target: str) -> str:
    """Return a target without scheme and host (RFC 9112 section 3.2.2), which are ignored."""
    return target if target.startswith("/") else _ABSOLUTE_FORM.sub("", target, count=1)


def is_other_resource(target: str, *, everything: bool = False) -> bool:
    """Whether a target is of the 2008 API, but of no resource that is served here, or of `everything`.

    Servers differ in how they read a path. What one of them may read as OutgoingCallerIds is served here, and
    what one may read as a way out of the API is no part of it.
    """
    path = origin_form(target).partition("?")[0].lstrip("/")
    if not _VERSION.match(path) or "#" in target:
        return False
    read = unquote(path).casefold().replace("\\", "/")
    if "outgoingcallerids" in read and not everything:
        return False
    return not any(name.partition(";")[0] in (".", "..") for name in read.split("/"))


def account_of(target: str) -> str:
    """Return the AccountSid that a path of the 2008 API names, '' where it names none."""
    found = _ACCOUNT.match(origin_form(target))
    return found["account"] if found else ""


def suffix_of(target: str) -> str:
    """Return the requested format, for unknown paths too."""
    found = _SUFFIX.search(target.partition("?")[0])
    return found[0] if found else ""


# The operations

_FILTERS = ("PhoneNumber", "FriendlyName")


def _list(to: Route, _: Request) -> List:
    phone_number = to.query.get("PhoneNumber", "").strip() or None
    number = phone_number and formats.listed_number(phone_number)
    friendly_name = to.query.get("FriendlyName") or None
    return List(
        to.account_sid,
        page=_whole_number(_first(to.query, "page", "Page"), default=0, least=0, most=10**18),
        page_size=_whole_number(_first(to.query, "num", "PageSize"), default=50, least=1, most=1000),
        phone_number=number,
        friendly_name=friendly_name,
        nothing_matches=(phone_number is not None and number is None)
        or (friendly_name is not None and _UNPRINTABLE.search(friendly_name) is not None),
    )


def _validate(to: Route, request: Request) -> Validate:
    form = _parameters(to, request)
    numbers = {formats.e164(text) for text in form.every("PhoneNumber")}
    if len(numbers) > 1:
        raise LegacyError(BAD_PHONE_NUMBER.saying("PhoneNumber was given twice, with different values"))
    number = numbers.pop() if numbers else None
    if number is None:
        raise LegacyError(BAD_PHONE_NUMBER)
    return Validate(to.account_sid, number, _friendly_name(form), _call_delay(form))


def _fetch(to: Route, _: Request) -> Fetch:
    return Fetch(to.account_sid, to.sid)


def _rename(to: Route, request: Request) -> Rename:
    name = _friendly_name(_parameters(to, request))
    if name is None:
        raise LegacyError(BAD_FRIENDLY_NAME)
    return Rename(to.account_sid, to.sid, name)


def _delete(to: Route, _: Request) -> Delete:
    return Delete(to.account_sid, to.sid)


_METHODS: tuple[Mapping[str, Callable[[Route, Request], Operation]], ...] = (
    {"GET": _list, "POST": _validate},  # of the list
    {"GET": _fetch, "POST": _rename, "PUT": _rename, "DELETE": _delete},  # of an instance
)


# The parameters


def _parameters(to: Route, request: Request) -> Form:
    """Read the parameters of a write: those of its body, and what the body lacks from its query."""
    return parse_body(request.content_type, request.body).completed(to.query)


def _first(form: Form, *names: str) -> str:
    return next((form[name] for name in names if form.get(name)), "")


_DIGITS = re.compile("[0-9]+")


def _whole_number(text: str, *, default: int, least: int, most: int) -> int:
    """Read a paging parameter; anything that is no whole number of at least `least` is the default."""
    if not _DIGITS.fullmatch(text):
        return default
    digits = text.lstrip("0") or "0"
    number = int(digits) if len(digits) <= len(str(most)) else most
    return default if number < least else min(number, most)


_LINE_BREAK = re.compile(r"\r\n|[\t\r\n]")
# Control characters, and what no XML 1.0 document can hold (section 2.2 of that specification)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def _friendly_name(form: Form) -> str | None:
    """Read 1 to 64 code points on one line; None where the parameter is absent or empty."""
    name = _LINE_BREAK.sub(" ", form.get("FriendlyName", ""))
    if len(name) > 64 or _UNPRINTABLE.search(name):
        raise LegacyError(BAD_FRIENDLY_NAME)
    return name or None


_UP_TO_SIXTY = re.compile(r"0*(?:[0-9]|[1-5][0-9]|60)")


def _call_delay(form: Form) -> int:
    text = form.get("CallDelay", "").strip() or "0"
    if not _UP_TO_SIXTY.fullmatch(text):
        raise LegacyError(BAD_CALL_DELAY)
    return int(text)
