"""Prints a configuration as YAML: every value, defaults too, and behind it where it comes from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr

from proxy.config.settings import Configuration, UpstreamTarget
from proxy.config.yaml_source import Source, can_be_bare
from proxy.profile.base import KeyPath

_MASK = "********"
_SECRET_KEYS = frozenset({"token_sha256"})  # a digest allows offline guesses


class EffectiveValue(NamedTuple):
    """A value, or what holds values, and where it comes from."""

    key_path: KeyPath
    value: Any
    """Plain: what JSON can hold; None for what holds values."""
    origin: str
    """`file:line`, "default", or nothing."""
    is_holder: bool = False


class EffectiveFile(NamedTuple):
    """All values of a proxy.yaml, or of a profile as one of its upstreams uses it."""

    used_by: str
    """The key of proxy.yaml that uses the profile; empty for the proxy.yaml itself."""
    values: Sequence[EffectiveValue]


def list_effective(configuration: Configuration) -> Iterator[EffectiveFile]:
    """Yield the values of a proxy.yaml and of each profile in use, with defaults; secrets are masked."""
    yield EffectiveFile("", [*_list_values(configuration.settings, configuration.source, {}, ())])
    seen: list[object] = []
    for target in configuration.targets():
        overridden = _list_overrides(target, configuration.source)
        profile = target.profile.model_copy(update={key: value for key, (value, _) in overridden.items()})
        if profile in seen:
            continue
        seen.append(profile)
        origins: dict[KeyPath, str] = {(key,): origin for key, (_, origin) in overridden.items()}
        source = configuration.profiles[target.settings.profile].source
        yield EffectiveFile(
            ".".join(map(str, target.key_path)), [*_list_values(profile, source, origins, ())]
        )


def write_effective(configuration: Configuration) -> Iterator[str]:
    """Yield the same as the lines of YAML files."""
    for file in list_effective(configuration):
        if file.used_by:
            yield from ("---", f"# as used by {file.used_by}")
        texts = [_write_line(each) for each in file.values]
        width = min(58, max(map(len, texts)))
        for text, value in zip(texts, file.values, strict=True):
            # without a space it would be more of a text
            yield f"{text:{width}}  # {value.origin}" if value.origin else text


def _write_line(value: EffectiveValue) -> str:
    *above, key = value.key_path
    label = "  " * len(above) + ("-" if isinstance(key, int) else f"{_write_scalar(key)}:")
    return label if value.is_holder else f"{label} {_write_scalar(value.value)}"


def to_json(configuration: Configuration) -> Sequence[Mapping[str, Any]]:
    """Return the same as plain values; a key is a path with dots."""
    return [
        {
            "used_by": file.used_by or None,
            "values": [
                {"key": ".".join(map(str, each.key_path)), "value": each.value, "origin": each.origin}
                for each in file.values
                if not each.is_holder
            ],
        }
        for file in list_effective(configuration)
    ]


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


def _list_values(
    value: Any, source: Source, origins: Mapping[KeyPath, str], key_path: KeyPath
) -> Iterator[EffectiveValue]:
    for key, inner in _list_members(value):
        here = (*key_path, key)
        raw = source.find(here)
        is_short = isinstance(raw, str) and _list_members(inner)  # a short form stays short
        if _list_members(inner) and not is_short:
            yield EffectiveValue(here, None, origins.get(here, ""), is_holder=True)
            yield from _list_values(inner, source, origins, here)
        else:
            shown = _show_value(raw if is_short else inner, here, source)
            yield EffectiveValue(here, shown, origins.get(here) or _find_origin(here, source))


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


def _show_value(value: Any, key_path: KeyPath, source: Source) -> Any:
    """Return a plain value, masked if it is a secret."""
    is_secret = isinstance(value, SecretStr) or (key_path[-1] in _SECRET_KEYS and value is not None)
    # In a profile, headers and constants from a variable are secrets
    if is_secret or (key_path in source.variables and ("headers" in key_path or key_path[-1] == "constant")):
        return _MASK
    match value:
        case None | bool() | int():
            return value
        case tuple() | [] if not hasattr(value, "_fields"):  # others have members, and an Address is a value
            return []
        case dict():
            return {}
    return str(value)


def _write_scalar(value: Any) -> str:
    if isinstance(value, str) and can_be_bare(value):
        return value
    return json.dumps(value, ensure_ascii=False)
