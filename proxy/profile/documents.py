"""The JSON of an answer, parsed strictly."""

import json
import re
from itertools import accumulate
from typing import Any, Final, NoReturn

import orjson

NOT_JSON: Final = object()
"""Stands for a body that is not acceptable JSON."""

_MAX_CONTAINERS = 100_000  # arrays and objects: as many as a list has caller IDs at most
_MAX_VALUES = 1_000_000
_MAX_DEPTH = 500

_NO_QUOTES = bytes({*range(256)} - {ord('"')})
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes({*range(256)} - _STEPS.keys())


def parse_json(body: bytes) -> Any:
    """Return the value of `body`: None where it is empty, `NOT_JSON` where it is not acceptable.

    An object with a duplicate key is not, because parsers disagree about its value. Nor is a body with so
    many values that parsing it would delay other requests.
    """
    if not body.strip():
        return None
    text = body.removeprefix(b"\xef\xbb\xbf")
    if _has_too_many_values(text):
        return NOT_JSON
    try:
        document = orjson.loads(text)
        # Of quotation marks, only an escaped \u0022 is written back in another form
        if b"\\" not in text or b"\\u0022" not in text:
            has_unique_keys = _count_quotes(orjson.dumps(document)) == _count_quotes(text)
            return document if has_unique_keys else NOT_JSON
    except orjson.JSONDecodeError:
        return _parse_slowly(text) if b"\\ud" in text.lower() else NOT_JSON
    except orjson.JSONEncodeError:
        pass  # nested too deep for orjson to write, though not to read
    return _parse_slowly(text)


def _has_too_many_values(text: bytes) -> bool:
    """Whether parsing may take too long: eight megabytes of `[]` take a second. Strings count too."""
    return (len(text) > _MAX_CONTAINERS and _count_rare(text, b"[", b"{") > _MAX_CONTAINERS) or (
        len(text) > _MAX_VALUES and _count_rare(text, b",") >= _MAX_VALUES
    )


# Before Python 3.13 bytes.count compares each byte: these take a tenth, and two thirds, of its time


def _count_rare(text: bytes, *characters: bytes) -> int:
    return sum(len(text) - len(text.replace(character, b"")) for character in characters)


def _count_quotes(text: bytes) -> int:
    return len(text.translate(None, _NO_QUOTES))


def _parse_slowly(text: bytes) -> Any:
    """Parse with the standard library, which accepts unpaired surrogates; they are shown as U+FFFD."""
    if _is_too_deep(text):
        return NOT_JSON
    try:
        return json.loads(text, parse_constant=_reject_constant, object_pairs_hook=_reject_duplicates)
    except (ValueError, RecursionError):
        return NOT_JSON


def _is_too_deep(text: bytes) -> bool:
    """Whether the nesting exceeds what each version of Python parses: 900 in 3.11, 9,000 in 3.13."""
    brackets = _STRING.sub(b"", text).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > _MAX_DEPTH


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are Python's, not JSON's


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a duplicate key")
    return found
