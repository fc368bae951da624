"""Values between JSON and the model, by a profile's pointers and conversions. Pure.

What a profile says is compiled once into functions, which then read many documents.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proxy.errors import LegacyError, Reason, UpstreamError
from proxy.model import Account, CallerIds
from proxy.profile import language
from proxy.profile.base import KeyPath
from proxy.profile.calls import BodyType, apply_merge_patch, nest_parameters
from proxy.profile.conversions import (
    DEFAULT_NAMES,
    READ,
    READ_COLUMN,
    UNUSUAL,
    WRITE,
    UnreadableError,
    format_number,
)
from proxy.profile.ids import Codec
from proxy.profile.mismatches import describe, mismatch
from proxy.profile.numbers import read_numbers
from proxy.profile.pointers import compile_pointers, compile_pointers_of_column

# JSON → model


class _AbsentError(UnreadableError):
    """There is no value, but one is required."""


def compile_reader(
    value: language.ReadValue | None,
    key_path: KeyPath = (),
    reason: Reason | None = None,
    convert: Callable[[Any], Any] | None = None,
) -> Callable[[Any], Any]:
    """Return a function that reads one value out of a document; UpstreamError, with `reason`, if not.

    `key_path` is where the profile has `value`. `convert` takes the place of the conversion that it names.
    """
    if value is None:
        return lambda _: None
    find, converted = compile_pointers(value.at), _compile_conversion(value, convert)

    def read(document: Any) -> Any:
        try:
            return converted(find(document))
        except UnreadableError as error:
            raise _explain(error, document, value, key_path, reason) from None

    return read


def _explain(
    error: UnreadableError,
    document: Any,
    value: language.ReadValue,
    key_path: KeyPath,
    reason: Reason | None = None,
) -> UpstreamError:
    usual = Reason.ITEM_KEY if isinstance(error, _AbsentError) else Reason.ITEM_TYPE
    return mismatch(reason or usual, document, value.at, key_path, str(error))


def _compile_conversion(
    value: language.ReadValue, convert: Callable[[Any], Any] | None = None
) -> Callable[[Any], Any]:
    """Return a function that converts what is found; UnreadableError for nothing, where it is required."""
    convert = convert or READ[value.as_]
    required, default = value.is_required, value.default

    def converted(found: Any) -> Any:
        if found is not None:
            return convert(found)
        if required:
            raise _AbsentError(f"a value as {value.as_}")
        return default

    return converted


def compile_column_reader(
    value: language.ReadValue | None, key_path: KeyPath = ()
) -> Callable[[Sequence[Any]], list[Any]]:
    """Return a function that does the same for many documents at a time."""
    if value is None:
        return lambda documents: [None] * len(documents)
    find, convert = compile_pointers_of_column(value.at), _compile_conversion(value)
    convert_all = READ_COLUMN.get(value.as_)

    def read(documents: Sequence[Any]) -> list[Any]:
        found = find(documents)
        try:
            if convert_all:
                return convert_all(found)
        except UNUSUAL:
            pass
        values: list[Any] = []
        try:
            for each in found:
                values.append(convert(each))  # noqa: PERF401 - an error tells which item it is
        except UnreadableError as error:
            item = len(values)
            explained = _explain(error, documents[item], value, key_path)
            explained.add_details(item=item)
            raise explained from None
        return values

    return read


def compile_items_reader(
    fields: language.CallerIdFields, ids: Codec, include_when: Sequence[language.Condition] = ()
) -> Callable[[Sequence[Any], Account], tuple[CallerIds, Sequence[Any]]]:
    """Return a function that reads those items of a list which meet conditions, and returns them too.

    It raises an UpstreamError where one is invalid, which counts all items.
    """
    read, conditions = _compile_fields(fields, ids), [compile_condition(when) for when in include_when]
    if not conditions:
        return lambda items, account: (read(items, account), items)

    def read_included(items: Sequence[Any], account: Account) -> tuple[CallerIds, Sequence[Any]]:
        included = items
        if not all(isinstance(item, dict) for item in items):
            raise _explain_conditions(items, include_when[0])
        for holds in conditions:
            included = [item for item in included if holds(item)]
        try:
            return read(included, account), included
        except UpstreamError as error:
            invalid = included[int(error.details["item"])]
            item = next(index for index, each in enumerate(items) if each is invalid)
            error.details = {**error.details, "item": item}
            raise

    return read_included


def _explain_conditions(items: Sequence[Any], when: language.Condition) -> UpstreamError:
    """Return the error for items that are no objects, which conditions are about."""
    item = next(index for index, each in enumerate(items) if not isinstance(each, dict))
    key_path = ("operations", "list", "include_when", 0)
    error = mismatch(Reason.ITEM_TYPE, items[item], when.at, key_path, "an object")
    error.add_details(item=item)
    return error


def _compile_fields(
    fields: language.CallerIdFields, ids: Codec
) -> Callable[[Sequence[Any], Account], CallerIds]:
    upstream_ids, owners, names, numbers, created, updated = (
        compile_column_reader(getattr(fields, name), ("caller_id", name)) for name in _FIELDS
    )

    complete = READ[fields.phone_number.as_]

    def read_all_numbers(items: Sequence[Any]) -> Sequence[Any]:
        column = numbers(items)
        try:
            return read_numbers(column, complete)
        except UnreadableError as error:
            item = _find_unreadable(column, lambda number: read_numbers([number], complete))
            raise _explain_item(Reason.ITEM_TYPE, "phone_number", str(error), items, item) from None

    def read(items: Sequence[Any], account: Account) -> CallerIds:
        of_accounts = owners(items)
        if not set(of_accounts) <= {None, account.upstream_id}:
            item = next(
                index for index, each in enumerate(of_accounts) if each not in (None, account.upstream_id)
            )
            raise _explain_item(Reason.ACCOUNT, "account", "the account of the request", items, item)
        own_ids = upstream_ids(items)
        try:
            sids = ids.encode_all(own_ids, account.upstream_id)
        except UnreadableError as error:
            item = _find_unreadable(own_ids, lambda each: ids.encode(each, account.upstream_id))
            raise _explain_item(Reason.ID, "id", str(error), items, item) from None
        friendly_names, phone_numbers = names(items), read_all_numbers(items)
        if None in friendly_names:
            pairs = zip(friendly_names, phone_numbers, strict=True)
            friendly_names = [format_number(number) if name is None else name for name, number in pairs]
        dates = created(items), updated(items)
        return CallerIds(sids, [account.sid] * len(sids), friendly_names, phone_numbers, *dates)

    def _explain_item(
        reason: Reason, field: str, expected: str, items: Sequence[Any], item: int
    ) -> UpstreamError:
        at = getattr(fields, field).at
        error = mismatch(reason, items[item], at, ("caller_id", field), expected)
        error.add_details(item=item)
        return error

    return read


_FIELDS = ("id", "account", "friendly_name", "phone_number", "date_created", "date_updated")


def _find_unreadable(values: Sequence[Any], read: Callable[[Any], object]) -> int:
    """Return the index of the first of `values` that `read` cannot read."""

    def is_unreadable(value: Any) -> bool:
        try:
            read(value)
        except UnreadableError:
            return True
        return False

    return next(index for index, value in enumerate(values) if is_unreadable(value))


def compile_condition(when: language.Condition) -> Callable[[Any], bool]:
    """Return a predicate: whether an item meets a condition."""
    find = compile_pointers(when.at)
    accepted = when.one_of if when.one_of is not None else (when.equals,)

    def holds(item: Any) -> bool:
        found = find(item)
        if when.present is not None:
            return (found is not None) == when.present
        if when.empty is not None:
            return (found is None or (isinstance(found, str | list | dict) and not found)) == when.empty
        if when.contains is not None:
            return isinstance(found, list) and any(_is_same(each, when.contains) for each in found)
        return any(_is_same(found, each) for each in accepted)

    return holds


def _is_same(found: Any, value: object) -> bool:
    """Whether both are the same in JSON, where true is not 1; in Python it is."""
    return isinstance(found, bool) == isinstance(value, bool) and bool(found == value)


# Operation → upstream parameters


def write_texts(table: language.Parameters, values: Mapping[str, Any]) -> dict[str, str]:
    """Write the same as the texts of a query or a form."""
    written = write_parameters(table, values)
    for name, value in written.items():
        if isinstance(value, dict | list):
            raise _explain_parameter(Reason.ITEM_TYPE, name, table[name], values, "a plain value")
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in written.items()
    }


_NO_SEGMENTS = frozenset({"", ".", ".."})
"""What makes another path of the one around it (RFC 3986 section 5.2.4)."""


def write_placeholders(table: language.Parameters, values: Mapping[str, Any]) -> dict[str, str]:
    """Write the same as the values of a path."""
    written = write_texts(table, values)
    for name, text in written.items():
        if text in _NO_SEGMENTS:
            raise _explain_parameter(Reason.ITEM_TYPE, name, table[name], values, "a part of a path")
    return written


def _explain_parameter(
    reason: Reason, name: str, how: language.Write, values: Mapping[str, Any], expected: str
) -> UpstreamError:
    """Return the error for a parameter whose value the item does not have as it is `expected`."""
    error = UpstreamError(reason, parameter=name, expected=expected)
    if isinstance(how, language.ItemValue):
        _, pointer, found = describe(values[ITEM], (how.from_item,))
        error.add_details(pointer=pointer, found=found)
    return error


def write_parameters(table: language.Parameters, values: Mapping[str, Any]) -> dict[str, Any]:
    """Write the parameters that an operation has `values` for, and leave out the others.

    UpstreamError where the item lacks a value that is required.
    """
    written: dict[str, Any] = {}
    for name, how in table.items():
        if isinstance(how, language.Constant):
            written[name] = how.constant
            continue
        if isinstance(how, language.ItemValue):
            value = _convert_item_value(name, how, values)
        elif (value := values.get(how.from_)) is None and how.otherwise:
            value = DEFAULT_NAMES[how.otherwise](values["phone_number"])
        elif value is not None:
            try:
                value = WRITE[how.as_](value)
            except LegacyError as error:
                error.add_details(parameter=name, value=how.from_)
                raise
        if value is not None:
            written[name] = value
        elif how.default is not None:
            written[name] = how.default
    return written


def _convert_item_value(name: str, how: language.ItemValue, values: Mapping[str, Any]) -> Any:
    value = compile_pointers((how.from_item,))(values[ITEM])
    if value is None and how.is_required:
        raise _explain_parameter(Reason.ITEM_KEY, name, how, values, "a value")
    if value is None or how.as_ is None:
        return value
    try:
        return WRITE[how.as_](READ[how.as_](value))
    except UnreadableError as error:
        raise _explain_parameter(Reason.ITEM_TYPE, name, how, values, str(error)) from None


ITEM = "item"
"""The name, among the values of an operation, of the caller ID as the upstream has it."""


def write_body(
    endpoint: language.Endpoint, values: Mapping[str, Any]
) -> tuple[Mapping[str, Any], BodyType | None]:
    """Return the body of a request and its type, None without one."""
    if endpoint.form is not None:
        return write_texts(endpoint.form, values), "form"
    if endpoint.json_ is not None:
        return write_parameters(endpoint.json_, values), "json"
    if endpoint.merge is None:
        return {}, None
    changes = write_parameters(endpoint.merge, values)
    if not endpoint.sends_whole_item():
        return changes, "merge"
    return apply_merge_patch(values[ITEM], nest_parameters(changes)), "item"
