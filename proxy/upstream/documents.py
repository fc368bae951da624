"""The JSON of an answer."""

import json
from typing import Any, Final, NoReturn

import orjson

NO_JSON: Final = object()
"""What an answer holds that is no JSON."""


def parse(body: bytes) -> Any:
    """Return what `body` holds: None where it is empty, `NO_JSON` where it cannot be read."""
    if not body.strip():
        return None
    text = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _parse_surrogates(text) if b"\\ud" in text.lower() else NO_JSON


def _parse_surrogates(text: bytes) -> Any:
    """Read JSON that escapes half a character, which orjson refuses; U+FFFD is shown for it."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return NO_JSON


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are Python's, not JSON's
