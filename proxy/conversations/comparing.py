"""An expected message against the one that came, and the lines that show how they differ. Pure.

What a file does not list is not compared. `…` stands for any text. JSON that the upstream receives is
compared as JSON; between the tags of XML, a file may break lines.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from proxy.conversations.messages import Message
from proxy.profile.base import make_printable

ANY = "…"
ABSENT = "(absent)"
_MOST_LINES = 40
_LONGEST_LINE = 400  # characters
_CONTEXT = 2  # lines around a difference
_BETWEEN_TAGS = re.compile(r"(?<!\?)>[ \t]*\n\s*<")


def find_differences(expected: Message, received: Message, *, is_request: bool) -> Sequence[str]:
    """Return lines that show what differs, `-` before the expected and `+` before the received text."""
    lines = [*_compare_start(expected.start, received.start)]
    for name in dict.fromkeys(name.lower() for name, _ in expected.headers):
        lines += _compare_header(name, expected, received)
    reads_json = is_request and "json" in ",".join(received.values("Content-Type")).lower()
    if not is_like_body(decode(expected.body), decode(received.body), reads_json=reads_json):
        lines += _show_bodies(decode(expected.body), decode(received.body))
    return _shorten(lines)


def describe(message: Message, sign: str = "+") -> Sequence[str]:
    """Return the first line of a message and its body, each line behind `sign`."""
    lines = [message.start, *(_split_body(decode(message.body)) if message.body else ())]
    return _shorten([f"{sign} {line}" for line in lines])


def is_like(pattern: str, text: str) -> bool:
    """Whether a text is what the pattern says, in which each `…` stands for any text."""
    first, *rest = pattern.split(ANY)
    if not rest:
        return pattern == text
    *middle, last = rest
    if not text.startswith(first):
        return False
    at = len(first)
    for piece in middle:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return text.endswith(last) and len(text) - len(last) >= at


def is_like_body(expected: str, received: str, *, reads_json: bool) -> bool:
    if is_like(expected, received):
        return True
    if reads_json:
        try:
            return _is_like_json(json.loads(expected), json.loads(received))
        except (ValueError, RecursionError):
            return False
    return received.startswith("<?xml") and is_like(_BETWEEN_TAGS.sub("><", expected), received)


def _is_like_json(expected: Any, received: Any) -> bool:
    """Whether a value is the expected one; the text `…` stands for any value."""
    if expected == ANY:
        return True
    match expected, received:
        case str(), str():
            return is_like(expected, received)
        case dict(), dict():
            return expected.keys() == received.keys() and all(
                _is_like_json(value, received[key]) for key, value in expected.items()
            )
        case list(), list():
            pairs = zip(expected, received, strict=False)
            return len(expected) == len(received) and all(_is_like_json(*pair) for pair in pairs)
    return type(expected) is type(received) and bool(expected == received)


def _compare_start(expected: str, received: str) -> Iterator[str]:
    is_status_alone = expected.startswith("HTTP/") and expected.count(" ") == 1
    if not is_like(f"{expected} {ANY}" if is_status_alone else expected, received):
        yield from (f"- {expected}", f"+ {received}")


def _compare_header(name: str, expected: Message, received: Message) -> Iterator[str]:
    wanted, came = expected.values(name), received.values(name) or (ABSENT,)
    if len(wanted) == len(came) and all(map(is_like, wanted, came)):
        return
    written = next(each for each, _ in expected.headers if each.lower() == name)
    for sign, values in (("-", wanted), ("+", came)):
        yield from (f"{sign} {written}: {value}" for value in values)


# Bodies


def _show_bodies(expected: str, received: str) -> Iterator[str]:
    if not expected or not received:
        for sign, text in (("-", expected), ("+", received)):
            yield from (f"{sign} {line}" for line in (_split_body(text) if text else ["(no body)"]))
        return
    before, after = _split_body(expected), _split_body(received)
    before = [next((each for each in after if ANY in line and is_like(line, each)), line) for line in before]
    if before == after:  # but for characters that are not seen
        yield from (f"- {expected!a}", f"+ {received!a}")
        return
    for group in SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(_CONTEXT):
        yield "  …"
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                yield from (f"  {line}" for line in before[start:end])
                continue
            yield from (f"- {line}" for line in before[start:end])
            yield from (f"+ {line}" for line in after[new_start:new_end])


def _split_json(text: str) -> list[str]:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False).split("\n")
    except (ValueError, RecursionError):
        return text.split("\n")


_SPLIT: Sequence[tuple[re.Pattern[str], Callable[[str], list[str]]]] = (
    (re.compile(r"\s*[\[{]"), _split_json),
    (re.compile(r"\s*<"), lambda text: re.sub(r">\s*<", ">\n<", text).split("\n")),
    (re.compile(r"[^\s&=]+=[^\s&]*&"), lambda text: text.replace("&", "&\n").split("\n")),
    (re.compile(""), lambda text: text.split("\n")),
)
"""How a body begins, and how it is shown in lines."""


def _split_body(text: str) -> list[str]:
    return next(split(text) for begins, split in _SPLIT if begins.match(text))


def decode(body: bytes) -> str:
    return body.decode(errors="backslashreplace")


def _shorten(lines: Sequence[str]) -> Sequence[str]:
    """Return the lines as a terminal can show them, and no more than people read."""
    shown = [
        make_printable(line[:_LONGEST_LINE]) + ("…" if len(line) > _LONGEST_LINE else "")
        for line in lines[:_MOST_LINES]
    ]
    more = len(lines) - _MOST_LINES
    return [*shown, f"  … {more} more lines"] if more > 0 else shown
