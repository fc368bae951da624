"""Filters that are expressions of a language such as RSQL or OData, and values inside of them. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator

FILTER = "{filter}"
"""Where the value goes in a template."""
_WORD = re.compile(r"[\w.+:@-]+")
_NOT_EXACT = re.compile(r"[*%\x00-\x1f\x7f]")  # wildcards in most of these languages
_ESCAPED = re.compile(r"[\\'\"]")


def _check_template(text: str) -> str:
    if text.count(FILTER) != 1 or re.search(r"[{}]", text.replace(FILTER, "")):
        raise ValueError(f"a template holds the value once, as {FILTER}, and no other braces")
    return text


FilterTemplate = Annotated[str, AfterValidator(_check_template)]
Escape = Literal["none", "backslash", "double"]


def _escape_nothing(value: str) -> str | None:
    return value if _WORD.fullmatch(value) else None


def _escape_by_backslash(value: str) -> str | None:
    return None if _NOT_EXACT.search(value) else _ESCAPED.sub(r"\\\g<0>", value)


def _escape_by_doubling(value: str) -> str | None:
    if _NOT_EXACT.search(value) or "\\" in value:
        return None
    return value.replace("'", "''").replace('"', '""')


ESCAPES: Mapping[Escape, Callable[[str], str | None]] = {
    "none": _escape_nothing,
    "backslash": _escape_by_backslash,
    "double": _escape_by_doubling,
}
"""What makes a value a part of an expression; None where that would not be exact, or another expression."""
