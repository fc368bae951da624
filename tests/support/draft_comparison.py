"""How much of a draft is right: its values against those of a profile that is known to be right.

Values are compared as they are meant, not as they are spelt: short forms are written out, defaults count as
written, the base URL is a part of each path, and names of variables do not matter.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from proxy.config.yaml_source import UNFILLED, read_yaml
from proxy.profile.base import KeyPath

_DEFAULTS: Mapping[KeyPath, Any] = {
    ("ids", "codec"): "identity",
    ("validation",): "code_shown",
    ("operations", "list", "total", "strategy"): "walk",
    ("operations", "list", "filters", "phone_number", "mode"): "client",
    ("operations", "list", "filters", "friendly_name", "mode"): "client",
    ("operations", "fetch", "item"): "",
    ("operations", "rename", "item"): "",
}
_NOT_COMPARED = ("name", "checked_against", "limits")
_NUMBERS = ("phone_number", "id")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The values of the right profile by how the draft has them, and the lines of the draft."""

    right: list[KeyPath] = field(default_factory=list)
    wrong: list[KeyPath] = field(default_factory=list)
    """The draft has another value, or one where the profile has none."""
    faults: list[KeyPath] = field(default_factory=list)
    """The draft says that the value has to be looked up."""
    silent: list[KeyPath] = field(default_factory=list)
    """The draft has no word about the value."""
    unmarked: list[str] = field(default_factory=list)
    """Lines of the draft that are neither marked as guesses nor as faults."""

    def row(self, name: str) -> str:
        counts = [len(each) for each in (self.right, self.wrong, self.faults, self.silent)]
        return f"{name:20} {sum(counts):6}" + "".join(f" {count:6}" for count in counts)


HEAD = f"{'profile':20} {'values':>6} {'right':>6} {'wrong':>6} {'faults':>6} {'silent':>6}"


def compare(draft: Path, right: str) -> Comparison:
    """Compare the draft in a file with a right profile."""
    source = read_yaml(draft, {})
    found, wanted = _values(yaml.safe_load(draft.read_text(encoding="utf-8"))), _values(yaml.safe_load(right))
    result = Comparison()
    missing = {key_path for key_path, value in found.items() if value == UNFILLED}
    for key_path in {**wanted, **found}:
        if any(key_path[: len(each)] == each for each in missing):
            result.faults.append(key_path)
        elif key_path not in found:
            result.silent.append(key_path)
        elif key_path in wanted and wanted[key_path] == found[key_path]:
            result.right.append(key_path)
        else:
            result.wrong.append(key_path)
    lines = draft.read_text(encoding="utf-8").splitlines()
    for key_path, (line, _) in source.positions.items():
        shown = lines[line - 1]
        is_leaf = not shown.partition(" #")[0].rstrip().endswith(":")
        if (
            key_path
            and is_leaf
            and key_path[0] not in _NOT_COMPARED
            and not re.search("# (guessed|look up)", shown)
        ):
            result.unmarked.append(shown)
    return result


def _values(profile: Mapping[str, Any]) -> Mapping[KeyPath, Any]:
    """Return each value of a profile, in one spelling."""
    base, operations = str(profile.get("base_url", "")), profile.get("operations", {})
    found = {key_path: value for key_path, value in _flatten(profile, ()) if key_path[0] not in _NOT_COMPARED}
    if not isinstance(operations, Mapping):
        return found
    for key_path in list(found):
        match key_path:
            case ("base_url",):
                del found[key_path]
            case ("operations", _, "path") if UNFILLED not in (base, found[key_path]):
                url = f"{base}{found[key_path]}"
                found[key_path] = re.sub(r"\{(?!\+?(?:account|id)\})\w+\}", "{}", url)
            case ("operations", _, "path"):
                found[key_path] = UNFILLED
            case ("operations", _, "unsupported"):
                found[key_path] = "a reason"
            case ("variables", name):
                found["variables", "any"] = found.pop(key_path)
                del name
            case _:
                pass
    return {
        **{key_path: value for key_path, value in _DEFAULTS.items() if _holds(profile, key_path)},
        **found,
    }


def _holds(profile: Mapping[str, Any], key_path: KeyPath) -> bool:
    """Whether a profile has what holds the key of a default, as a request and not as a reason."""
    if key_path[0] != "operations":
        return True
    holder = profile["operations"].get(key_path[1])
    return isinstance(holder, Mapping) and "path" in holder


def _flatten(value: Any, key_path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    value = _expand(value, key_path)
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _flatten(each, (*key_path, key))
    elif not _is_default(value, key_path):
        yield key_path, value


_READERS = ("code", "friendly_name", "pending")


def _expand(value: Any, key_path: KeyPath) -> Any:
    """Write a short form out."""
    if not isinstance(value, str) or value == UNFILLED:
        return value
    match key_path:
        case ("caller_id", _):
            return {"at": value}
        case ("operations", "validate", key) if key in _READERS:
            return {"at": value}
        case ("operations", _, "json" | "form" | "query", _):
            return {"from": value}
        case _:
            return value


def _is_default(value: Any, key_path: KeyPath) -> bool:
    """Whether a value says no more than its absence does: E.164 is read and written as text."""
    match key_path:
        case (*_, "as"):
            return value in ("text", "e164")
        case ("operations", "list", "paging", "base"):
            return False
        case ("auth", "client"):
            return bool(value == "basic")
        case _:
            return False
