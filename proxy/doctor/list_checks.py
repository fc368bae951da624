"""Checks of the list: credentials, pages, items, ids, the total, a page in the middle and both filters."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from proxy.doctor.subject import Subject
from proxy.doctor.verdicts import Verdict, failure, ok, plural, skipped, warning
from proxy.errors import LegacyError, Reason, UpstreamError
from proxy.model import NO_CALLER_IDS, CallerIds, List
from proxy.net.deadlines import TOTAL
from proxy.profile import language
from proxy.profile.calls import Reply
from proxy.profile.conversions import READ, UnreadableError, is_default_name
from proxy.profile.documents import parse_json
from proxy.profile.items import compile_items
from proxy.profile.numbers import E164
from proxy.profile.paging import read_total
from proxy.profile.pointers import compile_pointers
from proxy.profile.values import compile_condition

_TOLD_BY = {
    Reason.ITEM_KEY: "items",
    Reason.ITEM_TYPE: "items",
    Reason.ACCOUNT: "items",
    Reason.ID: "ids",
    Reason.TOTAL: "total",
}
"""Which check tells of an error of the list; the others are errors of the list itself."""
_SLOW = TOTAL / 2  # seconds


def _everything(subject: Subject) -> List:
    return List(subject.account.sid, page=0, page_size=1)


async def check_credentials(subject: Subject) -> Verdict:
    """Request the first page of the list, and see whether the credentials are accepted."""
    try:
        exchange = subject.profile.list(_everything(subject), subject.account)
        exchange.read(await subject.sender.send(exchange.call))
    except LegacyError as error:
        is_about_auth = error.key_path[:1] == ("auth",)
        if error.refuses_credentials or is_about_auth or not subject.record.answers:
            return failure(subject.explain(error))
        return ok("not refused, though the list cannot be read")
    scheme = subject.language.auth.scheme
    return ok("the upstream wants none" if scheme == "none" else f"accepted (scheme {scheme})")


async def check_list(subject: Subject) -> Verdict:
    """Read the list from its first page to its end, as an uncached request does."""
    before, subject.record.calls[:] = len(subject.record.answers), []
    try:
        found = await subject.upstream.list_all(_everything(subject), subject.account)
    except LegacyError as error:
        teller = _find_teller(error)
        subject.errors[teller] = error
        if teller == "list":
            return failure(subject.explain(error))
        return ok("it is an array of items")
    subject.listed, subject.is_listed = found.caller_ids or NO_CALLER_IDS, True
    pages = _read_pages(subject)
    subject.items = [item for page in pages for item in page]
    seconds = sum(answer.seconds for answer in subject.record.answers[before:])
    listed, count = len(subject.listed), len(subject.items)
    text = f"{plural(listed, 'caller ID')} on {plural(len(pages), 'page')}"
    if repeated := count - listed:
        return warning(f"{text}; {plural(repeated, 'item')} came twice, so that pages overlap")
    if seconds > _SLOW:
        return warning(f"{text}; a request has {TOTAL:g} s, of which the list takes {seconds:.0f}")
    return ok(text if len(pages) > 1 else f"{text}: how pages follow one another is untested")


def _find_teller(error: LegacyError) -> str:
    """Return the key of the check that an error of the list belongs to."""
    if error.key_path[:2] == ("caller_id", "id"):
        return "ids"
    return _TOLD_BY.get(error.reason, "list") if isinstance(error, UpstreamError) else "list"


def _read_pages(subject: Subject) -> Sequence[Sequence[Any]]:
    """Return the items of each page that has been read, and keep what else the pages say."""
    endpoint = subject.language.operations.list
    find, form = compile_pointers((endpoint.items,)), compile_items(endpoint.items_are)
    conditions = [compile_condition(each) for each in endpoint.include_when]
    pages: list[Sequence[Any]] = []
    totals: list[int | None] = []
    calls = subject.record.calls
    first = calls[0].call.identity
    begin = max(
        index for index, each in enumerate(calls) if each.call.identity == first
    )  # it may start again
    for call, reply in calls[begin:]:
        document = parse_json(reply.body)
        found = form(find(document))
        if not isinstance(found, list):
            continue
        included = [item for item in found if all(holds(item) for holds in conditions)]
        if call.is_probe and pages and included == pages[-1]:
            continue  # some upstreams show the last page again for one past the end
        subject.left_out += len(found) - len(included)
        pages.append(included)
        totals.append(_read_total(endpoint, reply, document))
    subject.totals = totals
    return pages


def _read_total(endpoint: language.ListEndpoint, reply: Reply, document: Any) -> int | None:
    try:
        return read_total(endpoint.paging, endpoint.total, reply, document)
    except UpstreamError:
        return None


async def check_items(subject: Subject) -> Verdict:
    """See whether every item has what the profile reads from it."""
    if not subject.items:
        return skipped("the list is empty")
    problems = [*_find_unreadable_dates(subject), *_find_odd_numbers(subject.listed)]
    notes = [f"{len(subject.items)} read"]
    if subject.left_out:
        notes.append(f"{subject.left_out} left out by include_when")
    nameless = sum(map(is_default_name, subject.listed.friendly_name))
    if nameless:
        notes.append(f"{nameless} without a name of its own")
    return (warning if problems else ok)("; ".join([", ".join(notes), *problems]))


def _find_unreadable_dates(subject: Subject) -> Iterator[str]:
    for name in ("date_created", "date_updated"):
        field: language.ReadValue | None = getattr(subject.language.caller_id, name)
        if field is None:
            continue
        find, read = compile_pointers(field.at), READ[field.as_]
        found = [(index, find(item)) for index, item in enumerate(subject.items)]
        wrong = [index for index, value in found if value not in (None, "") and read(value) is None]
        if wrong:
            where = subject.line_of("caller_id", name)
            yield (
                f"{where}: {name} of {plural(len(wrong), 'item')} cannot be read as {field.as_}, the first"
                f" in item {wrong[0]} (pointer {' or '.join(field.at)}), so that old programs see none"
            )


def _find_odd_numbers(listed: CallerIds) -> Iterator[str]:
    odd = [index for index, number in enumerate(listed.phone_number) if not E164.fullmatch(number)]
    if odd:
        yield f"{plural(len(odd), 'phone number')} not as E.164, the first in item {odd[0]}"


async def check_ids(subject: Subject) -> Verdict:
    """Turn every id into a Sid and back."""
    if not subject.items:
        return skipped("the list is empty")
    profile, account = subject.profile, subject.account
    for index, own in enumerate(subject.read_ids()):
        try:
            back = profile.id_of(profile.sid_of(own, account), account)
        except (LegacyError, UnreadableError) as error:
            return failure(f"the id of item {index} does not come back from its Sid: {error}")
        if back != own:
            return failure(f"the id of item {index} comes back from its Sid as another one")
    return ok(f"{len(subject.items)} there and back (codec {subject.language.ids.codec})")


async def check_total(subject: Subject) -> Verdict:
    """Compare what the upstream states with what its list has."""
    count = len(subject.items) + subject.left_out
    stated = {total for total in subject.totals if total is not None}
    strategy = subject.language.operations.list.total.strategy
    if strategy != "pointer" and not stated:
        return ok(f"{len(subject.listed)}, counted by the proxy: the upstream states none")
    where = subject.line_of("operations", "list", "total")
    if not stated and not count:
        return ok("an empty list, which states none")
    if not stated:
        return warning(f"{where}: no page states a total, so that the whole list is read for each page")
    if stated != {count}:
        told = " and ".join(map(str, sorted(stated)))
        return failure(f"{where}: the upstream states {told}, but its list has {plural(count, 'item')}")
    return ok(f"{count}, as the upstream states")


async def check_middle_page(subject: Subject) -> Verdict:
    """Load a page from the middle of the list, and compare it with the whole list."""
    listed = subject.listed
    size = max(1, len(listed) // 3)
    if len(listed) < 2:
        return skipped(f"a list of {plural(len(listed), 'caller ID')} has no middle")
    operation = replace(_everything(subject), page=1, page_size=size)
    if not subject.upstream.has_direct_pages(operation) or None in subject.totals:
        return ok("cut from the whole list: no page is requested by itself")
    try:
        page = await subject.upstream.load_page(operation, subject.account)
    except LegacyError as error:
        return failure(subject.explain(error))
    if page is None:
        return warning(
            "a page that is requested by itself contradicts the total: the whole list is read instead"
        )
    if list(page.caller_ids.sid) != list(listed.sid[size : 2 * size]):
        return failure(f"items {size} to {2 * size - 1}, requested by themselves, are not those of the list")
    return ok(f"items {size} to {2 * size - 1} are those of the list")


async def check_number_filter(subject: Subject) -> Verdict:
    """Filter by the number of a caller ID."""
    return await _check_filter(subject, "phone_number")


async def check_name_filter(subject: Subject) -> Verdict:
    """Filter by the name of a caller ID."""
    return await _check_filter(subject, "friendly_name")


async def _check_filter(subject: Subject, field: str) -> Verdict:
    filters = subject.language.operations.list.filters
    by = getattr(filters, field)
    chosen = [each for each in subject.listed if _can_filter(field, getattr(each, field))]
    if not chosen:
        return skipped(f"no caller ID has a {'number' if field == 'phone_number' else 'name'} to filter by")
    value = getattr(chosen[len(chosen) // 2], field)
    if by.mode == "client":
        return ok("by the proxy: the profile names no filter of the upstream")
    operation = replace(_everything(subject), **{field: value})
    expected = subject.listed.matching(operation)
    try:
        found = (await subject.upstream.list_all(operation, subject.account)).caller_ids
    except LegacyError as error:
        return failure(subject.explain(error))
    where = subject.line_of("operations", "list", "filters", field)
    matching = (found or NO_CALLER_IDS).matching(operation)
    if set(matching.sid) != set(expected.sid):
        return failure(
            f"{where}: the upstream finds {len(matching)} of {plural(len(expected), 'caller ID')} that match"
        )
    more = len(found or ()) - len(matching)
    if more and by.mode == "server":
        return failure(
            f"{where}: the upstream also finds {plural(more, 'caller ID')} without this value, so that totals"
            " are wrong: mode server_superset or client is for that"
        )
    return ok(f"{plural(len(matching), 'caller ID')}, by the upstream (mode {by.mode})")


def _can_filter(field: str, value: str) -> bool:
    if field == "phone_number":
        return bool(E164.fullmatch(value))
    return bool(value.strip()) and not is_default_name(value)
