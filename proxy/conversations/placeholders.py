"""Text in braces that stands for another: `{ACCOUNT}`, `{sid 7}`, `{64 * x}`. Pure.

Names are in capitals, functions in small letters with a space behind: JSON and YAML are no placeholders.
"""

import base64
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from proxy.profile.base import suggest

Function = Callable[[str], str]
"""Takes the text behind the name; ValueError with what is wrong with it."""

_NAME = re.compile(r"(?<!\$)\{([A-Z][A-Z0-9_]*)\}")  # but not ${VARIABLE}
FUNCTIONS = ("basic", "sid", "date")
_FUNCTION = re.compile(r"(?<!\$)\{([a-z]+) ([^{}\"\n]+)\}")
_REPEATED = re.compile(r"\{([0-9]{1,9}) \* ([^{}]+)\}")
_OTHER_FORM = re.compile(r"(?<!\$)\{([A-Za-z][A-Za-z0-9_]*)( [^{}\"\n]*)?\}")
_MAX_REPEATED = 16 * 1024 * 1024  # characters


class Placeholders(NamedTuple):
    """What the placeholders of a conversation stand for."""

    names: Mapping[str, str]
    functions: Mapping[str, Function]

    def fill(self, text: str) -> str:
        """Replace every placeholder; ValueError for one that stands for nothing."""
        text = _NAME.sub(lambda found: self.names[found[1]], text)
        text = _FUNCTION.sub(lambda found: self.functions[found[1]](found[2]), text)
        return _REPEATED.sub(lambda found: _repeat(int(found[1]), found[2]), text)


def _repeat(times: int, text: str) -> str:
    if times * len(text) > _MAX_REPEATED:
        raise ValueError(f"a repeated text has at most {_MAX_REPEATED} characters")
    return times * text


def encode_basic(text: str) -> str:
    """Return the Authorization of `USER:TOKEN` (RFC 7617)."""
    if ":" not in text:
        raise ValueError("write {basic USER:TOKEN}")
    return f"Basic {base64.b64encode(text.encode()).decode('ascii')}"


def blank_placeholders(text: str) -> str:
    """Return the text with an `x` in the place of each placeholder, for looks at its form."""
    for pattern in (_NAME, _FUNCTION, _REPEATED):
        text = pattern.sub("x", text)
    return text


def find_mistakes(line: str, names: Collection[str], *, is_message: bool) -> Iterator[str]:
    """Yield what is wrong with the placeholders of a line: names that stand for nothing, or in small letters.

    In YAML, names in small letters are placeholders of profiles.
    """
    for found in _NAME.finditer(line):
        if found[1] not in names:
            yield f"nothing fills the placeholder {{{found[1]}}}{suggest(found[1], names)}"
    inner = _NAME.sub("x", line)
    for found in _FUNCTION.finditer(inner):
        if found[1] not in FUNCTIONS:
            known = suggest(found[1], FUNCTIONS)
            yield f"nothing fills the placeholder {{{found[1]} {found[2]}}}{known}"
    for found in _OTHER_FORM.finditer(inner if is_message else ""):
        name, value = found[1], found[2]
        if value is None and name.upper() in names:
            yield f"this placeholder is written in capitals: {{{name.upper()}}}"
        elif name.lower() in FUNCTIONS and (value is None or name not in FUNCTIONS):
            yield f"this placeholder is written in small letters, with a value: {{{name.lower()} …}}"
