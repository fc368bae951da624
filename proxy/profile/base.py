"""What the settings of every part of a profile are made of."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

KeyPath = tuple[str | int, ...]
"""The keys and indexes that lead to a value in a YAML file."""
Violation = tuple[KeyPath, str]
"""A rule that a configuration breaks: where, and a sentence about it."""
Rule = Callable[[Any], Iterator[Violation]]
"""Takes a whole profile or configuration."""


class Frozen(BaseModel):
    """Settings that cannot change and refuse unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


def join_names(names: Sequence[str]) -> str:
    """Return `a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def make_printable(line: str) -> str:
    """Return a line of a message with what a terminal would obey, as an escape sequence, written out."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a suggestion to append to a message, or nothing where no known word is similar."""
    return write_suggestion(find_closest(word, known))


def write_suggestion(meant: str | None) -> str:
    return f"; did you mean {meant!r}?" if meant else ""


_LEAST_START = 4  # letters: shorter words begin like too many others


def find_closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known word that is meant: it is similar, or begins so, or ends with such a part."""
    by_lower = {each.lower(): each for each in sorted(known)}
    lower = word.lower()
    if close := difflib.get_close_matches(lower, by_lower, n=1, cutoff=cutoff):
        return by_lower[close[0]]
    if len(word) < _LEAST_START:
        return None
    ends = {each[found.end() :]: each for each in by_lower for found in re.finditer("[-_./]", each)}
    parts = {**ends, **{each[: len(word)]: each for each in by_lower}}
    close = difflib.get_close_matches(lower, parts, n=1, cutoff=0.75)
    return by_lower[parts[close[0]]] if close else None


def wrap_text(value: Any) -> Any:
    """Let a plain string stand for a list of one."""
    return (value,) if isinstance(value, str) else value


def _check_not_empty(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("expected a list that is not empty")
    return values


def find_tilde_mistake(pointer: str) -> str | None:
    """Return what is wrong with the tildes of a JSON Pointer, None if nothing is."""
    if re.search("~(?![01])", pointer):
        return "in a JSON Pointer, ~ is written as ~0 and a slash as ~1 (RFC 6901)"
    return None


def _check_pointer(text: str) -> str:
    if text and not text.startswith("/"):
        raise ValueError(
            "a JSON Pointer is empty or starts with a slash, for example /data/0/name (RFC 6901)"
        )
    if mistake := find_tilde_mistake(text):
        raise ValueError(mistake)
    return text


Pointer = Annotated[str, AfterValidator(_check_pointer)]
Pointers = Annotated[
    tuple[Pointer, ...],
    AfterValidator(_check_not_empty),
    BeforeValidator(wrap_text, json_schema_input_type=str | tuple[str, ...]),
]
"""Where a value is: the first pointer that leads to something other than null counts."""
Scalar = str | StrictBool | StrictInt
Name = Annotated[str, Field(min_length=1)]
