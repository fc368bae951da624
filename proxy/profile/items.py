"""The items of a list: an array, or an object that has them as its values. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

ItemsForm = Literal["array", "values", "entries"]
"""`values`: the values of an object. `entries`: its entries, each an item with its name at `/key`
and its content at `/value`."""


def _list_entries(items: Any) -> Any:
    if isinstance(items, list):
        items = {str(index): item for index, item in enumerate(items)}
    if not isinstance(items, dict):
        return items
    return [{"key": key, "value": value} for key, value in items.items()]


_FORMS: Final[Mapping[ItemsForm, Callable[[Any], Any]]] = {
    "array": lambda items: items,
    "values": lambda items: list(items.values()) if isinstance(items, dict) else items,
    "entries": _list_entries,
}
"""What has another form is returned as it is. PHP writes an array in the place of an object where there are
no items, or where their names are numbers without a gap."""


def compile_items(form: ItemsForm) -> Callable[[Any], Any]:
    """Return a function that makes an array of the items of a page."""
    return _FORMS[form]


def name_form(form: ItemsForm) -> str:
    """Return the JSON that holds items of this form, as errors name it."""
    return "an array" if form == "array" else "an object"
