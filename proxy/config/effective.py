"""Prints a configuration as YAML: every value, defaults too, and behind it where it comes from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretStr

from proxy.config.settings import Configuration, UpstreamTarget
from proxy.config.yaml_source import Source, can_be_bare
from proxy.profile.base import KeyPath

_MASK = '"********"'
_SECRET_KEYS = frozenset({"token_sha256"})  # a digest allows offline guesses


def write_effective(configuration: Configuration) -> Iterator[str]:
    """Yield the lines of a proxy.yaml with every value, then those of each profile in use."""
    yield from _write_lines(configuration.settings, configuration.source, {})
    seen: list[object] = []
    for target in configuration.targets():
        overridden = _list_overrides(target, configuration.source)
        profile = target.profile.model_copy(update={key: value for key, (value, _) in overridden.items()})
        if profile in seen:
            continue
        seen.append(profile)
        yield from ("---", f"# as used by {'.'.join(map(str, target.key_path))}")
        origins: dict[KeyPath, str] = {(key,): origin for key, (_, origin) in overridden.items()}
        yield from _write_lines(profile, configuration.profiles[target.settings.profile].source, origins)


def _list_overrides(target: UpstreamTarget, source: Source) -> Mapping[str, tuple[Any, str]]:
    """Return the values of a profile that proxy.yaml overrides, each with its origin."""
    above = (target.key_path, ("upstream",))  # an account inherits from the upstream above
    found: dict[str, tuple[Any, str]] = {}
    for key in ("base_url", "validation"):
        if (value := getattr(target.settings, key)) is not None:
            key_path = next(path for each in above if (path := (*each, key)) in source.positions)
            found[key] = value, _find_origin(key_path, source)
    if target.settings.variables:
        merged = {**target.profile.variables, **target.settings.variables}
        found["variables"] = merged, "the profile and proxy.yaml"
    return found


def _write_lines(model: BaseModel, source: Source, origins: Mapping[KeyPath, str]) -> Iterator[str]:
    rows = [*_write_rows(model, source, origins, ())]
    width = min(58, max(len(text) for text, _ in rows))
    for text, origin in rows:
        yield f"{text:{width}}  # {origin}" if origin else text  # without a space it would be more of a text


def _write_rows(
    value: Any, source: Source, origins: Mapping[KeyPath, str], key_path: KeyPath
) -> Iterator[tuple[str, str]]:
    for key, inner in _list_members(value):
        here = (*key_path, key)
        label = "  " * len(key_path) + ("-" if isinstance(key, int) else f"{_write_scalar(key)}:")
        raw = source.find(here)
        is_short = isinstance(raw, str) and _list_members(inner)  # a short form stays short
        if _list_members(inner) and not is_short:
            yield label, origins.get(here, "")
            yield from _write_rows(inner, source, origins, here)
        else:
            shown = _write_value(raw if is_short else inner, here, source)
            yield f"{label} {shown}", origins.get(here) or _find_origin(here, source)


def _list_members(value: Any) -> Sequence[tuple[str | int, Any]]:
    match value:
        case BaseModel():
            fields, given = type(value).model_fields, value.model_fields_set
            # A key that is left out and empty says nothing, and some such keys may not be written
            written = [(name, each) for name, each in value if each not in (None, "") or name in given]
            return [(fields[name].alias or name, each) for name, each in written]
        case Mapping():
            return list(value.items())
        case tuple() if not hasattr(value, "_fields"):  # an Address is a value
            return list(enumerate(value))
        case _:
            return ()


def _find_origin(key_path: KeyPath, source: Source) -> str:
    """Return where the value at `key_path` comes from."""
    if key_path not in source.positions:
        is_short = isinstance(source.find(key_path[:-1]), str)
        return _find_origin(key_path[:-1], source) if is_short else "default"
    line, _ = source.positions[key_path]
    origin = f"{source.file}:{line}"
    if names := source.variables.get(key_path):
        return f"{origin}, from {' '.join(f'${{{name}}}' for name in names)}"
    match source.find(key_path):
        case {"file": str(file)}:
            return f"{origin}, from the file {file}"
    return origin


def _write_value(value: Any, key_path: KeyPath, source: Source) -> str:
    is_secret = isinstance(value, SecretStr) or (key_path[-1] in _SECRET_KEYS and value is not None)
    # In a profile, headers and constants from a variable are secrets
    if is_secret or (key_path in source.variables and ("headers" in key_path or key_path[-1] == "constant")):
        return _MASK
    return _write_scalar(value)


def _write_scalar(value: Any) -> str:
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
    return text if can_be_bare(text) else json.dumps(text, ensure_ascii=False)
