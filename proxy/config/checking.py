"""Plain values → a settings model, and what is wrong with them in plain sentences, each with its place."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from proxy.config.yaml_source import Location, Source

M = TypeVar("M", bound=BaseModel)

# pydantic's error types in our words; what is not here keeps pydantic's message
_SENTENCES: Mapping[str, str] = {
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping",
    "mapping_type": "expected a mapping",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
}


def check(model: type[M], source: Source) -> M | None:
    """Return the source's data as `model`; where that cannot be, note why in the source's mistakes."""
    if source.data is None:  # it could not even be read, and its mistakes say why
        return None
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            place = _place(details["loc"], source)
            if place in source.broken:
                continue
            source.mistakes.append(source.mistake_at(place, _sentence(details, place, model)))
        return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion to append to a message, or nothing where no known word comes close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _place(location: Location, source: Source) -> Location:
    """Keep what leads to a place in the file: pydantic also names unions and functions on its way."""
    place: Location = ()
    for step in location:
        if (*place, step) in source.places:
            place = (*place, step)
    return place


def _sentence(details: ErrorDetails, place: Location, model: type[BaseModel]) -> str:
    key = str(details["loc"][-1]) if details["loc"] else ""
    match details["type"]:
        case "missing":
            return f"the key {key!r} is missing"
        case "extra_forbidden":
            return f"unknown key {key!r}{did_you_mean(key, _keys_at(model, place[:-1]))}"
        case "literal_error" | "union_tag_invalid":
            return f"expected one of {details['ctx'].get('expected', details['ctx'].get('expected_tags'))}"
        case kind:
            return _SENTENCES.get(kind) or details["msg"].removeprefix("Value error, ")


def _keys_at(model: type[BaseModel], place: Location) -> set[str]:
    """Return the keys that may stand at `place`."""
    level = {model}
    for step in place:
        fields = [
            field
            for each in level
            for name, field in each.model_fields.items()
            if step in (name, field.alias)
        ]
        # A step that is no field is a key of a mapping or an index: the models of its values stay the same.
        level = {inner for field in fields for inner in _models(field.annotation)} or level
    return {field.alias or name for each in level for name, field in each.model_fields.items()}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
