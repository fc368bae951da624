"""Filters that are expressions of a language such as RSQL or OData, and values inside of them. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator

FILTER = "{filter}"
"""Where the value goes in a template."""
_WORD = re.compile(r"[\w.+:@-]+")
_NOT_EXACT = re.compile(r"[*%\x00-\x1f\x7f]")  # wildcards in most of these languages


def _check_template(text: str) -> str:
    if text.count(FILTER) != 1 or re.search(r"[{}]", text.replace(FILTER, "")):
        raise ValueError(f"a template holds the value once, as {FILTER}, and no other braces")
    return text


FilterTemplate = Annotated[str, AfterValidator(_check_template)]
Escape = Literal["none", "backslash", "double"]


def find_quotation_mark(template: str) -> str:
    """Return the quotation mark that the value of a template is inside of; nothing where it is in none."""
    opened = ""
    for character in template.partition(FILTER)[0]:
        if character in "'\"" and opened in ("", character):
            opened = "" if opened else character
    return opened


def _escape_nothing(value: str, _: str) -> str | None:
    return value if _WORD.fullmatch(value) else None


def _escape_by_backslash(value: str, mark: str) -> str | None:
    return None if _NOT_EXACT.search(value) else value.replace("\\", r"\\").replace(mark, f"\\{mark}")


def _escape_by_doubling(value: str, mark: str) -> str | None:
    return None if _NOT_EXACT.search(value) or "\\" in value else value.replace(mark, mark * 2)


_ESCAPES: Mapping[Escape, Callable[[str, str], str | None]] = {
    "none": _escape_nothing,
    "backslash": _escape_by_backslash,
    "double": _escape_by_doubling,
}
"""From a value, and the quotation mark that it is inside of: the other mark is a character like any other."""


def fill_template(template: str, escape: Escape, value: str) -> str | None:
    """Put a value into a template; None where that would not be exact, or another expression."""
    escaped = _ESCAPES[escape](value, find_quotation_mark(template))
    return None if escaped is None else template.replace(FILTER, escaped)
