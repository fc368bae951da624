"""The JSON of an answer, parsed strictly.

orjson holds the interpreter's lock until it has parsed a text. So a large text is parsed in slices: other
threads, of which one runs the event loop, go on in between.
"""

import json
import secrets
from typing import Any, Final, NoReturn

import orjson

NOT_JSON: Final = object()
"""Stands for a body that is not acceptable JSON."""

_MAX_CONTAINERS = 100_000  # arrays and objects: as many as a list has caller IDs at most
_MAX_VALUES = 1_000_000
_MAX_DEPTH = 500

_LARGE = 1024 * 1024  # bytes
_SLICE = 64 * 1024  # bytes: less than a millisecond
_MAX_STARTS = 8  # arrays that may be the large one
_MAX_WRONG_CUTS = 16  # in a row

_NO_QUOTES = bytes({*range(256)} - {ord('"')})


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
    if len(text) > _LARGE and (document := _parse_in_slices(text)) is not NOT_JSON:
        return document
    return _parse(text)


def _parse_in_slices(text: bytes) -> Any:
    """Parse a document that is little more than one array of objects; `NOT_JSON` for any other.

    No part is taken for another than it is: a slice that begins where an item begins, and is an array of its
    own between brackets, ends where an item ends. Where the first one begins is certain when the rest, with a
    mark in the place of all slices, is a document in which the mark is an item.
    """
    start, items, end = -1, list[Any](), 0
    for _ in range(_MAX_STARTS):
        if items or (start := text.find(b"[", start + 1, _LARGE)) < 0:
            break
        items, end = _parse_items(text, start + 1)
    if not items:
        return NOT_JSON
    mark = secrets.token_hex()
    document = _parse(b'%b"%b",%b' % (text[: start + 1], mark.encode(), text[end:]))
    array = _find_array(document, mark)
    if array is None:
        return NOT_JSON
    array[:1] = items
    return document


def _parse_items(text: bytes, start: int) -> tuple[list[Any], int]:
    """Parse the objects of the array that begins at `start`, up to the place that is returned too."""
    items: list[Any] = []
    end, wrong = start, 0
    while len(text) - start > 2 * _SLICE and wrong < _MAX_WRONG_CUTS:
        end = text.find(b"},", max(end, start + _SLICE)) + 1
        if not end:
            break
        part = _parse(b"[%b]" % text[start:end])
        if part is NOT_JSON:  # it ends within an item
            wrong += 1
            continue
        items += part
        start, wrong = end + 1, 0
    return items, start


def _find_array(document: Any, first: str) -> list[Any] | None:
    """Return the array in `document` with that first item."""
    level = [document]
    while level := [each for each in level if isinstance(each, dict | list)]:
        for each in level:
            if isinstance(each, list) and each and each[0] == first:
                return each
        level = _values_in(level)
    return None


def _values_in(level: list[Any]) -> list[Any]:
    """Return what objects and arrays hold."""
    inside = (each.values() if isinstance(each, dict) else each for each in level)
    return [each for values in inside for each in values]


def _parse(text: bytes) -> Any:
    try:
        document = orjson.loads(text)
        written = orjson.dumps(document)
        if written == text:
            return document
        # Of quotation marks, only an escaped \u0022 is written back in another form
        if b"\\" not in text or b"\\u0022" not in text:
            has_unique_keys = _count_quotes(written) == _count_quotes(text)
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
    try:
        document = json.loads(text, parse_constant=_reject_constant, object_pairs_hook=_reject_duplicates)
    except (ValueError, RecursionError):
        return NOT_JSON
    return NOT_JSON if _is_too_deep(document) else document


def _is_too_deep(document: Any) -> bool:
    """Whether the nesting exceeds what each version of Python parses: 900 in 3.11, 9,000 in 3.13."""
    level, depth = [document], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = _values_in(level)
    return depth > _MAX_DEPTH


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are Python's, not JSON's


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a duplicate key")
    return found
