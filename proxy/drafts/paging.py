"""The parameters and the answer of a list → its pages, its total and its filters. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proxy.drafts.candidates import ListCandidate
from proxy.drafts.description import DescribedParameter
from proxy.drafts.fields import ItemFields
from proxy.drafts.shapes import FieldShape, Shape, list_fields
from proxy.drafts.words import (
    CURSORS,
    MORE,
    NAMES,
    NEXT_CURSORS,
    NEXT_URLS,
    NUMBERS,
    OFFSETS,
    PAGES,
    SIZES,
    TOTALS,
    Names,
    choose,
    find_written_form,
    has_type,
    rate_name,
    split_words,
)
from proxy.drafts.writing import MISSING, Guess, guess_from, guess_without


@dataclass(frozen=True, slots=True)
class ListPages:
    """The parts of a list's request that are about its pages."""

    page_size: Guess | None
    paging: Guess
    total: Guess
    used: frozenset[str]
    """The names of the parameters that these are."""


@dataclass(frozen=True, slots=True)
class _Signs:
    """What of the parameters and of the answer may be about pages; None for what is not there."""

    size: DescribedParameter | None
    page: DescribedParameter | None
    offset: DescribedParameter | None
    cursor: DescribedParameter | None
    next_url: FieldShape | None
    next_cursor: FieldShape | None
    more: FieldShape | None
    total: FieldShape | None
    range_place: str
    link_place: str


def guess_pages(chosen: ListCandidate, fields: ItemFields, *, is_filtered: bool) -> ListPages:
    """Return how the next page is requested; `is_filtered` says that the proxy leaves items out."""
    signs = _find_signs(chosen)
    paging = next(found for make in _KINDS if (found := make(signs, fields)))
    if chosen.items_path is None and paging.value["strategy"] == "none":
        paging = Guess({"strategy": MISSING}, f"look up how to get the next page: {chosen.request.place}")
    strategy = paging.value["strategy"]
    counts = strategy in ("page_number", "offset")
    total = _guess_total(signs, strategy, is_filtered=is_filtered)
    if counts and is_filtered and signs.total:
        paging = Guess(
            {**paging.value, "count": signs.total.pointer}, f"{paging.note}; count from {signs.total.place}"
        )
    used = {each.name for each in (signs.size, signs.page, signs.offset, signs.cursor) if each}
    page_size = _guess_size(signs.size, chosen) if strategy != "none" else None
    return ListPages(page_size, paging, total, frozenset(used))


def _find_signs(chosen: ListCandidate) -> _Signs:
    parameters = chosen.request.list_settable()
    held = chosen.items_path
    beside = [] if held == () else list(list_fields(chosen.answer))
    beside = [each for each in beside if not held or each.path[: len(held)] != held]
    size = _choose_parameter(parameters, SIZES)
    rest = [each for each in parameters if each != size]
    page, offset = _choose_parameter(rest, PAGES), _choose_parameter(rest, OFFSETS)
    cursor = _choose_parameter([each for each in rest if each not in (page, offset)], CURSORS)
    if page and _is_token(page.shape):
        page, cursor = None, cursor or page
    texts = [each for each in beside if has_type(each.shape, "string", "integer")]
    return _Signs(
        size,
        page,
        offset,
        cursor,
        choose(texts, lambda each: rate_name(each.path, NEXT_URLS) if _is_url(each) else 0),
        choose(texts, lambda each: rate_name(each.path, NEXT_CURSORS) if not _is_url(each) else 0),
        choose((each for each in beside if has_type(each.shape, "boolean")), _rate_by(MORE)),
        choose((each for each in beside if has_type(each.shape, "integer", "number")), _rate_total),
        *_find_headers(chosen),
    )


def _rate_by(names: Names) -> Callable[[FieldShape], int]:
    return lambda field: rate_name(field.path, names)


def _choose_parameter(parameters: Sequence[DescribedParameter], names: Names) -> DescribedParameter | None:
    pairs = [(FieldShape((each.name,), each.shape, is_required=False), each) for each in parameters]
    found = choose((field for field, _ in pairs), _rate_by(names))
    return next((each for field, each in pairs if field is found), None)


def _is_token(shape: Shape) -> bool:
    return shape.types == {"string"} and (
        "cursor" in shape.description.lower() or "token" in shape.description.lower()
    )


_URL_WORDS = re.compile(r"\b(urls?|uris?|links?|href)\b")


def _is_url(field: FieldShape) -> bool:
    """Whether the way to the next page is a URL."""
    shape = field.shape
    names = "_".join(map(split_words, field.path))
    if shape.format in ("uri", "url", "uri-reference") or re.search("ur[il]|link|href", names):
        return True
    texts = [each for each in shape.examples if isinstance(each, str)]
    if texts:
        return any("/" in each and ("?" in each or each.startswith(("/", "http"))) for each in texts)
    return bool(_URL_WORDS.search(shape.description.lower()))


def _rate_total(field: FieldShape) -> int:
    weight = rate_name(field.path, TOTALS)
    words = split_words(field.path[-1])
    if "page" in words or "pages" in words:
        return 0
    is_of_all = re.search(r"\b(total|all|overall|matching)\b", field.shape.description.lower())
    return weight + 3 if weight and is_of_all else weight


def _find_headers(chosen: ListCandidate) -> tuple[str, str]:
    """Return the places of a Range header and of a Link header, '' for none."""
    in_range = [
        each.place for each in chosen.request.list_parameters("header") if each.name.lower() == "range"
    ]
    links: list[str] = []
    for status, node in chosen.request.list_statuses():
        headers = {name.lower(): each for name, each in node.get("headers").list_entries()}
        if status[:1] == "2" and "link" in headers:
            links.append(headers["link"].place)
        if status[:1] == "2" and ("content-range" in headers or status == "206"):
            in_range.append(headers["content-range"].place if "content-range" in headers else node.place)
    return (in_range or [""])[0], (links or [""])[0]


# Kinds, of which the first that fits is taken


def _count_with_total(signs: _Signs, _: ItemFields) -> Guess | None:
    return _count(signs) if signs.total else None


def _count(signs: _Signs) -> Guess | None:
    if signs.page:
        base = _find_base(signs.page.shape, None)
        what = "" if base is not None else "; look up base, which is the number of the first page: 0 or 1"
        value = {
            "strategy": "page_number",
            "parameter": signs.page.name,
            "base": MISSING if base is None else base,
        }
        return Guess(value, f"guessed from {signs.page.place}{what}")
    if signs.offset:
        base = _find_base(signs.offset.shape, 0)
        value = {"strategy": "offset", "parameter": signs.offset.name, **({"base": 1} if base else {})}
        return guess_from(signs.offset.place, value)
    return None


def _find_base(shape: Shape, otherwise: int | None) -> int | None:
    """Return the number of the first page or item, 0 or 1, as the description tells it."""
    about = shape.description.lower()
    for key in ("minimum", "default"):
        found = shape.number(key)
        if found is not None and found.value in (0, 1):
            return int(found.value)
    if re.search(
        r"zero[- ]based|0[- ]based|(start|begin)(s|ing)? (at|from|with) (0|zero)|first page is 0", about
    ):
        return 0
    if re.search(
        r"one[- ]based|1[- ]based|(start|begin)(s|ing)? (at|from|with) (1|one)|first page is 1", about
    ):
        return 1
    return otherwise


def _follow_url(signs: _Signs, _: ItemFields) -> Guess | None:
    if signs.next_url is None:
        return None
    return guess_from(signs.next_url.place, {"strategy": "next_url", "next": signs.next_url.pointer})


def _follow_cursor(signs: _Signs, _: ItemFields) -> Guess | None:
    if signs.cursor is None or signs.next_cursor is None:
        return None
    value = {"strategy": "cursor", "next": signs.next_cursor.pointer, "parameter": signs.cursor.name}
    more = {"more": signs.more.pointer} if signs.more else {}
    return guess_from(signs.next_cursor.place, {**value, **more}, f"and {signs.cursor.place}")


def _follow_last(signs: _Signs, fields: ItemFields) -> Guess | None:
    """Return the kind of `starting_after`: the id of the last item requests the next page."""
    if signs.cursor is None or signs.more is None or fields.id is None:
        return None
    value = {
        "strategy": "after_last",
        "of": fields.id.pointer,
        "parameter": signs.cursor.name,
        "more": signs.more.pointer,
    }
    return guess_from(signs.cursor.place, value, f"and {signs.more.place}")


def _follow_link(signs: _Signs, _: ItemFields) -> Guess | None:
    return guess_from(signs.link_place, {"strategy": "link_header"}) if signs.link_place else None


def _request_ranges(signs: _Signs, _: ItemFields) -> Guess | None:
    if not signs.range_place:
        return None
    value = {"strategy": "range_header", "unit": MISSING, "base": MISSING}
    what = "look up what the Range header counts, as in records=0-99, and from where: 0 or 1"
    return Guess(value, f"guessed from {signs.range_place}; {what}")


def _count_without_total(signs: _Signs, _: ItemFields) -> Guess | None:
    return _count(signs)


def _find_nothing(signs: _Signs, _: ItemFields) -> Guess:
    half = signs.cursor or signs.size or signs.next_cursor
    if half is None:
        return guess_without({"strategy": "none"}, "nothing in the description is about pages")
    return Guess(
        {"strategy": MISSING}, f"look up how the next page is requested: {half.place} is about pages"
    )


_KINDS: Sequence[Callable[[_Signs, ItemFields], Guess | None]] = (
    _count_with_total,
    _follow_url,
    _follow_cursor,
    _follow_last,
    _follow_link,
    _request_ranges,
    _count_without_total,
    _find_nothing,
)


# Page sizes and totals

_LARGEST = re.compile(
    r"(?:max(?:imum)?|at most|up to|no more than|limit(?:ed)? (?:is|to)|cannot exceed)"
    r"[^0-9.]{0,40}([0-9]{1,6})\b"
)


def _guess_size(size: DescribedParameter | None, chosen: ListCandidate) -> Guess:
    if size is None:
        what = f"how many items a page has at most: no parameter of {chosen.request.place} is about it"
        return Guess({"max": MISSING}, f"look up {what}")
    found = size.shape.number("maximum")
    about = size.shape.description.lower()
    words = [int(each) for each in _LARGEST.findall(about) if int(each)]
    most = found.value if found and found.value > 0 else words[-1] if words else None
    value = {"parameter": size.name, "max": MISSING if most is None else most}
    what = "" if most is not None else "; look up the largest page size"
    return Guess(value, f"guessed from {size.place}{what}")


def _guess_total(signs: _Signs, strategy: object, *, is_filtered: bool) -> Guess:
    if strategy == "none" and not is_filtered:
        return guess_without({"strategy": "length"}, "the only page is the list")
    if strategy == "range_header":
        return guess_without({"strategy": "walk"}, "a Range header may not tell the total")
    if signs.total is None:
        return guess_without({"strategy": "walk"}, "no field of the answer looks like a total")
    if is_filtered:
        return guess_without(
            {"strategy": "walk"}, f"{signs.total.place} counts items that include_when leaves out"
        )
    return guess_from(signs.total.place, {"strategy": "pointer", "at": signs.total.pointer})


# Filters

_AROUND = re.compile(
    r"(^|_)(filter|filters|search|query|by|contains|equals|eq|exact|like|where|q|attributes)(?=_|$)"
)


def guess_filters(
    chosen: ListCandidate, fields: ItemFields, used: frozenset[str], *, has_fetch: bool
) -> tuple[Mapping[str, Guess], frozenset[str]]:
    """Return the two filters, and the names of the parameters that they use."""
    free = [each for each in chosen.request.list_settable() if each.name not in used]
    by_number = _choose_filter(free, NUMBERS)
    by_name = _choose_filter([each for each in free if each is not by_number], NAMES)
    found = {
        "phone_number": _write_number_filter(by_number, fields, has_fetch=has_fetch),
        "friendly_name": _write_filter(by_name, "names"),
    }
    return found, frozenset(each.name for each in (by_number, by_name) if each)


def _choose_filter(parameters: Sequence[DescribedParameter], names: Names) -> DescribedParameter | None:
    pairs = [
        (
            FieldShape((_AROUND.sub("", split_words(each.name)).strip("_"),), each.shape, is_required=False),
            each,
        )
        for each in parameters
        if has_type(each.shape, "string", "integer")
    ]
    found = choose((field for field, _ in pairs), lambda each: rate_name(each.path, names), 8)
    return next((each for field, each in pairs if field is found), None)


def _find_mode(parameter: DescribedParameter) -> str:
    """Return whether the filter is exact; in doubt the proxy filters again."""
    about = f"{parameter.shape.description} {split_words(parameter.name).replace('_', ' ')}".lower()
    is_exact = re.search(r"\bexact(ly)?\b", about) and not re.search(
        r"not (an )?exact|contain|partial|substring", about
    )
    return "server" if is_exact else "server_superset"


def _write_filter(parameter: DescribedParameter | None, what: str) -> Guess:
    if parameter is None:
        return guess_without({"mode": "client"}, f"no parameter looks like a filter of {what}")
    return guess_from(parameter.place, {"mode": _find_mode(parameter), "parameter": parameter.name})


def _write_number_filter(
    parameter: DescribedParameter | None, fields: ItemFields, *, has_fetch: bool
) -> Guess:
    if fields.codec == "e164" and has_fetch and fields.id:
        return guess_from(fields.id.place, {"mode": "lookup"}, "the number is the id")
    if parameter is None:
        return _write_filter(None, "numbers")
    form = find_written_form(parameter.shape, fields.number_form)
    value = {
        "mode": _find_mode(parameter),
        "parameter": parameter.name,
        "as": form or MISSING,
    }
    what = "" if form else "; look up the form of the number: e164, digits or ten_digits"
    return Guess(value, f"guessed from {parameter.place}{what}")
