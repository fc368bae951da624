"""Fuzz targets: each takes any bytes, and raises if the result is wrong.

Parsers may raise LegacyError only, or what the client turns into one. Rendered documents are parsed again:
they must contain their input.
"""

import itertools
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from support import conversations
from support.seed import ACCOUNT, BOB

from fuzz.configurations import configuration
from fuzz.documents import STYLES, assert_shows_fault, assert_shows_list, assert_shows_validation
from fuzz.page import page
from fuzz.request_line import request_line
from proxy.cache import derive_key
from proxy.config import read_profile, shipped_profiles
from proxy.config.yaml_source import UNFILLED, read_yaml
from proxy.drafts import DescriptionError, draft_profile
from proxy.errors import MALFORMED, Fault, LegacyError
from proxy.legacy import Request, parse_body, read_credentials, route
from proxy.legacy.forms import Form, parse_query
from proxy.model import (
    Account,
    CallerId,
    Credentials,
    Delete,
    Deleted,
    Fetch,
    List,
    Operation,
    Rename,
    Validate,
    ValidationRequest,
    Verify,
)
from proxy.profile import language
from proxy.profile.calls import Call, Reply
from proxy.profile.profile import Exchange, Profile, StartedValidation
from proxy.upstream import encoding
from proxy.upstream.response import MalformedResponseError, ResponseReader


def lines(data: bytes, count: int) -> Sequence[bytes]:
    """Cut into so many lines, of which the last one is the rest."""
    found = data.split(b"\n", count - 1)
    return [*found, *[b""] * (count - len(found))]


def as_text(data: bytes) -> str:
    """Return bytes of a head as aiohttp's parser hands them on."""
    return data.decode("utf-8", "surrogateescape")


def nth(data: bytes, index: int) -> int:
    """Return a byte, 0 beyond the end."""
    return data[index] if index < len(data) else 0


def assert_refused(fault: Fault, least: int = 400, below: int = 500) -> None:
    """Check the answer that the client gets."""
    assert least <= fault.status < below
    assert_shows_fault(fault)


# What clients send: forms


def query(data: bytes) -> None:
    """Read a query string."""
    _read(lambda: parse_query(as_text(data)), unquote_to_bytes(data))


def urlencoded(data: bytes) -> None:
    """Read a form."""
    _read(lambda: parse_body("application/x-www-form-urlencoded", data), unquote_to_bytes(data))


def xml(data: bytes) -> None:
    """Read an XML body."""
    _read(lambda: parse_body("application/xml", data), data)


def multipart(data: bytes) -> None:
    """Read the parameters of `multipart/form-data` in the first line, and the body after it."""
    parameters, content = lines(data, 2)
    _read(lambda: parse_body(f"multipart/form-data;{as_text(parameters)}", content))


def body(data: bytes) -> None:
    """Read a Content-Type in the first line, and the body after it."""
    content_type, content = lines(data, 2)
    _read(lambda: parse_body(as_text(content_type), content))


def _read(read: Callable[[], Form], sent: bytes | None = None) -> None:
    """Compare a form with what was `sent`, unless an encoding lies between them."""
    try:
        form = read()
    except LegacyError as error:
        assert_refused(error.fault)
        return
    assert len(form) <= 100
    for name, value in form.items():
        assert type(name) is type(value) is str
        assert form.every(name)[-1:] == [value] or not value
        if "\ufffd" in name + value and sent is not None:
            assert _REPLACEMENT.search(sent), "a part was lost without an error"


_REPLACEMENT = re.compile(rb"\xef\xbf\xbd|&#(?:x0*fffd|0*65533);", re.IGNORECASE)


# What clients send: credentials, and whole requests


def authorization(data: bytes) -> None:
    """Read Authorization headers, one a line."""
    try:
        credentials = read_credentials([as_text(line) for line in data.split(b"\n")])
    except LegacyError as error:
        assert_refused(error.fault)
        return
    assert credentials.username
    assert ":" not in credentials.username
    assert not _UNPRINTABLE.search(credentials.username + credentials.password)


class Vendor(NamedTuple):
    """A profile, and the caller for its upstream."""

    profile: Profile
    account: Account
    asks_as_caller: bool


BASE = "http://upstream.example"


def _profiles() -> Iterator[tuple[str, language.ProfileSettings]]:
    """Yield the shipped ones, and those of the tests, which have kinds of paging that no shipped one has."""
    for name in shipped_profiles():
        yield name, read_profile(name, Path(), {}).profile
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted((Path(__file__).parents[1] / "profiles" / "vendors").glob("*.txt")):
            own = Path(folder) / "profile.yaml"
            own.write_text(dict(conversations.sections(file, BASE))["profile"], encoding="utf-8")
            yield file.stem, read_profile(str(own), Path(), {}).profile


def _vendor(settings: language.ProfileSettings) -> Vendor:
    validation = "code_on_phone" if settings.operations.verify else "code_shown"
    profile = Profile(settings.model_copy(update={"validation": validation}), BASE)
    asks_as_caller = settings.auth.scheme == "caller"
    upstream_id = ACCOUNT if asks_as_caller else "7"
    account = Account(ACCOUNT, upstream_id, Credentials("a-key", "its-secret"), is_own=asks_as_caller)
    return Vendor(profile, account, asks_as_caller)


VENDORS: Mapping[str, Vendor] = {name: _vendor(settings) for name, settings in _profiles()}
_VENDORS = list(VENDORS.values())
_SID = "(?:AC|PN)[0-9a-fA-F]{32}"
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def request(data: bytes) -> None:
    """Read method and target, a Content-Type and an Authorization, a line each, and the body after them.

    Every understood request can be sent to every upstream.
    """
    start, content_type, credentials, content = lines(data, 4)
    method, _, target = as_text(start).partition(" ")
    sent = Request(method, target, (as_text(credentials),), as_text(content_type) or None, content)
    try:
        to = route(sent)
        caller = Account(to.account_sid, to.account_sid, read_credentials(sent.authorization))
        operation = to.read(sent)
    except LegacyError as error:
        assert_refused(error.fault)
        return
    _assert_valid(operation)
    assert derive_key(caller, "x").with_query() == derive_key(caller)
    assert to.uri_of_page(50)(3).startswith(f"/2008-08-01/Accounts/{caller.sid}/")
    for vendor in _VENDORS:
        with suppress(LegacyError):
            account = caller if vendor.asks_as_caller else vendor.account
            _assert_sendable(_exchange(vendor.profile, operation, account).call)


def _assert_valid(operation: Operation) -> None:
    assert re.fullmatch(_SID, operation.account_sid)
    match operation:
        case List():
            assert 0 <= operation.page <= 10**18
            assert 1 <= operation.page_size <= 1000
        case Validate():
            assert re.fullmatch(r"\+1[0-9]{10}", operation.phone_number)
            assert 0 <= operation.call_delay <= 60
            assert operation.friendly_name is None or _is_name(operation.friendly_name)
        case Rename():
            assert re.fullmatch(_SID, operation.sid)
            assert _is_name(operation.friendly_name)
        case Fetch() | Delete():
            assert re.fullmatch(_SID, operation.sid)


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= 64 and not _UNPRINTABLE.search(text)


def _exchange(profile: Profile, operation: Operation | Verify, account: Account) -> Exchange[Any]:
    match operation:
        case List(nothing_matches=True):
            raise LegacyError(MALFORMED)  # no upstream is called
        case List():
            return profile.list(operation, account)
        case Validate():
            return profile.validate(operation, account)
        case Verify():
            return profile.verify(operation, account)
        case _:
            return profile.exchange(operation, account)


def _assert_sendable(call: Call) -> None:
    """Check that a call is one request to its upstream, and differs from other calls of a listing."""
    assert call.identity
    origin, target = encoding.origin_and_target(call.url)
    assert origin == BASE
    head = encoding.encode(call, target, "upstream.example").partition(b"\r\n\r\n")[0]
    start, *headers = head.split(b"\r\n")
    assert start == f"{call.method} {target} HTTP/1.1".encode()
    names = [header.partition(b":")[0].lower() for header in headers]
    assert len(names) == len(set(names))


# What upstreams answer

_STATUSES = (200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 409, 416, 418, 429, 500, 503, 599, 999)
_ASKED: Sequence[Operation | Verify] = (
    Fetch(ACCOUNT, BOB),
    Rename(ACCOUNT, BOB, "Bob"),
    Delete(ACCOUNT, BOB),
    Validate(ACCOUNT, "+14158675309", "Bob", 0),
    Verify(ACCOUNT, "+14158675309", "VE1", "123456"),
)


def answer_to_list(data: bytes) -> None:
    """Read an answer: a line with vendor, status and style as bytes, Link, Content-Range, and the body."""
    which, link, content_range, content = lines(data, 4)
    vendor = _VENDORS[nth(which, 0) % len(_VENDORS)]
    headers = {"link": as_text(link), "content-range": as_text(content_range)}
    asked = vendor.profile.list(List(ACCOUNT, 0, 50), vendor.account)
    try:
        listing = asked.read(Reply(_status(which), content, headers))
        following = listing.next(vendor.account) if listing.next else None
    except LegacyError as error:
        assert_refused(error.fault, below=600)
        return
    if following:
        _assert_sendable(following.call)
    assert all(re.fullmatch(_SID, sid) for sid in listing.caller_ids.sid)
    assert set(listing.caller_ids.account_sid) <= {ACCOUNT}
    assert_shows_list(list(listing.caller_ids), STYLES[nth(which, 2) % len(STYLES)])


def answer(data: bytes) -> None:
    """Read an answer about one number: a line with vendor, status and operation as bytes, and the body."""
    which, content = lines(data, 2)
    vendor = _VENDORS[nth(which, 0) % len(_VENDORS)]
    operation = _ASKED[nth(which, 2) % len(_ASKED)]
    try:
        result = _exchange(vendor.profile, operation, vendor.account).read(Reply(_status(which), content))
    except LegacyError as error:
        assert_refused(error.fault, below=600)
        return
    match result:
        case CallerId():
            assert_shows_list([result], STYLES[0])
        case StartedValidation():
            verify = Verify(ACCOUNT, "+14158675309", result.pending, "123456")
            _assert_sendable(_exchange(vendor.profile, verify, vendor.account).call)
            assert_shows_validation(result.request)
        case ValidationRequest():
            assert re.fullmatch("[0-9]{6}", result.validation_code)
            assert_shows_validation(result)
        case Deleted():
            assert isinstance(operation, Delete)


def response(data: bytes) -> None:
    """Read a line whose bytes are the method and the lengths of slices in turn, and an answer's bytes."""
    how, content = lines(data, 2)
    is_head, lengths = nth(how, 0) % 2 == 1, [each + 1 for each in how[1:]] or [1]
    slices, start = [], 0
    for length in itertools.cycle(lengths):
        if start >= len(content):
            break
        slices.append(content[start : start + length])
        start += length
    whole, cut = _replied([content], is_head=is_head), _replied(slices, is_head=is_head)
    assert whole is None or whole == cut
    if cut:
        assert 100 <= cut.status <= 999
        assert len(cut.body) + sum(map(len, cut.headers.values())) <= len(content)
        assert not (is_head and cut.body)
        assert cut.retry_after is None or 0 <= cut.retry_after <= 3600


def _replied(slices: Sequence[bytes], *, is_head: bool) -> Reply | None:
    """Return what an upstream answers that closes the connection after these bytes; None if it is nothing."""
    reader = ResponseReader()
    reader.begin(is_head=is_head)
    try:
        is_complete = any(reader.feed(each) for each in slices) or reader.end()
    except (LegacyError, MalformedResponseError):
        return None
    return reader.reply() if is_complete else None


def _status(which: bytes) -> int:
    return _STATUSES[nth(which, 1) % len(_STATUSES)]


# The page that takes codes


def code(data: bytes) -> None:
    """Read status and method, three headers and the upstream's answer, a line each, and the body."""
    start, *headers, answered, content = lines(data, 6)
    names = ("Content-Type", "Sec-Fetch-Site", "Origin")
    given = {name: as_text(text) for name, text in zip(names, headers, strict=True) if text}
    method = as_text(start[1:])
    page(method, {"Host": "proxy.example", **given}, content, Reply(_status(b"\0" + start[:1]), answered))


# Documents

_DATES = (None, 0, -1, 1207074392, 1735689600, -2208988800, 4 * 10**9, 32503679999)


def writers(data: bytes) -> None:
    """Write names and numbers in turn, set apart by a byte that no text has, after bytes that say how.

    Bytes that are not UTF-8 become lone surrogates.
    """
    how, *texts = data.split(b"\xff")
    style, page, size = STYLES[nth(how, 0) % len(STYLES)], nth(how, 1) % 4, nth(how, 2) % 5 + 1
    dates = [_DATES[each % len(_DATES)] for each in how[3:]] or [None]
    pairs = zip(map(as_text, texts[::2]), map(as_text, [*texts[1::2], b""]), strict=False)
    rows = [
        CallerId(f"PN{index:032x}", ACCOUNT, *pair, dates[index % len(dates)], dates[-1])
        for index, pair in enumerate(pairs)
    ]
    assert_shows_list(rows, style, page, size)
    for row in rows[:1]:
        assert_shows_validation(ValidationRequest(ACCOUNT, row.phone_number, row.friendly_name, "000042"))
        assert_shows_fault(MALFORMED.saying(row.friendly_name))


# Descriptions of vendors


def description(data: bytes) -> None:
    """Draft a profile: the proxy can read what is written, whatever the description has."""
    with tempfile.TemporaryDirectory() as folder:
        file, draft = Path(folder) / "openapi.yaml", Path(folder) / "draft.yaml"
        file.write_bytes(data)
        try:
            found = draft_profile("mine", file)
        except DescriptionError:
            return
        draft.write_text(found.text, encoding="utf-8")
        mistakes = read_yaml(draft, {}).mistakes
        assert len(mistakes) == found.faults
        assert all(UNFILLED in each.message for each in mistakes)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "query": query,
    "urlencoded": urlencoded,
    "multipart": multipart,
    "xml": xml,
    "body": body,
    "authorization": authorization,
    "request": request,
    "request_line": request_line,
    "list": answer_to_list,
    "instance": answer,
    "response": response,
    "writers": writers,
    "configuration": configuration,
    "code": code,
    "description": description,
}
