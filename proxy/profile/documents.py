"""The JSON of an answer."""

import json
from typing import Any, Final, NoReturn

import orjson

NO_JSON: Final = object()
"""What an answer holds that is no JSON."""

_MOST_NESTED = 100_000  # lists and objects: as many as a list has caller IDs at most
_MOST_VALUES = 1_000_000


def parse(body: bytes) -> Any:
    """Return what `body` holds: None where it is empty, `NO_JSON` where it cannot be read.

    Nor can it where an object has a key twice: whoever reads it takes another of the two. What holds so much
    that everybody would have to wait until it is read is not read at all.
    """
    if not body.strip():
        return None
    text = body.removeprefix(b"\xef\xbb\xbf")
    if len(text) > _MOST_NESTED and _holds_too_much(text):
        return NO_JSON
    try:
        document = orjson.loads(text)
        # A quotation mark that is escaped by its number is the only one that is written in another way
        if b"\\" not in text or b"\\u0022" not in text:
            is_whole = orjson.dumps(document).count(b'"') == text.count(b'"')
            return document if is_whole else NO_JSON
    except orjson.JSONDecodeError:
        return _parse_slowly(text) if b"\\ud" in text.lower() else NO_JSON
    except orjson.JSONEncodeError:
        pass  # too deep to be written, though not to be read
    return _parse_slowly(text)


def _holds_too_much(text: bytes) -> bool:
    """Count what begins a value, in strings too: eight megabytes of `[]` would take a second to read."""
    return text.count(b"[") + text.count(b"{") > _MOST_NESTED or text.count(b",") >= _MOST_VALUES


def _parse_slowly(text: bytes) -> Any:
    """Read JSON that escapes half a character, too, which orjson refuses; U+FFFD is shown for it."""
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        return NO_JSON


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are Python's, not JSON's


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key came twice")
    return found
