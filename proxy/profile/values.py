"""Values between JSON and the model, by a profile's pointers and conversions. Pure.

What a profile says is compiled once into functions, which then read many documents.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proxy.errors import Reason, UpstreamError
from proxy.model import Account, CallerIds
from proxy.profile import language
from proxy.profile.calls import BodyType, apply_merge_patch, nest_parameters
from proxy.profile.conversions import READ, READ_COLUMN, UNUSUAL, WRITE, UnreadableError, format_number
from proxy.profile.ids import Codec
from proxy.profile.numbers import read_numbers
from proxy.profile.pointers import compile_pointers, compile_pointers_of_column

# JSON → model


def compile_reader(
    value: language.ReadValue | None,
    reason: Reason | None = None,
    convert: Callable[[Any], Any] | None = None,
) -> Callable[[Any], Any]:
    """Return a function that reads one value out of a document; UpstreamError, with `reason`, if not.

    `convert` takes the place of the conversion that the value names.
    """
    if value is None:
        return lambda _: None
    find, read = compile_pointers(value.at), _compile_conversion(value, reason, convert)
    return lambda document: read(find(document))


def _compile_conversion(
    value: language.ReadValue,
    reason: Reason | None = None,
    convert: Callable[[Any], Any] | None = None,
) -> Callable[[Any], Any]:
    convert = convert or READ[value.as_]
    required, default, pointer = value.is_required, value.default, value.at[0]

    def converted(found: Any) -> Any:
        if found is not None:
            try:
                return convert(found)
            except UnreadableError as error:
                why = reason or Reason.ITEM_TYPE
                raise UpstreamError(why, pointer=pointer, expected=str(error)) from None
        if required:
            raise UpstreamError(reason or Reason.ITEM_KEY, pointer=pointer)
        return default

    return converted


def compile_column_reader(value: language.ReadValue | None) -> Callable[[Sequence[Any]], list[Any]]:
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
        except UpstreamError as error:
            error.add_details(item=len(values))
            raise
        return values

    return read


def compile_items_reader(
    fields: language.CallerIdFields, ids: Codec
) -> Callable[[Sequence[Any], Account], CallerIds]:
    """Return a function that reads the items of a list; UpstreamError where one is invalid."""
    upstream_ids, owners = compile_column_reader(fields.id), compile_column_reader(fields.account)
    id_pointer = fields.id.at[0]
    names, numbers = compile_column_reader(fields.friendly_name), compile_column_reader(fields.phone_number)
    created, updated = compile_column_reader(fields.date_created), compile_column_reader(fields.date_updated)

    def read_all_numbers(column: Sequence[Any]) -> Sequence[Any]:
        try:
            return read_numbers(column, READ[fields.phone_number.as_])
        except UnreadableError as error:
            pointer = fields.phone_number.at[0]
            raise UpstreamError(Reason.ITEM_TYPE, pointer=pointer, expected=str(error)) from None

    def read(items: Sequence[Any], account: Account) -> CallerIds:
        if not set(owners(items)) <= {None, account.upstream_id}:
            raise UpstreamError(Reason.ACCOUNT)
        try:
            sids = ids.encode_all(upstream_ids(items), account.upstream_id)
        except UnreadableError as error:
            raise UpstreamError(Reason.ID, pointer=id_pointer, expected=str(error)) from None
        friendly_names, phone_numbers = names(items), read_all_numbers(numbers(items))
        if None in friendly_names:
            pairs = zip(friendly_names, phone_numbers, strict=True)
            friendly_names = [format_number(number) if name is None else name for name, number in pairs]
        dates = created(items), updated(items)
        return CallerIds(sids, [account.sid] * len(sids), friendly_names, phone_numbers, *dates)

    return read


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
        # In JSON true is not 1; in Python it is
        alike = [each for each in accepted if isinstance(each, bool) == isinstance(found, bool)]
        return found in alike

    return holds


# Operation → upstream parameters


def write_texts(table: language.Parameters, values: Mapping[str, Any]) -> dict[str, str]:
    """Write the same as the texts of a query or a form."""
    written = write_parameters(table, values)
    if any(isinstance(value, dict | list) for value in written.values()):
        raise UpstreamError(Reason.REQUEST, expected="a plain value in a query or a form")
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in written.items()
    }


def write_parameters(table: language.Parameters, values: Mapping[str, Any]) -> dict[str, Any]:
    """Write the parameters that an operation has `values` for, and leave out the others."""
    written: dict[str, Any] = {}
    for name, how in table.items():
        if isinstance(how, language.Constant):
            written[name] = how.constant
            continue
        if isinstance(how, language.ItemValue):
            value = compile_pointers((how.from_item,))(values[ITEM])
        elif (value := values.get(how.from_)) is not None:
            value = WRITE[how.as_](value)
        if value is not None:
            written[name] = value
        elif how.default is not None:
            written[name] = how.default
    return written


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
