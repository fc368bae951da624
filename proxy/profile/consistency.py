"""Rules about parts of a profile against each other: what cannot be right, and what most likely is not."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl

from proxy.profile.auth import set_names
from proxy.profile.base import KeyPath, Rule, Violation
from proxy.profile.items import name_form
from proxy.profile.language import (
    CallerIdFields,
    Condition,
    Constant,
    Endpoint,
    ItemEndpoint,
    ListEndpoint,
    ProfileSettings,
    ReadValue,
    ValidateEndpoint,
)
from proxy.profile.paging import PAGING_KINDS
from proxy.profile.pointer_rules import POINTER_WARNINGS
from proxy.profile.pointers import is_index, parse_pointer
from proxy.profile.request_rules import REQUEST_WARNINGS

_READS = ("list", "fetch")
_WITHOUT_CONTENT = frozenset({204, 205})


def _list_endpoints(profile: ProfileSettings) -> Iterator[tuple[KeyPath, str, Endpoint]]:
    for operation, endpoint in profile.operations.endpoints().items():
        yield ("operations", operation), operation, endpoint


# Requests


def _check_methods(profile: ProfileSettings) -> Iterator[Violation]:
    for here, operation, endpoint in _list_endpoints(profile):
        if operation in _READS and endpoint.method not in ("GET", "POST"):
            yield (*here, "method"), f"{operation} changes nothing: expected GET or POST"


def _check_same_requests(profile: ProfileSettings) -> Iterator[Violation]:
    seen: dict[str, str] = {}
    for here, operation, endpoint in _list_endpoints(profile):
        parts = {"method", "path", "placeholders", "headers", "query", "form", "json_", "merge"}
        other = seen.setdefault(endpoint.model_dump_json(include=parts), operation)
        if other != operation:
            yield here, f"{operation} sends the same request as {other}: the upstream cannot tell them apart"


def _check_header_names(profile: ProfileSettings) -> Iterator[Violation]:
    """Find headers whose names differ in case only: both would be sent."""
    own = [(here, endpoint.headers) for here, _, endpoint in _list_endpoints(profile)]
    for here, headers in [*own, ((), profile.headers)]:
        sent = [*headers, *profile.headers]
        for name in headers:
            if any(each != name and each.lower() == name.lower() for each in sent):
                yield (*here, "headers", name), f"the header {name} has another spelling elsewhere"


def _check_query_of_paths(profile: ProfileSettings) -> Iterator[Violation]:
    """Find parameters that the path holds already."""
    for here, _, endpoint in _list_endpoints(profile):
        own = {name for name, _ in parse_qsl(endpoint.path.partition("?")[2], keep_blank_values=True)}
        added = endpoint.added_parameters() if isinstance(endpoint, ListEndpoint) else ()
        is_in_query = not endpoint.has_body()
        names = {*endpoint.query, *set_names(profile.auth, "query")}
        names |= {name for _, name in added if is_in_query}
        names |= {*set_names(profile.auth, "body")} if is_in_query else set()
        for name in sorted(own & names):
            yield (*here, "path"), f"the parameter {name!r} is sent twice: leave it out of the path"


def _check_body_types(profile: ProfileSettings) -> Iterator[Violation]:
    for here, _, endpoint in _list_endpoints(profile):
        kind = {**profile.headers, **endpoint.headers}.get("Content-Type", "").lower()
        if endpoint.form is not None and "json" in kind:
            yield (*here, "form"), "the Content-Type says JSON, but the body is a form"
        if (endpoint.json_ is not None or endpoint.merge is not None) and "form" in kind:
            yield (*here, "json"), "the Content-Type says that the body is a form, but it is JSON"


def _check_calls(profile: ProfileSettings) -> Iterator[Violation]:
    operations, here = profile.operations, ("operations", "call")
    if operations.call is None:
        return
    if operations.call.retries:
        yield (*here, "retries"), "call is never retried: it is not idempotent"
    if profile.validation == "code_shown" or not isinstance(operations.validate_, ValidateEndpoint):
        yield here, "call is never sent: only with code_on_phone it follows validate"


# Answers


def _check_content(profile: ProfileSettings) -> Iterator[Violation]:
    for here, operation, endpoint in _list_endpoints(profile):
        is_read = operation in _READS or getattr(endpoint, "code", None) is not None
        if is_read and endpoint.success and _WITHOUT_CONTENT.issuperset(endpoint.success):
            yield (*here, "success"), f"an answer to {operation} is read, but these statuses have no content"


def _check_item(profile: ProfileSettings) -> Iterator[Violation]:
    fetch = profile.operations.fetch
    if isinstance(fetch, ItemEndpoint) and fetch.item is None:
        yield ("operations", "fetch", "item"), "an answer to fetch holds the caller ID: point at it"


def _list_places(profile: ProfileSettings) -> Iterator[tuple[KeyPath, Sequence[str]]]:
    """Yield where a page of the list has plain values beside its items."""
    endpoint, here = profile.operations.list, ("operations", "list")
    reads_total = PAGING_KINDS[endpoint.paging.strategy].read_total is None  # else it is in a header
    for part, keys in (("paging", ("next", "more", "count")), ("total", ("at",) if reads_total else ())):
        for key in keys:
            if pointers := getattr(getattr(endpoint, part), key, None):
                yield (*here, part, key), pointers


def _check_places(profile: ProfileSettings) -> Iterator[Violation]:
    endpoint = profile.operations.list
    items, items_form = parse_pointer(endpoint.items), endpoint.items_are
    for here, pointers in _list_places(profile):
        for path in map(parse_pointer, pointers):
            if path == items[: len(path)]:
                yield here, "this is where the items are, or what holds them: expected a plain value"
            elif path[: len(items)] == items and not (items_form == "array" and is_index(path[len(items)])):
                yield here, f"this is inside the items, which are {name_form(items_form)}"


def _check_same_conditions(profile: ProfileSettings) -> Iterator[Violation]:
    seen: dict[Sequence[str], Condition] = {}
    for index, when in enumerate(profile.operations.list.include_when):
        other = seen.setdefault(when.at, when)
        values, others = _list_accepted(when), _list_accepted(other)
        differ = values and others and not set(values) & set(others)
        # What is an array is no plain value
        differ_in_type = (values and other.contains is not None) or (others and when.contains is not None)
        if differ or differ_in_type or (when.present, other.present) in ((True, False), (False, True)):
            yield (
                ("operations", "list", "include_when", index),
                "no item meets this condition and one above it",
            )


def _list_accepted(when: Condition) -> Sequence[str]:
    values = (when.equals,) if when.equals is not None else when.one_of or ()
    return [repr(value) for value in values]  # in JSON true is not 1


def _list_fields(fields: CallerIdFields) -> Iterator[tuple[str, ReadValue]]:
    yield from ((name, value) for name, value in fields if isinstance(value, ReadValue))


def _check_fields(profile: ProfileSettings) -> Iterator[Violation]:
    """Find values that need an item to be an object and a plain value, or that lie inside another one."""
    only = {
        name: parse_pointer(value.at[0])
        for name, value in _list_fields(profile.caller_id)
        if len(value.at) == 1
    }
    for name, path in only.items():
        inner = [other for other, each in only.items() if each != path and each[: len(path)] == path]
        if inner:
            yield ("caller_id", name), f"{name} is a plain value, but {inner[0]} is inside it"
        elif not path and profile.operations.list.include_when:
            yield ("caller_id", name), f"{name} is the whole item, but include_when is about parts of it"


CONSISTENCY_RULES: Sequence[Rule] = (
    _check_methods,
    _check_same_requests,
    _check_header_names,
    _check_query_of_paths,
    _check_body_types,
    _check_calls,
    _check_content,
    _check_item,
    _check_places,
    _check_same_conditions,
    _check_fields,
)


# Warnings


def _check_empty_parts(profile: ProfileSettings) -> Iterator[Violation]:
    for here, _, endpoint in _list_endpoints(profile):
        if "//" in endpoint.path.partition("?")[0]:
            yield (*here, "path"), "the path has an empty part between two slashes: is a value missing?"


def _check_repeated_base(profile: ProfileSettings) -> Iterator[Violation]:
    *_, last = profile.base_url.partition("://")[2].split("/")[1:] or [""]
    for here, _, endpoint in _list_endpoints(profile):
        if last and endpoint.path.split("/")[1:2] == [last]:
            yield (*here, "path"), f"the base URL ends with /{last}, with which the path begins again"


def _check_pending(profile: ProfileSettings) -> Iterator[Violation]:
    operations = profile.operations
    users = [endpoint for endpoint in (operations.call, operations.verify) if endpoint is not None]
    uses_id = any("{id}" in each.path.replace("+", "") or "id" in each.written_values() for each in users)
    if users and not uses_id and getattr(operations.validate_, "pending", None) is not None:
        yield (
            ("operations", "validate", "pending"),
            "pending is read, but verify and call never send it as id",
        )


def _check_literal_braces(profile: ProfileSettings) -> Iterator[Violation]:
    """Find placeholders where none is replaced."""
    texts: list[tuple[KeyPath, object]] = [
        (("headers", name), text) for name, text in profile.headers.items()
    ]
    for here, _, endpoint in _list_endpoints(profile):
        texts += [((*here, "headers", name), text) for name, text in endpoint.headers.items()]
        parameters = endpoint.parameters()
        texts += [((*here, *key), how.constant) for key, _, how in parameters if isinstance(how, Constant)]
    for here, text in texts:
        if isinstance(text, str) and (found := re.search(r"\{\w+\}", text)):
            yield here, f"{found[0]} is sent as it is: only URLs have placeholders"


def _check_starts(profile: ProfileSettings) -> Iterator[Violation]:
    """Find pointers that seem to begin at the answer instead of the item."""
    endpoints = profile.operations.endpoints().values()
    above = {each.item or "" for each in endpoints if isinstance(each, ItemEndpoint)}
    above.add(profile.operations.list.items)
    for name, value in _list_fields(profile.caller_id):
        for start in sorted(above - {""}):
            if any(pointer.startswith(f"{start}/") for pointer in value.at):
                yield (
                    ("caller_id", name),
                    f"this begins with {start}, where the item is: it begins at the item",
                )


def _check_lookup_ids(profile: ProfileSettings) -> Iterator[Violation]:
    fields, mode = profile.caller_id, profile.operations.list.filters.phone_number.mode
    if mode == "lookup" and fields.id.at != fields.phone_number.at:
        yield (
            ("caller_id", "id"),
            "a lookup takes the number for the id, but they are read at different places",
        )


def _check_error_texts(profile: ProfileSettings) -> Iterator[Violation]:
    if profile.errors.code is not None and profile.errors.code == profile.errors.message:
        yield ("errors", "message"), "code and message are read at the same place"


WARNING_RULES: Sequence[Rule] = (
    _check_empty_parts,
    _check_repeated_base,
    _check_pending,
    _check_literal_braces,
    _check_starts,
    _check_lookup_ids,
    _check_error_texts,
    *POINTER_WARNINGS,
    *REQUEST_WARNINGS,
)
