"""The item of a list → the fields of a caller ID, the codec of its ids and what is in the list. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.drafts.candidates import ListCandidate
from proxy.drafts.description import DescribedParameter
from proxy.drafts.shapes import FieldShape, Shape
from proxy.drafts.words import (
    ACCOUNTS,
    CREATED,
    FLAGS,
    GOOD_STATES,
    IDS,
    NAMES,
    UPDATED,
    VERIFIED_AT,
    WRITABLE,
    Names,
    choose,
    find_date_form,
    find_id_form,
    find_number_form,
    find_written_form,
    has_type,
    is_foreign_id,
    rate_name,
    split_words,
)
from proxy.drafts.writing import MISSING, Guess, Tree, guess_from, guess_without, leave_out

_MAX_NAMED = 8


@dataclass(frozen=True, slots=True)
class ItemFields:
    """What of an item is which field of a caller ID."""

    id: FieldShape | None
    number: FieldShape | None
    number_form: str | None
    """The conversion that reads the number."""
    known: Mapping[str, str]
    """All fields by their names in one spelling, with their pointers."""
    codec: str | None
    tree: Tree
    """The profile's `caller_id`."""
    ids: Guess


def guess_fields(
    chosen: ListCandidate, parameter: DescribedParameter | None, *, has_account: bool
) -> ItemFields:
    """Return the fields; `parameter` is the placeholder of one item in a path, where there is one."""
    fields = [each for each in chosen.fields if "object" not in each.shape.types]
    number = chosen.number
    number_form = find_number_form(number.shape) if number else None
    own_id = _choose_id(fields, number, parameter)
    claimed = {each.path for each in (own_id, number) if each}
    name = choose(
        (each for each in fields if each.path not in claimed and not each.shape.choices),
        lambda each: rate_name(each.path, NAMES) if has_type(each.shape, "string") else 0,
    )
    if number and number_form is None and parameter and own_id and own_id.path == number.path:
        number_form = find_number_form(parameter.shape)
    codec = _find_codec(own_id, number, number_form, parameter)
    tree: dict[str, Guess | Tree] = {"id": _write_id(own_id, codec[0] if codec else None, number_form)}
    if has_account and (account := _choose_account(fields)):
        tree["account"] = guess_from(account.place, {"at": account.pointer, "default": None})
    claimed |= {name.path} if name else set()
    dates = _guess_dates(fields, claimed)
    claimed |= {each.path for each in fields if any(_claims(guess, each) for guess in dates.values())}
    if named := _write_name(name, [each for each in fields if each.path not in claimed], chosen.item):
        tree["friendly_name"] = named
    tree["phone_number"] = _write_number(number, number_form)
    if chosen.items_path is None:
        end = "; without one, delete this"
        tree |= {key: leave_out(f"where an item has {what}{end}") for key, what in _OPTIONAL}
    return ItemFields(
        own_id,
        number,
        number_form,
        {split_words(each.path[-1]): each.pointer for each in reversed(fields)},
        codec[0] if codec else None,
        {**tree, **dates},
        _write_ids(own_id, codec, number_form, parameter),
    )


_OPTIONAL = (
    ("friendly_name", "its name"),
    ("date_created", "the date of its creation"),
    ("date_updated", "the date of its last change"),
)


def _claims(guess: Guess, field: FieldShape) -> bool:
    return isinstance(guess.value, dict) and guess.value.get("at") == field.pointer


# Ids


def _choose_id(
    fields: Sequence[FieldShape], number: FieldShape | None, parameter: DescribedParameter | None
) -> FieldShape | None:
    """Return the field that paths hold: that with the placeholder's name, or one that is named like an id."""
    wanted = split_words(parameter.name) if parameter else ""

    def rate(field: FieldShape) -> int:
        if not has_type(field.shape, "string", "integer") or is_foreign_id(field.path[-1]):
            return 0
        is_named = wanted not in ("", "id") and split_words(field.path[-1]) == wanted and len(field.path) == 1
        return rate_name(field.path, IDS) + (12 if is_named else 0)

    return choose(fields, rate) or number


def _find_codec(
    own_id: FieldShape | None,
    number: FieldShape | None,
    number_form: str | None,
    parameter: DescribedParameter | None,
) -> tuple[str, str] | None:
    if own_id is None:
        return None
    if number is not None and own_id.path == number.path:
        return ("e164", "") if number_form else None
    shapes = [own_id.shape, *([parameter.shape] if parameter else [])]
    return next((found for shape in shapes if (found := find_id_form(shape))), None)


def _write_id(own_id: FieldShape | None, codec: str | None, number_form: str | None) -> Guess:
    if own_id is None:
        return Guess(MISSING, "look up the field by which paths name a caller ID, as /id")
    value: object = own_id.pointer
    if codec == "integer" and own_id.shape.types == {"integer"}:
        value = {"at": own_id.pointer, "as": "integer"}
    elif codec == "e164" and number_form not in (None, "e164"):
        value = {"at": own_id.pointer, "as": number_form}
    return guess_from(own_id.place, value)


def _write_ids(
    own_id: FieldShape | None,
    codec: tuple[str, str] | None,
    number_form: str | None,
    parameter: DescribedParameter | None,
) -> Guess:
    if codec is None or own_id is None:
        forms = "uuid, integer, hex32, short_text (up to 21 letters and digits), stored (any text) or others"
        place = f" of {own_id.place}" if own_id else ""
        return Guess({"codec": MISSING}, f"look up the form{place}: {forms}")
    name, prefix = codec
    value = {"codec": name}
    if name == "e164":
        form = find_written_form(parameter.shape, number_form) if parameter else number_form
        value |= {"as": form} if form in WRITABLE - {"e164"} else {}
    value |= {"prefix": prefix} if prefix else {}
    return guess_from(own_id.place, value, "the form of the id")


# The other fields


def _choose_account(fields: Sequence[FieldShape]) -> FieldShape | None:
    return choose(fields, lambda each: rate_name(each.path, ACCOUNTS), 8)


def _write_number(number: FieldShape | None, number_form: str | None) -> Guess:
    if number is None:
        return Guess({"at": MISSING, "as": MISSING}, "look up the field with the phone number, and its form")
    value: dict[str, object] = {"at": number.pointer, "as": number_form or MISSING}
    if number.shape.is_nullable:
        value["default"] = ""
    forms = (
        ""
        if number_form
        else "; look up its form: e164 (+1415…), digits (1415…), ten_digits (415…) or formatted"
    )
    return Guess(value, f"guessed from {number.place}{forms}")


def _write_name(name: FieldShape | None, rest: Sequence[FieldShape], item: Shape) -> Guess | None:
    """Return the name; a fault where one of the other fields may be it, None where none can."""
    if name is not None:
        return guess_from(name.place, {"at": name.pointer, "default": None})
    possible = [each.pointer for each in rest if _can_be_name(each)]
    if not possible:
        return None
    named = ", ".join(possible[:_MAX_NAMED])
    return Guess(
        MISSING,
        f"look up which of {named} is a name that people choose ({item.place}); without one, delete this",
    )


def _can_be_name(field: FieldShape) -> bool:
    shape = field.shape
    is_text = shape.types == {"string"} and not shape.choices and not shape.format and not shape.pattern
    return (
        is_text
        and rate_name(field.path, IDS) == 0
        and not is_foreign_id(field.path[-1])
        and not find_id_form(shape)
    )


_DATE_TYPES = ("string", "integer", "number")


def _guess_dates(fields: Sequence[FieldShape], claimed: set[tuple[str, ...]]) -> Mapping[str, Guess]:
    free = [each for each in fields if each.path not in claimed and has_type(each.shape, *_DATE_TYPES)]

    def find(names: Names) -> FieldShape | None:
        return choose(free, lambda each: rate_name(each.path, names))

    created, verified, updated = find(CREATED), find(VERIFIED_AT), find(UPDATED)
    found: dict[str, Guess] = {}
    if first := created or verified:
        closest = "" if created else "the closest date that there is"
        found["date_created"] = _write_date(first, closest)
        last = updated or first
        found["date_updated"] = _write_date(last, "" if updated else "the closest date that there is")
    elif updated:
        found["date_updated"] = _write_date(updated, "")
    dates = [each for each in free if each is not updated and _is_written_date(each)]
    if dates and not created and not verified:
        named = ", ".join(each.pointer for each in dates[:_MAX_NAMED])
        what = f"look up whether one of {named} is the date of creation; without one, delete this"
        found = {"date_created": Guess(MISSING, what), **found}
    return found


def _is_written_date(field: FieldShape) -> bool:
    return field.shape.types == {"string"} and find_date_form(field.shape) is not None


def _write_date(field: FieldShape, why: str) -> Guess:
    form = find_date_form(field.shape)
    value = {"at": field.pointer, "as": form or MISSING, "default": None}
    if form is None:
        what = "look up its form: iso8601, rfc2822, date, epoch_seconds or epoch_milliseconds"
        return Guess(value, f"guessed from {field.place}; {what}")
    return guess_from(field.place, value, why)


# What is in the list


def guess_condition(fields: Sequence[FieldShape]) -> Guess | None:
    """Return the condition that leaves out numbers which are not validated yet, where a field tells."""

    def rate(field: FieldShape) -> int:
        is_flag = field.shape.types == {"boolean"} or _find_good_state(field.shape) is not None
        return rate_name(field.path, FLAGS) + (field.shape.types == {"boolean"}) if is_flag else 0

    flag = choose(fields, rate)
    if flag is None:
        return None
    value = True if flag.shape.types == {"boolean"} else _find_good_state(flag.shape)
    return guess_from(
        flag.place, [{"at": flag.pointer, "equals": value}], "the list may hold numbers that wait"
    )


def _find_good_state(shape: Shape) -> str | None:
    """Return the word for a number that is validated, among others that mean that it is not."""
    words = [each for each in shape.choices if isinstance(each, str)]
    good = [each for state in GOOD_STATES for each in words if split_words(each) == state]
    return good[0] if good and len(words) > 1 else None


def describe_absence(fields: ItemFields) -> Sequence[str]:
    """Return comments about optional fields that the draft does without."""
    absent = [key for key in ("friendly_name", "date_created", "date_updated") if key not in fields.tree]
    return [guess_without(None, f"no {key}: no field of an item looks like one").note for key in absent]
