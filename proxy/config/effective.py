"""What a configuration amounts to, as YAML: every value there is, and behind it where it comes from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretStr

from proxy.config.agreement import UpstreamTarget
from proxy.config.loading import Configuration
from proxy.config.yaml_source import Location, Source, means_itself

_MASK = '"********"'
_SECRET_KEYS = frozenset({"token_sha256"})  # whoever has it can try tokens at leisure


def effective(configuration: Configuration) -> Iterator[str]:
    """Yield the lines of a proxy.yaml with every value it has, then those of each profile that it asks."""
    yield from _lines(configuration.settings, configuration.source, {})
    seen: list[object] = []
    for asked in configuration.targets():
        overridden = _overridden(asked, configuration.source)
        profile = asked.profile.model_copy(update={key: value for key, (value, _) in overridden.items()})
        if profile in seen:
            continue
        seen.append(profile)
        yield from ("---", f"# as {_dotted(asked.place)} asks it")
        origins: dict[Location, str] = {(key,): origin for key, (_, origin) in overridden.items()}
        yield from _lines(profile, configuration.profiles[asked.settings.profile].source, origins)


def _overridden(asked: UpstreamTarget, source: Source) -> Mapping[str, tuple[Any, str]]:
    """Return what proxy.yaml changes about a profile, each with where it does so."""
    places = (asked.place, ("upstream",))  # what an account does not say itself, the upstream above says
    return {
        key: (
            value,
            next(_origin((*place, key), source) for place in places if (*place, key) in source.places),
        )
        for key in ("base_url", "validation")
        if (value := getattr(asked.settings, key)) is not None
    } | (
        {"variables": ({**asked.profile.variables, **asked.settings.variables}, "the profile and proxy.yaml")}
        if asked.settings.variables
        else {}
    )


def _lines(model: BaseModel, source: Source, origins: Mapping[Location, str]) -> Iterator[str]:
    rows = [*_rows(model, source, origins, ())]
    width = min(60, max(len(text) for text, _ in rows) + 2)
    for text, origin in rows:
        yield f"{text:{width}}# {origin}" if origin else text


def _rows(
    value: Any, source: Source, origins: Mapping[Location, str], place: Location
) -> Iterator[tuple[str, str]]:
    for key, inner in _members(value):
        at = (*place, key)
        label = "  " * len(place) + ("-" if isinstance(key, int) else f"{_scalar(key)}:")
        raw = _raw(source.data, at)
        if _members(inner) and not isinstance(raw, str):  # what is written short stays short
            yield label, origins.get(at, "")
            yield from _rows(inner, source, origins, at)
        else:
            shown = _shown(raw if isinstance(raw, str) and _members(inner) else inner, at, source)
            yield f"{label} {shown}", origins.get(at) or _origin(at, source)


def _members(value: Any) -> Sequence[tuple[str | int, Any]]:
    match value:
        case BaseModel():
            fields = type(value).model_fields
            members = [(field.alias or name, name, getattr(value, name)) for name, field in fields.items()]
            # What is left out and empty says nothing, and some of it may not even be written
            return [
                (key, each)
                for key, name, each in members
                if each not in (None, "") or name in value.model_fields_set
            ]
        case Mapping():
            return list(value.items())
        case tuple() if not hasattr(value, "_fields"):  # an Address is a value
            return list(enumerate(value))
        case _:
            return ()


def _raw(data: Any, place: Location) -> Any:
    for key in place:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _origin(place: Location, source: Source) -> str:
    """Say where the value at `place` comes from."""
    if place not in source.places:
        return _origin(place[:-1], source) if isinstance(_raw(source.data, place[:-1]), str) else "default"
    line, _ = source.places[place]
    origin = f"{source.file}:{line}"
    if names := source.variables.get(place):
        return f"{origin}, from {' '.join(f'${{{name}}}' for name in names)}"
    match _raw(source.data, place):
        case {"file": str(file)}:
            return f"{origin}, from the file {file}"
    return origin


def _shown(value: Any, place: Location, source: Source) -> str:
    is_secret = isinstance(value, SecretStr) or (place[-1] in _SECRET_KEYS and value is not None)
    # A profile's own secrets are headers and constants that a variable brings in
    if is_secret or (place in source.variables and ("headers" in place or place[-1] == "constant")):
        return _MASK
    return _scalar(value)


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool() | int():
            return json.dumps(value)
        case tuple() | [] if not hasattr(value, "_fields"):
            return "[]"
        case dict():
            return "{}"
    text = str(value)
    return text if means_itself(text) else json.dumps(text, ensure_ascii=False)


def _dotted(place: Location) -> str:
    return ".".join(map(str, place))
