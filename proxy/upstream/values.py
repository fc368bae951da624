"""Values between JSON and the model, as a profile's pointers and conversions say."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from proxy.errors import BAD_UPSTREAM, LegacyError
from proxy.model import Account, CallerId
from proxy.upstream import language
from proxy.upstream.conversions import DEFAULT_NAMES, READ, WRITE, UnreadableError, formatted_number
from proxy.upstream.ids import Codec
from proxy.upstream.pointers import follow

# JSON → model


def reader(value: language.ReadValue | None) -> Callable[[Any], Any]:
    """Return a function that reads one value out of a document; UnreadableError where it is not there."""
    if value is None:
        return lambda _: None
    find, convert, required, default = follow(value.at), READ[value.as_], value.required, value.default

    def read(document: Any) -> Any:
        if (found := find(document)) is not None:
            return convert(found)
        if required:
            raise UnreadableError("a required value is missing")
        return default

    return read


def item_reader(fields: language.CallerIdFields, ids: Codec) -> Callable[[Any, Account], CallerId]:
    """Return a function that reads one item of a list; LegacyError 502 for one that makes no sense."""
    upstream_id, owner = reader(fields.id), reader(fields.account)
    name, number = reader(fields.friendly_name), reader(fields.phone_number)
    created, updated = reader(fields.date_created), reader(fields.date_updated)
    default_name = DEFAULT_NAMES[fields.friendly_name.otherwise] if fields.friendly_name else formatted_number

    def read(item: Any, account: Account) -> CallerId:
        try:
            if owner(item) not in (None, account.upstream_id):
                raise LegacyError(BAD_UPSTREAM)
            phone_number, friendly_name = number(item), name(item)
            return CallerId(
                ids.sid(upstream_id(item), account.upstream_id),
                account.sid,
                default_name(phone_number) if friendly_name is None else friendly_name,
                phone_number,
                created(item),
                updated(item),
            )
        except UnreadableError:
            raise LegacyError(BAD_UPSTREAM) from None

    return read


def condition(when: language.Condition) -> Callable[[Any], bool]:
    """Return a function that tells whether an item meets a condition."""
    find = follow(when.at)
    wanted = when.one_of if when.one_of is not None else (when.equals,)

    def holds(item: Any) -> bool:
        found = find(item)
        if when.present is not None:
            return (found is not None) == when.present
        # In JSON true is not 1, though in Python it is
        return any(found == value and isinstance(found, bool) == isinstance(value, bool) for value in wanted)

    return holds


# Operation → upstream parameters


def parameters(table: language.Parameters, values: Mapping[str, Any]) -> dict[str, Any]:
    """Write the parameters that an operation has `values` for; the others are left out."""
    return dict(_written(table, values))


def as_text(values: Mapping[str, Any]) -> dict[str, str]:
    """Write values for a query or a form, where all is text."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()
    }


def _written(table: language.Parameters, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, how in table.items():
        if isinstance(how, language.Constant):
            yield name, how.constant
        elif (value := values.get(how.from_)) is not None:
            yield name, WRITE[how.as_](value)
        elif how.default is not None:
            yield name, how.default
