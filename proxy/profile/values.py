"""Values between JSON and the model, by a profile's pointers and conversions. Pure.

What a profile says is compiled once into functions, which then read many documents.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proxy.errors import Reason, UpstreamError
from proxy.model import Account, CallerIds
from proxy.profile import language
from proxy.profile.conversions import READ, READ_COLUMN, UNUSUAL, WRITE, UnreadableError, format_number
from proxy.profile.ids import Codec
from proxy.profile.pointers import compile_pointers, compile_pointers_of_column

# JSON → model


def compile_reader(value: language.ReadValue | None, reason: Reason | None = None) -> Callable[[Any], Any]:
    """Return a function that reads one value out of a document; UpstreamError, with `reason`, if not."""
    if value is None:
        return lambda _: None
    find, convert = compile_pointers(value.at), _compile_conversion(value, reason)
    return lambda document: convert(find(document))


def _compile_conversion(value: language.ReadValue, reason: Reason | None = None) -> Callable[[Any], Any]:
    convert, required, default, pointer = READ[value.as_], value.is_required, value.default, value.at[0]

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

    def read(items: Sequence[Any], account: Account) -> CallerIds:
        if not set(owners(items)) <= {None, account.upstream_id}:
            raise UpstreamError(Reason.ACCOUNT)
        try:
            sids = ids.encode_all(upstream_ids(items), account.upstream_id)
        except UnreadableError as error:
            raise UpstreamError(Reason.ID, pointer=id_pointer, expected=str(error)) from None
        friendly_names, phone_numbers = names(items), numbers(items)
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
        # In JSON true is not 1; in Python it is
        alike = [each for each in accepted if isinstance(each, bool) == isinstance(found, bool)]
        return found in alike

    return holds


# Operation → upstream parameters


def write_texts(table: language.Parameters, values: Mapping[str, Any]) -> dict[str, str]:
    """Write the same as the texts of a query or a form."""
    written = write_parameters(table, values).items()
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in written}


def write_parameters(table: language.Parameters, values: Mapping[str, Any]) -> dict[str, Any]:
    """Write the parameters that an operation has `values` for, and leave out the others."""
    written: dict[str, Any] = {}
    for name, how in table.items():
        if isinstance(how, language.Constant):
            written[name] = how.constant
        elif (value := values.get(how.from_)) is not None:
            written[name] = WRITE[how.as_](value)
        elif how.default is not None:
            written[name] = how.default
    return written
