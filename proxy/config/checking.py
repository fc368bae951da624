"""Plain values → a settings model, and what is wrong with them in plain sentences, each with its place.

What is only misspelt is told once and read as what was meant, so that everything after it is checked too.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from proxy.config.yaml_source import Expanded, Location, Source, plain

M = TypeVar("M", bound=BaseModel)

PATHS = ("certificate", "key", "file")
"""Keys of paths, which are relative to the file that names them."""

# pydantic's error types in our words; what is not here keeps the words of the model
_SENTENCES: Mapping[str, str] = {
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
    "union_tag_not_found": "expected a mapping",
    "greater_than_equal": "expected {ge} or more",
    "less_than_equal": "expected {le} or less",
    "string_too_short": "expected text that is not empty",
    "too_short": "expected a list that is not empty",
}
_PATTERNS: Mapping[str, str] = {
    "^AC[0-9a-fA-F]{32}$": "an account is AC and 32 hexadecimal digits",
    "^[0-9a-fA-F]{64}$": "a SHA-256 is 64 hexadecimal digits",
}


class _Fault(NamedTuple):
    place: Location
    sentence: str
    meant: str | None = None
    """The key or the word that was probably meant."""
    is_key: bool = False


def check(model: type[M], source: Source) -> M | None:
    """Return the source's data as `model`; where that cannot be, note why in the source's mistakes."""
    if source.data is None:  # it could not even be read, and its mistakes say why
        return None
    while True:
        try:
            return model.model_validate(source.data)
        except ValidationError as error:
            details = error.errors(include_url=False)
        if _read_plainly(details, source):
            continue
        faults = list(_faults(model, details, source))
        misspelt = [fault for fault in faults if fault.meant is not None]
        for place, sentence, _, _ in misspelt or faults:
            source.mistakes.append(source.mistake_at(place, sentence))
        if not misspelt:
            return None
        for fault in misspelt:
            _correct(source, fault)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion to append to a message, or nothing where no known word comes close."""
    meant = _closest(word, known)
    return f"; did you mean {meant!r}?" if meant else ""


def _closest(word: str, known: Iterable[str]) -> str | None:
    by_lower = {each.lower(): each for each in sorted(known)}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None


def follows(place: Location, source: Source) -> bool:
    """Whether something wrong at `place` is only what becomes of a value there that could not be read."""
    lost = [each for each in source.broken if each == place or each[:-1] == place]
    return any(_found(source.data, each) is None for each in lost)


def _found(data: Any, place: Location) -> Any:
    try:
        return _at(data, place)
    except (KeyError, IndexError, TypeError):
        return None


# From pydantic's errors to faults


def _faults(model: type[BaseModel], details: Sequence[ErrorDetails], source: Source) -> Iterator[_Fault]:
    """Yield what is to be told; a value that may be of several types gets one sentence, not one for each."""
    found: dict[Location, list[_Fault]] = {}
    for each in details:
        fault = _fault(model, each, source)
        if not _is_told(each, fault.place, source):
            found.setdefault(fault.place, []).append(fault)
    for faults in found.values():
        types = [fault.sentence.partition(":")[0].removeprefix("expected ") for fault in faults]
        if len(faults) > 1 and all(fault.sentence.startswith("expected ") for fault in faults):
            yield _Fault(faults[0].place, f"expected {_listed(list(dict.fromkeys(types)))}")
        else:
            yield from faults


def _is_told(details: ErrorDetails, place: Location, source: Source) -> bool:
    """Whether the reader of the YAML has complained already about what this follows from."""
    if place not in source.broken:
        return False
    # What is wrong with one key says nothing about another that is missing beside it
    inner = any(len(each) == len(place) + 1 and each[: len(place)] == place for each in source.broken)
    return not (details["type"] == "missing" and inner)


def _fault(model: type[BaseModel], details: ErrorDetails, source: Source) -> _Fault:
    location, context = details["loc"], details.get("ctx", {})
    place = _place(location, source)
    match details["type"]:
        case "missing":
            return _Fault(_place(location[:-1], source), f"the key {location[-1]!r} is missing")
        case "extra_forbidden":
            return _unknown_key(model, location, source)
        case "literal_error":
            return _not_listed(place, context["expected"], source)
        case "union_tag_invalid":
            return _not_listed(
                (*place, context["discriminator"].strip("'")), context["expected_tags"], source
            )
        case _:
            return _Fault(place, _sentence(details, context))


def _sentence(details: ErrorDetails, context: Mapping[str, Any]) -> str:
    """Say what is wrong with a value that could be anything."""
    match details["type"], details["input"]:
        case "union_tag_not_found", Mapping():
            return f"the key {context['discriminator']} is missing"
        case "string_pattern_mismatch", _:
            return _PATTERNS.get(context["pattern"], details["msg"])
        case "string_type", bool() | int() | float():
            return "expected text: put it in quotes"
        case "int_type", str() as given if isinstance(plain(given), int):
            return "expected a whole number: leave the quotes out"
        case kind, _ if kind in _SENTENCES:
            return _SENTENCES[kind].format(**context)
        case _:
            return details["msg"].removeprefix("Value error, ")


def _place(location: Location, source: Source) -> Location:
    """Keep what leads to a place in the file: pydantic also names unions and functions on its way."""
    place: Location = ()
    for step in location:
        if (*place, step) in source.places:
            place = (*place, step)
    return place


def _unknown_key(model: type[BaseModel], location: Location, source: Source) -> _Fault:
    key = str(location[-1])
    # A strategy, which pydantic names before the key, may have the name of another unknown key
    around = [_place(location[:end], source) for end in (-1, -2)]
    place = (*next(each for each in around if (*each, key) in source.places), key)
    here = _at(source.data, place[:-1])
    chosen, all_of_them = _keys_at(model, location[:-1])
    if key in all_of_them:
        return _Fault(place, f"the key {key!r} does not go with {_kind(location[-2])!r} here")
    known = (all_of_them if chosen < all_of_them and not chosen & here.keys() else chosen) - here.keys()
    meant = _closest(key, known)
    return _Fault(place, f"unknown key {key!r}{did_you_mean(key, known)}", meant, is_key=True)


def _not_listed(place: Location, expected: str, source: Source) -> _Fault:
    """Say what may stand there; `expected` is pydantic's list of it."""
    given = _found(source.data, place)
    known = re.findall(r"'([^']*)'", expected)
    shown = _listed([f"{word!r}" for word in known] or re.findall(r"[\w.]+(?<!\bor)", expected))
    is_word = isinstance(given, str) and not isinstance(given, Expanded) and given not in known
    meant = _closest(str(given), known) if is_word else None
    one_of = "one of " if len(known) > 2 else ""
    suggestion = f"; did you mean {meant!r}?" if meant else ""
    return _Fault(place, f"expected {one_of}{shown}{suggestion}", meant)


def _listed(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


# What was meant


def _read_plainly(details: Sequence[ErrorDetails], source: Source) -> bool:
    """Read as numbers and truth values what variables brought as text, where those are wanted."""
    changed = False
    for each in details:
        given, place = each["input"], _place(each["loc"], source)
        if isinstance(given, Expanded) and each["type"] in ("int_type", "bool_type", "literal_error"):
            value = plain(given)
            if not isinstance(value, str) and _at(source.data, place) is given:
                _at(source.data, place[:-1])[place[-1]] = value
                changed = True
    return changed


def _correct(source: Source, fault: _Fault) -> None:
    """Put what was meant in the place of what is misspelt, so that its own faults are found."""
    place = fault.place
    holder = _at(source.data, place[:-1])
    if not fault.is_key:
        holder[place[-1]] = fault.meant
        return
    value = holder.pop(place[-1])
    is_path = fault.meant in PATHS and isinstance(value, str)
    holder[fault.meant] = str(Path(source.file).parent / value) if is_path else value
    depth, renamed = len(place), (*place[:-1], str(fault.meant))

    def moved(each: Location) -> Location:
        return renamed + each[depth:] if each[:depth] == place else each

    source.places = {moved(each): at for each, at in source.places.items()}
    source.broken = {moved(each) for each in source.broken}


def _at(data: Any, place: Location) -> Any:
    for step in place:
        data = data[step]
    return data


# What may stand where


def _keys_at(model: type[BaseModel], location: Location) -> tuple[set[str], set[str]]:
    """Return the keys of the model at `location`, and those of all that could stand there in its place."""
    level = family = {model}
    for step in location:
        fields = [
            field
            for each in level
            for name, field in each.model_fields.items()
            if step in (name, field.alias)
        ]
        inner = {each for field in fields for each in _models(field.annotation)}
        if inner:
            level = family = inner
        else:  # the name of one of several models, or a key of a mapping, or an index
            level = {each for each in level if _is_called(each, _kind(step))} or level
    return _keys(level), _keys(family)


def _kind(step: str | int) -> str:
    """Return the name of one of several models, as it stands in an error's location."""
    return str(step).strip("<>")


def _keys(level: Iterable[type[BaseModel]]) -> set[str]:
    return {field.alias or name for each in level for name, field in each.model_fields.items()}


def _is_called(model: type[BaseModel], name: str) -> bool:
    """Whether `name` chooses this model among others, by a key that says so or by one that only it has."""
    return any(
        name in get_args(field.annotation) or name == (field.alias or own)
        for own, field in model.model_fields.items()
    )


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
