"""The text of a conversation → its sections, or every mistake in it, each with its line. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from proxy.conversations.messages import Message, parse_text, split_head, unescape
from proxy.conversations.placeholders import Placeholders, blank_placeholders, find_mistakes
from proxy.profile.base import join_names, suggest

_REQUEST = re.compile(r"[A-Z]+ \S+ HTTP/1\.[01]")
_RESPONSE = re.compile(r"HTTP/1\.[01] [0-9]{3}( .*)?")


class Finding(NamedTuple):
    """What is wrong with a conversation, or goes wrong in it, and at which line of its file."""

    line: int
    message: str
    details: Sequence[str] = ()
    """Lines that show it."""


class ConversationError(Exception):
    """A conversation that cannot be run: every mistake in it."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = sorted(findings)
        super().__init__("\n".join(f"{each.line}: {each.message}" for each in self.findings))


class Section(NamedTuple):
    """A section of a file."""

    name: str
    line: int
    """Of its name; its text begins below."""
    text: str

    def message(self, placeholders: Placeholders) -> Message:
        """Return the message, with its placeholders filled; ConversationError where that is not possible."""
        return unescape(parse_text(self.fill(placeholders)))

    def fill(self, placeholders: Placeholders) -> str:
        """Return the text with its placeholders filled, line by line; ConversationError with the line."""
        try:
            return placeholders.fill(self.text)
        except ValueError as error:
            message = str(error)
        for number, line in enumerate(self.text.split("\n"), self.line + 1):
            try:
                placeholders.fill(line)
            except ValueError as error:
                raise ConversationError([Finding(number, str(error))]) from None
        raise ConversationError([Finding(self.line, message)])  # about a text of several lines


class Conversation(NamedTuple):
    """A conversation that can be run."""

    about: str
    """The sentence that says what it shows."""
    sections: Sequence[Section]

    def named(self, *names: str) -> Sequence[Section]:
        return [each for each in self.sections if each.name in names]


class _Kind(NamedTuple):
    """What the program has to know of a section."""

    follows: frozenset[str]
    """What may stand before it; the empty name is the start of the file."""
    start: re.Pattern[str] | None = None
    """Of a message: its first line."""
    is_message: bool = True
    is_empty: bool = False
    is_sent: bool = False
    """Whether it is sent as it stands, so that its head has to be ISO-8859-1."""


_OPENING = frozenset({"", "configuration", "profile", "upstream is down"})
_ASKED = frozenset({"client", "client goes on", "upstream answers"})
_KINDS: Mapping[str, _Kind] = {
    "configuration": _Kind(_OPENING - {"configuration"}, is_message=False),
    "profile": _Kind(_OPENING - {"profile"}, is_message=False),
    "upstream is down": _Kind(_OPENING - {"upstream is down"}, is_message=False, is_empty=True),
    "client": _Kind(_OPENING | {"client receives"}, is_sent=True),
    "client goes on": _Kind(frozenset({"client", "client receives"}), is_message=False),
    "upstream receives": _Kind(_ASKED, _REQUEST),
    "upstream answers": _Kind(frozenset({"upstream receives"}), _RESPONSE, is_sent=True),
    "client receives": _Kind(_ASKED, _RESPONSE),
    "connection is closed": _Kind(_ASKED | {"client receives"}, is_message=False, is_empty=True),
}
SECTION_NAMES = tuple(_KINDS)
_LAST = ("client receives", "connection is closed")
_FORMS = {_REQUEST: "METHOD TARGET HTTP/1.1", _RESPONSE: "HTTP/1.1 STATUS REASON"}
_HEADING = re.compile(r"--- (.+)")
_SLIP = re.compile(r"-{2,}\s*([A-Za-z ]+?)\s*:?\s*")


def parse_conversation(text: str, names: Collection[str]) -> Conversation:
    """Read a conversation whose placeholders have these names; ConversationError with every mistake."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").removesuffix("\n").split("\n")
    about, sections = _split(lines)
    mistakes = [*_check_order(about, sections, len(lines))]
    for section in sections:
        if kind := _KINDS.get(section.name):
            mistakes += _check_text(section, kind)
            mistakes += _check_placeholders(section, kind, names)
    if mistakes:
        raise ConversationError(mistakes)
    return Conversation(about, sections)


def _split(lines: Sequence[str]) -> tuple[str, Sequence[Section]]:
    starts = [number for number, line in enumerate(lines) if _HEADING.fullmatch(line)]
    sections = [
        Section(lines[start][4:].strip(), start + 1, "\n".join(lines[start + 1 : end]))
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=False)
    ]
    return "\n".join(lines[: starts[0]] if starts else lines).strip(), sections


def _check_order(about: str, sections: Sequence[Section], end: int) -> Iterator[Finding]:
    if not about:
        yield Finding(1, "say in a sentence what the conversation shows, before its first section")
    before = Section("", 0, "")
    for section in sections:
        kind = _KINDS.get(section.name)
        if kind is None:
            yield Finding(section.line, f"unknown section {section.name!r}{suggest(section.name, _KINDS)}")
        elif before.name not in kind.follows and before.name in {"", *_KINDS}:
            yield Finding(section.line, _explain_order(section, before, kind))
        before = section
    if not sections:
        yield Finding(end, "there are no sections: write each under a line as --- client")
    elif before.name in _KINDS and before.name not in _LAST:
        message = f"the conversation ends with {before.name!r}, and no section says what the client receives"
        yield Finding(before.line, f"{message}: add a section 'client receives'")


def _explain_order(section: Section, before: Section, kind: _Kind) -> str:
    if section.name in _OPENING:
        place = "stands once, and before the first 'client'"
        return f"the section {section.name!r} {place}"
    where = f"follows {before.name!r}" if before.name else "is the first one"
    expected = join_names([repr(name) for name in _KINDS if name in kind.follows])
    return f"the section {section.name!r} {where}, but goes behind {expected}"


def _check_text(section: Section, kind: _Kind) -> Iterator[Finding]:
    for number, line in enumerate(section.text.split("\n"), section.line + 1):
        slip = _SLIP.fullmatch(line)
        if slip and slip[1].lower() in _KINDS:
            yield Finding(number, f"a section is written --- {slip[1].lower()}")
    if kind.is_empty and section.text.strip():
        yield Finding(section.line + 1, f"the section {section.name!r} has no text")
    if kind.is_message:
        yield from _check_message(section, kind)


def _check_message(section: Section, kind: _Kind) -> Iterator[Finding]:
    head, _ = split_head(section.text)
    start, *headers = blank_placeholders(head).split("\n")
    if section.name == "upstream answers" and not section.text.strip():
        return  # the connection is closed
    if not start.strip():
        yield Finding(section.line + 1, "the first line of the message is missing")
    elif kind.start and not kind.start.fullmatch(start):
        yield Finding(section.line + 1, f"the first line of the message has the form {_FORMS[kind.start]}")
    for number, line in enumerate(headers, section.line + 2):
        if ":" not in line:
            message = "a header is written NAME: VALUE, and an empty line comes before the body"
            yield Finding(number, message)
    for number, line in enumerate(head.split("\n") if kind.is_sent else (), section.line + 1):
        if not line.isascii() and any(character > "\xff" for character in line):
            yield Finding(number, "a head is ISO-8859-1 text")


def _check_placeholders(section: Section, kind: _Kind, names: Collection[str]) -> Iterator[Finding]:
    is_message = kind.is_message or section.name == "client goes on"
    for number, line in enumerate(section.text.split("\n"), section.line + 1):
        for message in find_mistakes(line, names, is_message=is_message):
            yield Finding(number, message)
