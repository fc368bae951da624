"""Where a key belongs that stands in a wrong place: at another level, or in the other kind of file."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from proxy.config.settings import Settings
from proxy.profile.language import ProfileSettings

_FILES: Mapping[type[BaseModel], str] = {Settings: "proxy.yaml", ProfileSettings: "a profile"}


def write_place(model: type[BaseModel], key: str) -> str:
    """Return a hint at the one place of `key` in a file of `model`, or in the other kind of file.

    A place is a path with dots; `*` stands for any name. The hint is empty for no place, and for several.
    """
    for file in sorted(_FILES, key=lambda each: each is not model):
        places = _list_places(file).get(key, ())
        if len(places) == 1:
            of_file = "" if file is model else f" of {_FILES[file]}"
            return f"; did you mean {'.'.join(places[0])}{of_file}?"
        if places:
            return ""
    return ""


@cache
def _list_places(model: type[BaseModel]) -> Mapping[str, list[tuple[str, ...]]]:
    places: dict[str, list[tuple[str, ...]]] = {}
    for place in dict.fromkeys(_walk(model, ())):
        if place[-1] != "*":
            places.setdefault(place[-1], []).append(place)
    return places


def _walk(annotation: Any, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the places of all keys of an annotation, which stands at `place`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            here = (*place, field.alias or name)
            yield here
            yield from _walk(field.annotation, here)
        return
    is_mapping = isinstance(origin := get_origin(annotation), type) and issubclass(origin, Mapping)
    for argument in get_args(annotation):
        yield from _walk(argument, (*place, "*") if is_mapping else place)
