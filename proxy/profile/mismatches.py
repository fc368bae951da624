"""What an answer has where a profile reads something else: the details of an error. Pure.

Only a failure leads here. An answer that fits the profile costs nothing.
"""

from collections.abc import Sequence
from typing import Any

from proxy.errors import NOT_FOUND, LegacyError, Reason, UpstreamError
from proxy.profile.base import KeyPath
from proxy.profile.language import Endpoint, ListEndpoint, ProfileSettings, ServerFilter
from proxy.profile.pointers import follow, parse_pointer

_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number with a fraction",
    str: "text",
    list: "an array",
    dict: "an object",
}


def name_type(value: Any) -> str:
    """Return the type of a JSON value, which may be shown where the value may not."""
    return _TYPES[type(value)]


def describe(document: Any, pointers: Sequence[str]) -> tuple[int, str, str]:
    """Return the index of the pointer that leads to a value, the pointer, and the type of the value.

    Where none does, the index is 0, the text names all of them, and what is found is where the only one ends.
    """
    for index, pointer in enumerate(pointers):
        value, depth = follow(document, path := parse_pointer(pointer))
        if value is not None and depth == len(path):
            return index, pointer, name_type(value)
    found = "nothing" if len(pointers) > 1 else _describe_end(document, pointers[0])
    return 0, " or ".join(pointers), found


def _describe_end(document: Any, pointer: str) -> str:
    """Say where a pointer ends that leads to nothing."""
    value, depth = follow(document, path := parse_pointer(pointer))
    if depth == len(path):
        return name_type(value)
    above = "/".join(pointer.split("/")[: depth + 1])
    return f"nothing in {name_type(value)}{f' at {above}' if above else ''}"


def mismatch(
    reason: Reason, document: Any, pointers: Sequence[str], key_path: KeyPath, expected: str
) -> UpstreamError:
    """Return the error for a document without what is `expected` at `pointers`, which `key_path` holds."""
    index, pointer, found = describe(document, pointers)
    error = UpstreamError(reason, pointer=pointer, expected=expected, found=found)
    return error.at_key(*key_path, *(("at", index) if len(pointers) > 1 else ("at",)))


def missing(document: Any, pointers: Sequence[str], key_path: KeyPath, expected: str) -> LegacyError:
    """Return the 404 for a document that has nothing, or something else, where a caller ID is `expected`."""
    _, pointer, found = describe(document, pointers)
    return LegacyError(NOT_FOUND, pointer=pointer, expected=expected, found=found).at_key(*key_path)


def explain_paging(error: UpstreamError, endpoint: ListEndpoint, page: Any, last: Any) -> UpstreamError:
    """Add to an error of a page's total, or of its way to the next page, what is there."""
    if error.reason is Reason.TOTAL:
        return _add_found(error, page, ("operations", "list", "total"), endpoint.total, "at")
    for key, document in (("next", page), ("of", last)):
        if hasattr(endpoint.paging, key):
            return _add_found(error, document, ("operations", "list", "paging"), endpoint.paging, key)
    return error.at_key("operations", "list", "paging")


def _add_found(
    error: UpstreamError, document: Any, key_path: KeyPath, holder: object, key: str
) -> UpstreamError:
    _, pointer, found = describe(document, getattr(holder, key))
    expected = error.details.get("expected") or _EXPECTED.get(error.reason, "text")
    error.details = {"pointer": pointer, "expected": expected, "found": found, **error.details}
    return error.at_key(*key_path, key)


_EXPECTED = {Reason.TOTAL: "a whole number", Reason.ORIGIN: "a URL of the same origin"}


def explain_call(error: LegacyError, profile: ProfileSettings, endpoint: Endpoint) -> LegacyError:
    """Add to an error of a call that cannot be made the key of its parameter."""
    name = error.details.get("parameter")
    pointer = error.details.get("pointer")
    of_item = ("from_item",) if pointer is not None else ()
    own = next(
        (
            (*key_path, *of_item)
            for key_path, each, how in endpoint.parameters()
            if each == name and getattr(how, "from_item", None) == pointer
        ),
        (),
    )
    return error.at_key("operations", profile.operations.name_of(endpoint), *own)


def explain_filter(error: LegacyError, endpoint: ListEndpoint, by: ServerFilter) -> LegacyError:
    """Add to an error of a filter that cannot be written the key of the filter."""
    name = next(name for name, each in endpoint.filters.on_server().items() if each is by)
    error.add_details(parameter=by.parameter, value=name)
    return error.at_key("operations", "list", "filters", name)
