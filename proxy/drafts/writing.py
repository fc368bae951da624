"""Guesses → the text of a profile: one value a line, and behind it a comment with its place. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Union

from proxy.config.yaml_source import UNFILLED, can_be_bare

_MAX_NOTE = 400  # characters


class Missing(Enum):
    """Stands for a value that nothing in the description tells."""

    VALUE = "value"


MISSING = Missing.VALUE


@dataclass(frozen=True, slots=True)
class Guess:
    """A value of a profile, which may hold `MISSING`, and where it comes from or what to look up."""

    value: Any
    note: str

    @property
    def faults(self) -> int:
        """The number of places in it that have to be filled in."""
        return _count_missing(self.value)


Tree = Mapping[str, Union["Guess", "Tree"]]
"""A part of a profile, by its keys."""


def guess_from(place: str, value: Any, why: str = "") -> Guess:
    """Return a value with its place in the description, and why it is not obvious."""
    return Guess(value, f"guessed from {place}{': ' if why else ''}{why}")


def guess_without(value: Any, why: str) -> Guess:
    """Return a value for which the description has no place."""
    return Guess(value, f"guessed: {why}")


def leave_out(what: str) -> Guess:
    """Return the fault for a value that cannot be guessed; `what` says what to look up."""
    return Guess(MISSING, f"look up {what}")


def write_tree(tree: Tree, depth: int = 0) -> Iterator[str]:
    """Yield the lines of a part of a profile."""
    for key, held in tree.items():
        label = f"{'  ' * depth}{_quote(key)}:"
        if isinstance(held, Guess):
            yield f"{label} {write_value(held.value)} # {write_note(held.note)}"
        elif held:
            yield label
            yield from write_tree(held, depth + 1)


def list_guesses(tree: Tree) -> Iterator[Guess]:
    for held in tree.values():
        yield from [held] if isinstance(held, Guess) else list_guesses(held)


def write_note(text: str) -> str:
    """Return a text as the content of a comment: one line of printable characters."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= _MAX_NOTE else f"{line[:_MAX_NOTE]}…"


def write_value(value: Any) -> str:
    """Return a value as YAML on one line; what cannot be written as it is becomes a fault."""
    match value:
        case Mapping():
            return f"{{{', '.join(f'{_quote(key)}: {write_value(each)}' for key, each in value.items())}}}"
        case str():
            return _write_text(value)
        case Sequence():
            return f"[{', '.join(map(write_value, value))}]"
        case None | bool() | int():
            return json.dumps(value)
        case _:
            return UNFILLED


_ESCAPES: Mapping[str, str] = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def _write_text(text: str) -> str:
    if "${" in text or re.search("[\ud800-\udfff]", text):  # a variable, or what no file can hold
        return UNFILLED
    return _quote(text)


def _quote(text: str) -> str:
    """Return a text, or a key, in quotation marks if it needs them."""
    return text if can_be_bare(text) else f'"{"".join(map(_write_character, text))}"'


def _write_character(character: str) -> str:
    if (found := _ESCAPES.get(character)) is not None:
        return found
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def _count_missing(value: Any) -> int:
    match value:
        case Mapping():
            return sum(map(_count_missing, value.values()))
        case str():
            return int(write_value(value) == UNFILLED)
        case Sequence():
            return sum(map(_count_missing, value))
        case _:
            return int(value is MISSING)
