"""Rules about JSON Pointers: places that contradict each other, and pointers that lead nowhere."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple, get_args

from proxy.profile.base import Frozen, KeyPath, Pointer, Rule, Violation
from proxy.profile.language import (
    Condition,
    ItemEndpoint,
    ListEndpoint,
    ProfileSettings,
    ReadValue,
    ValidateEndpoint,
)
from proxy.profile.paging import PAGING_KINDS
from proxy.profile.pointers import is_index, is_inside, parse_pointer


class ReadPlace(NamedTuple):
    """Where a profile reads something in an answer."""

    key_path: KeyPath
    name: str
    pointers: Sequence[str]
    is_plain: bool = True
    """Whether an array or an object cannot be what is read there."""


# The places of each kind of answer


def _list_places_of_page(endpoint: ListEndpoint) -> Iterator[ReadPlace]:
    here = ("operations", "list")
    reads_total = PAGING_KINDS[endpoint.paging.strategy].read_total is None  # else it is in a header
    for part, key in (("total", "at"), ("paging", "next"), ("paging", "more"), ("paging", "count")):
        pointers = getattr(getattr(endpoint, part), key, None)
        if pointers and (part == "paging" or reads_total):
            yield ReadPlace((*here, part, key), "total" if key == "at" else key, pointers)


def _list_places_of_item(profile: ProfileSettings) -> Iterator[ReadPlace]:
    for name, value in profile.caller_id:
        if isinstance(value, ReadValue):
            yield ReadPlace(("caller_id", name), name, value.at)


def _list_added_places(endpoint: ListEndpoint) -> Iterator[ReadPlace]:
    """Yield where an item has what is no field of a caller ID."""
    here = ("operations", "list")
    if pointers := getattr(endpoint.paging, "of", None):
        yield ReadPlace((*here, "paging", "of"), "paging.of", pointers)
    for index, when in enumerate(endpoint.include_when):
        yield ReadPlace((*here, "include_when", index), "the condition", when.at, when.compares())


def _list_places_of_validation(endpoint: ValidateEndpoint) -> Iterator[ReadPlace]:
    for name in ("code", "friendly_name", "pending"):
        if (value := getattr(endpoint, name)) is not None:
            yield ReadPlace(("operations", "validate", name), name, value.at)


def _list_places_of_errors(profile: ProfileSettings) -> Iterator[ReadPlace]:
    errors = profile.errors
    for name in ("code", "message"):
        if pointers := getattr(errors, name):
            yield ReadPlace(("errors", name), name, pointers)
    for name in ("when", "unless"):
        when: Condition | None = getattr(errors, name)
        if when is not None:
            yield ReadPlace(("errors", name), f"the condition {name}", when.at, when.compares())


# Places that contradict each other


def _check_inner_places(profile: ProfileSettings) -> Iterator[Violation]:
    """Find plain values that have something else inside."""
    endpoint, validate = profile.operations.list, profile.operations.validate_
    fields, added = [*_list_places_of_item(profile)], [*_list_added_places(endpoint)]
    pairs = [(one, other) for one in added for other in (*fields, *added)]
    for places in (
        [*_list_places_of_page(endpoint)],
        [*_list_places_of_validation(validate)] if isinstance(validate, ValidateEndpoint) else [],
        [*_list_places_of_errors(profile)],
    ):
        pairs += combinations(places, 2)
    seen: set[KeyPath] = set()
    for one, other in pairs:
        for outer, inner in ((one, other), (other, one)):
            if len(outer.pointers) == len(inner.pointers) == 1 and outer.is_plain:
                (above,), (below,) = outer.pointers, inner.pointers
                if above != below and is_inside(below, above) and outer.key_path not in seen:
                    seen.add(outer.key_path)
                    found = f"{inner.name} ({below}) is inside it"
                    yield (
                        outer.key_path,
                        f"{outer.name} ({above or 'the whole'}) is a plain value, but {found}",
                    )


def _check_equal_places(profile: ProfileSettings) -> Iterator[Violation]:
    """Find values of different kinds that are read at the same place."""
    page = [*_list_places_of_page(profile.operations.list)]
    pairs = [pair for pair in combinations(page, 2) if {each.name for each in pair} != {"total", "count"}]
    fields = {each.name: each for each in _list_places_of_item(profile)}
    differ: list[tuple[str, Sequence[str]]] = [("account", ("id", "phone_number", "friendly_name"))]
    differ += [(date, ("id", "account", "phone_number", "friendly_name")) for date in _DATES]
    pairs += [
        (fields[name], fields[other])
        for name, others in differ
        for other in others
        if name in fields and other in fields
    ]
    for one, other in pairs:
        if tuple(one.pointers) == tuple(other.pointers):
            yield one.key_path, f"{one.name} and {other.name} cannot both be at {' or '.join(one.pointers)}"


_DATES = ("date_created", "date_updated")


# Errors that every answer would be


def _list_required(profile: ProfileSettings) -> Iterator[tuple[str, str, str]]:
    """Yield what an answer that is no error always holds: the operation, its pointer and what it is."""
    operations = profile.operations
    yield "list", operations.list.items, "its items are there"
    for place in _list_places_of_page(operations.list):
        if place.name == "total" and len(place.pointers) == 1:
            yield "list", place.pointers[0], "its total is there"
    fields = [
        (name, value.at[0])
        for name, value in profile.caller_id
        if isinstance(value, ReadValue) and value.is_required and len(value.at) == 1
    ]
    endpoint = operations.fetch
    if isinstance(endpoint, ItemEndpoint) and endpoint.item is not None:
        yield "fetch", endpoint.item, "the item is there"
        yield from (("fetch", f"{endpoint.item}{at}", f"the item's {name} is there") for name, at in fields)
    validate = operations.validate_
    code = validate.code if isinstance(validate, ValidateEndpoint) else None
    if code is not None and len(code.at) == 1 and profile.validation == "code_shown":
        yield "validate", code.at[0], "the code is there"


def _list_signs(profile: ProfileSettings) -> Iterator[tuple[str, str]]:
    """Yield the pointers that mark an error by leading to anything, with the key of each."""
    errors = profile.errors
    yield from (("present", pointer) for pointer in errors.present or ())
    if errors.when is not None and errors.when.present is True:
        yield from (("when", pointer) for pointer in errors.when.at)
    if errors.unless is not None and errors.unless.present is False:
        yield from (("unless", pointer) for pointer in errors.unless.at)


def _check_signs(profile: ProfileSettings) -> Iterator[Violation]:
    for key, pointer in _list_signs(profile):
        seen: set[str] = set()
        for operation, held, why in _list_required(profile):
            if pointer and operation not in seen and is_inside(held, pointer):
                seen.add(operation)
                what = "list" if operation == "list" else f"answer to {operation}"
                yield ("errors", key), f"every {what} would be an error: {why}"


def _check_opposites(profile: ProfileSettings) -> Iterator[Violation]:
    """Find conditions for success that make an answer an error."""
    errors, endpoint = profile.errors, profile.operations.list
    unless = errors.unless
    if unless is None:
        return
    here = ("errors", "unless")
    if unless == errors.when:
        yield here, "every answer would be an error: when is the same condition"
    if unless.accepts_absence():
        return
    if errors.present and set(unless.at) <= set(errors.present):
        yield here, "every answer would be an error: present is the same place"
    starts = [parse_pointer(pointer)[:1] for pointer in unless.at]
    is_array = endpoint.items == "" and endpoint.items_are == "array"
    if is_array and all(start and not is_index(start[0]) for start in starts):
        yield here, "every list would be an error: it is an array, in which this leads to nothing"


def _check_possible(profile: ProfileSettings) -> Iterator[Violation]:
    """Find conditions that nothing meets."""
    conditions: dict[KeyPath, Condition | None] = {
        ("operations", "list", "include_when", index): when
        for index, when in enumerate(profile.operations.list.include_when)
    }
    conditions |= {("errors", "when"): profile.errors.when, ("errors", "unless"): profile.errors.unless}
    conditions |= {
        ("operations", "list", "empty", index, "when"): row.when
        for index, row in enumerate(profile.operations.list.empty)
    }
    for key_path, when in conditions.items():
        if when is not None and when.one_of == ():
            yield key_path, "nothing meets this condition: one_of is empty"


def _check_absent(profile: ProfileSettings) -> Iterator[Violation]:
    """Find conditions that an item has nothing at a place where it has to have something."""
    endpoint = profile.operations.list
    needed = {when.at for when in endpoint.include_when if when.needs_value()}
    required = {
        value.at: name
        for name, value in profile.caller_id
        if isinstance(value, ReadValue) and value.is_required
    }
    for index, when in enumerate(endpoint.include_when):
        here = ("operations", "list", "include_when", index)
        if when.present is False and when.at in needed:
            yield here, "no item meets this condition and another one with a value at the same place"
        if when.present is False and when.at in required:
            yield here, f"an item that meets this condition has no {required[when.at]}, which is required"


# Pointers as they are written


def list_pointers(holder: Frozen, key_path: KeyPath = ()) -> Iterator[tuple[KeyPath, Sequence[str]]]:
    """Yield every JSON Pointer of settings, with its key path."""
    for name, field in type(holder).model_fields.items():
        value, here = getattr(holder, name), (*key_path, field.alias or name)
        if isinstance(value, Frozen):
            yield from list_pointers(value, here)
        elif value and (_IS_POINTER in field.metadata or _holds_pointers(field.annotation)):
            yield here, (value,) if isinstance(value, str) else value
        elif isinstance(value, Mapping | tuple):
            each_one = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, each in each_one:
                if isinstance(each, Frozen):
                    yield from list_pointers(each, (*here, key))


_IS_POINTER = get_args(Pointer)[1]


def _holds_pointers(annotation: Any) -> bool:
    return annotation == Pointer or any(map(_holds_pointers, get_args(annotation)))


_SUSPICIOUS: Mapping[str, str] = {
    r".*\[[0-9]+\].*": "an index is a part of its own, as in /data/0",
    r"(.*/)?\*(/.*)?": "there are no wildcards",
    r".*/": "the last slash means a key without a name",
    r"(.*/)?-": "- is the place behind the last item, where nothing is",
    r"\s.*|.*\s": "it begins or ends with a space",
    r".*%[0-9A-Fa-f]{2}.*": "percent-encoding is for URLs only",
}
"""Pointers that are valid and lead to nothing, but for very odd keys."""


def _warn_of_texts(profile: ProfileSettings) -> Iterator[Violation]:
    for key_path, pointers in list_pointers(profile):
        for pointer in pointers:
            for pattern, why in _SUSPICIOUS.items():
                if re.fullmatch(pattern, pointer):
                    yield key_path, f"the pointer {pointer} most likely leads to nothing: {why}"


def _warn_of_unused(profile: ProfileSettings) -> Iterator[Violation]:
    """Find alternatives that are never tried: where the first leads to nothing, so do they."""
    for key_path, pointers in list_pointers(profile):
        for first, other in combinations(pointers, 2):
            if is_inside(other, first):
                yield key_path, f"the pointer {other} is never tried: {first or 'the whole'} comes first"
    endpoint = profile.operations.list
    is_pointer = hasattr(endpoint.total, "at")
    if is_pointer and PAGING_KINDS[endpoint.paging.strategy].read_total:
        yield ("operations", "list", "total"), "this is unused: the total comes from a header of each page"
    if is_pointer and getattr(endpoint.paging, "count", None):
        yield ("operations", "list", "paging"), "count is unused: total says how many items there are"


def _warn_of_starts(profile: ProfileSettings) -> Iterator[Violation]:
    """Find pointers into an item that seem to begin at the answer; fields have a rule of their own."""
    items = profile.operations.list.items
    for place in _list_added_places(profile.operations.list):
        if items and any(pointer.startswith(f"{items}/") for pointer in place.pointers):
            yield place.key_path, f"this begins with {items}, where the items are: it begins at the item"


POINTER_RULES: Sequence[Rule] = (
    _check_inner_places,
    _check_equal_places,
    _check_signs,
    _check_opposites,
    _check_possible,
    _check_absent,
)
POINTER_WARNINGS: Sequence[Rule] = (_warn_of_texts, _warn_of_unused, _warn_of_starts)
