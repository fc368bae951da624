"""YAML text → plain values, with the position of each; the only module that imports yaml.

The dialect is a safe subset: one document, no aliases, no tags, no duplicate keys, and none of the plain
scalars that YAML 1.1 turns into something unexpected (`no`, `0123`, `12:30:45`). `${NAME}` and
`${NAME:-default}` are replaced inside scalars after parsing, so a value can never change the structure.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import yaml

from proxy.config.yaml_mistakes import Position, Problem, explain
from proxy.profile.base import KeyPath, make_printable

_MAX_BYTES = 8 * 1024 * 1024  # a device has no end


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """Something wrong in a file, and where: line and column count from 1; both are 0 for the whole file."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """Return `file:line:column: message`, which editors can open and any terminal can show."""
        position = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return make_printable(f"{position}: {self.message}")

    def as_warning(self) -> str:
        return str(replace(self, message=f"warning: {self.message}"))


class Expanded(str):
    """Text that comes, at least in part, from a variable, which is how a secret gets into a file."""

    __slots__ = ("has_default", "may_be_empty")
    has_default: bool
    """Whether the file has a default for it, which must not be a secret."""
    may_be_empty: bool
    """Whether the file says so, with the default of `${NAME:-}`."""

    def __new__(cls, text: str, *, has_default: bool = False, may_be_empty: bool = False) -> Self:
        expanded = super().__new__(cls, text)
        expanded.has_default, expanded.may_be_empty = has_default, may_be_empty
        return expanded


@dataclass(slots=True)
class Source:
    """A YAML file as plain values, the position of each value, and the mistakes so far."""

    file: str
    data: Any = field(default=None, repr=False)
    """Left out of repr, because variables bring secrets into it."""
    positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    broken: set[KeyPath] = field(default_factory=set)
    """Where mistakes have been found, so that their consequences are not reported."""
    variables: dict[KeyPath, tuple[str, ...]] = field(default_factory=dict)
    """The variables in the text of each value."""
    variable_values: dict[str, str] = field(default_factory=dict, repr=False)
    """The variable behind each text that came from one."""
    is_unreadable: bool = False
    """Whether there is no such file, or none that can be read."""
    is_without_secrets: bool = False
    """Whether variables and files of secrets that are missing stand for any value that fits."""
    unknown: dict[KeyPath, Iterator[str]] = field(default_factory=dict, repr=False)
    """Texts to try in turn for the value at each key path, of which a variable is missing."""

    def mistake_at(self, key_path: KeyPath, message: str) -> Mistake:
        """Return a mistake at the value at `key_path`, or at the nearest value around it."""
        return Mistake(self.file, *self.position_of(key_path), message)

    def find(self, key_path: KeyPath) -> Any:
        """Return the value at `key_path`; None where there is none."""
        value = self.data
        for step in key_path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def position_of(self, key_path: KeyPath) -> tuple[int, int]:
        """Return line and column of the value at `key_path`, or of the nearest value around it."""
        while key_path and key_path not in self.positions:
            key_path = key_path[:-1]
        return self.positions.get(key_path, (0, 0))

    def find_line(self, key_path: KeyPath) -> str:
        """Return `file:line` of the value at `key_path`, or of the nearest one around; '' for none."""
        while key_path and key_path not in self.positions:
            key_path = key_path[:-1]
        return f"{self.file}:{self.positions[key_path][0]}" if key_path else ""


def read_content(file: str | Path, most: int = _MAX_BYTES) -> bytes:
    """Return the content of a file; OSError where it cannot be read or has more than `most` bytes."""
    try:
        # Without waiting: a pipe without a writer is empty then
        with open(file, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as opened:
            os.set_blocking(opened.fileno(), True)
            found = opened.read(most + 1)
    except ValueError:  # an impossible file name
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
    if len(found) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return found


def read_text(file: str | Path) -> str:
    """Return the text of a file without its last line end; ValueError with the reason where there is none."""
    try:
        return read_content(file).decode().rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"the file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the file {file} cannot be read: it is not UTF-8 text") from None


def read_yaml(path: Path, variables: Mapping[str, str], *, without_secrets: bool = False) -> Source:
    """Read a file; what is wrong with it is in the source's `mistakes`."""
    source, text = Source(str(path), is_without_secrets=without_secrets), ""

    def report(position: Position, message: str) -> None:
        source.mistakes.append(Mistake(source.file, *position, message))

    try:
        text = read_content(path).decode()
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = _Reader(source, variables, text).read(node, ()) if node else None
        source.data = {} if value is None and not source.mistakes else value
    except OSError as error:
        source.is_unreadable = True
        report((0, 0), f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        report(_find_end(error.object[: error.start].decode()), "is not UTF-8 text")
    except yaml.MarkedYAMLError as error:
        position, why = _explain_syntax(error)
        report(position, f"is not valid YAML: {why}")
    except yaml.reader.ReaderError as error:
        message = f"is not valid YAML: holds the character U+{error.character:04X}"
        report(_find_end(text[: error.position]), message)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):  # the last two for \UFFFFFFFF
        report((0, 0), "is not valid YAML")
    return source


def _explain_syntax(error: yaml.MarkedYAMLError) -> tuple[Position, str]:
    """Return where a text is not YAML, and why."""
    begun, found = (
        (mark.line + 1, mark.column + 1) if mark else (0, 0)
        for mark in (error.context_mark, error.problem_mark)
    )
    return explain(Problem(error.context or "", begun, error.problem or "", found))


def _find_end(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


_MIN_SECRET_LENGTH = 8  # characters: shorter texts, as "8080", are common words


def mask_values(mistakes: Iterable[Mistake], sources: Sequence[Source]) -> list[Mistake]:
    """Replace texts from variables, which may be misplaced secrets, by `${NAME}`.

    The path of a file that could be read is not a secret.
    """
    names = {
        shown: f"${{{name}}}"
        for source in sources
        for value, name in source.variable_values.items()
        for shown in (value, repr(value)[1:-1])
        if len(value) >= _MIN_SECRET_LENGTH
    }
    if not names:
        return list(mistakes)
    values = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))

    def mask(text: str) -> str:
        return values.sub(lambda found: names[found[0]], text)

    masked = [replace(each, message=mask(each.message)) for each in mistakes]
    return [each if each.line else replace(each, file=mask(each.file)) for each in masked]


_AMBIGUOUS = re.compile(
    r"yes|no|on|off|y|n|[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9]*)?"
    r"|[-+]?[0-9]+(_[0-9]*)+",
    re.IGNORECASE,
)
_LIMITS = ("validation", "limits")
"""Where `off` can only mean that there is no limit."""
_PLAIN: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (  # YAML 1.2, core schema
    (re.compile(r"null|Null|NULL|~|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?(0|[1-9][0-9]{0,17})"), int),
    (re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}"), float),
)
_SURROGATE = re.compile("[\ud800-\udfff]")  # YAML can write them; in a variable, they stand for invalid bytes
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<broken>\$\{)")


def parse_plain(text: str) -> Any:
    """Return the value of a scalar without quotes in YAML 1.2's core schema."""
    return next((convert(text) for pattern, convert in _PLAIN if pattern.fullmatch(text)), text)


# No indicator at the start; inside, none that begins a comment, ends a key or structures a flow
_UNQUOTED = re.compile(r"[A-Za-z0-9/](?:[^\s:#{}\[\],\x00-\x1f\x7f-\x9f]|:(?!\s|$)| (?=[^\s#]))*", re.ASCII)


def can_be_bare(text: str) -> bool:
    """Whether a text needs no quotation marks; U+2028 is a line break in YAML."""
    is_plain = text.isprintable() and _UNQUOTED.fullmatch(text) and not _AMBIGUOUS.fullmatch(text)
    return bool(is_plain) and parse_plain(text) == text


UNFILLED = "<TODO>"
"""What stands in a draft, without quotes, for a value that is not known; a comment behind it says which."""
_COMMENT = re.compile(r" #(.*)")


EMPTY_SECRET = "empty_secret"  # noqa: S105
"""The type of the error of a secret whose variable is empty: the default of the key is no way out."""
SECRET_KEYS = frozenset({"token", "token_sha256", "password", "sid_key", "secret", "url", "redis"})
"""Keys whose values messages do not show."""
_FILLERS = (
    *("x", "1", "true", "https", "127.0.0.1:0", "10.0.0.0", "https://x.example", "redis://x.example"),
    *("UTC", "400", "0" * 64),
)
"""What an unknown variable may stand for: each type of value accepts one of these."""


class _Reader:
    """Turns nodes into values, and records the position of each and everything that is not allowed."""

    def __init__(self, source: Source, variables: Mapping[str, str], text: str) -> None:
        self._source = source
        self._text = text
        self._variables = variables
        self._nodes: set[int] = set()
        self._resolver = yaml.SafeLoader("")

    def read(self, node: yaml.Node, key_path: KeyPath) -> Any:
        self._source.positions.setdefault(key_path, (node.start_mark.line + 1, node.start_mark.column + 1))
        before = len(self._source.mistakes)
        value = self._read_node(node, key_path)
        if len(self._source.mistakes) > before:
            self._source.broken.add(key_path)
        return value

    def _read_node(self, node: yaml.Node, key_path: KeyPath) -> Any:
        if id(node) in self._nodes:
            return self._report(node, "an alias (*name) is not allowed; write the value out")
        self._nodes.add(id(node))
        if node.tag != self._implicit_tag(node):
            return self._report(node, "a tag (!name) is not allowed")
        match node:
            case yaml.MappingNode():
                return self._read_mapping(node, key_path)
            case yaml.SequenceNode():
                return [self.read(item, (*key_path, index)) for index, item in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._read_scalar(node, key_path)
            case _:
                return self._report(node, "is not allowed here")

    def _implicit_tag(self, node: yaml.Node) -> str:
        is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
        resolve: Callable[..., str] = self._resolver.resolve
        return resolve(type(node), node.value, (is_plain, not is_plain))

    def _read_mapping(self, node: yaml.MappingNode, key_path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or name == "<<" or _SURROGATE.search(name):
                self._report(key, "a key must be a plain word")
            elif name in mapping:
                self._report(key, f"the key {name!r} is a duplicate")
            else:
                here = (*key_path, name)
                self._source.positions[here] = (key.start_mark.line + 1, key.start_mark.column + 1)
                mapping[name] = self.read(value, here)
        return mapping

    def _read_scalar(self, node: yaml.ScalarNode, key_path: KeyPath) -> Any:
        value = self._parse_scalar(node, key_path)
        if isinstance(value, str) and _SURROGATE.search(value):
            return self._report(node, "is not text: it contains an unpaired surrogate")
        return value

    def _parse_scalar(self, node: yaml.ScalarNode, key_path: KeyPath) -> Any:
        if "${" in node.value:
            named = (found["name"] for found in _VARIABLE.finditer(node.value))
            self._source.variables[key_path] = tuple(name for name in named if name)
            return self._expand(node, key_path)
        is_limit_off = node.value == "off" and key_path[:2] == _LIMITS
        if node.style is None and _AMBIGUOUS.fullmatch(node.value) and not is_limit_off:
            shown = "this" if key_path[-1:] and key_path[-1] in SECRET_KEYS else repr(node.value)
            return self._report(node, f"{shown} is an ambiguous YAML 1.1 value: put it in quotes")
        if node.style is None and node.value == UNFILLED:
            return self._report(node, f"{UNFILLED} is not filled in yet{self._find_comment(node)}")
        return parse_plain(node.value) if node.style is None else node.value

    def _find_comment(self, node: yaml.ScalarNode) -> str:
        """Return the comment behind a value, which says what to look up."""
        line = self._text.splitlines()[node.end_mark.line][node.end_mark.column :]
        found = _COMMENT.search(line)
        return f":{found[1]}" if found else ""

    def _expand(self, node: yaml.ScalarNode, key_path: KeyPath) -> Expanded | None:
        """Replace the variables in a text; unknown ones stand for any value that fits."""
        defaults = [found["default"] for found in _VARIABLE.finditer(node.value)]

        def fill(unknown: str) -> Expanded:
            text = _VARIABLE.sub(lambda found: self._replace_variable(found, node, unknown), node.value)
            is_empty = any(default is not None for default in defaults)
            return Expanded(text, has_default=any(defaults), may_be_empty=is_empty)

        if self._source.is_without_secrets and fill(_FILLERS[0]) != fill(_FILLERS[1]):
            self._source.unknown[key_path] = map(fill, _FILLERS[1:])
        before = len(self._source.mistakes)
        text = fill(_FILLERS[0])
        return text if len(self._source.mistakes) == before else None

    def _replace_variable(self, found: re.Match[str], node: yaml.ScalarNode, unknown: str) -> str:
        name, default = found["name"], found["default"]
        if name is None:
            self._report(node, "a variable is written ${NAME} or ${NAME:-default}")
            return ""
        try:
            value = self._find_variable(name)
        except ValueError as error:
            if self._source.is_without_secrets:
                return unknown
            self._report(node, str(error))
            return ""
        if value:
            self._source.variable_values[value] = name
            return value
        if not default and self._source.is_without_secrets:
            return unknown
        if default is None and name not in self._variables:
            self._report(node, f"the variable {name} is not set")
        return default or ""

    def _find_variable(self, name: str) -> str:
        """Return the text of a variable or of the file that it names, '' for none; ValueError for no text."""
        file = self._variables.get(f"{name}_FILE")
        value = self._variables.get(name) or (read_text(file) if file else "")
        if _SURROGATE.search(value):
            raise ValueError(f"the variable {name} is not UTF-8 text")
        return value

    def _report(self, node: yaml.Node, message: str) -> None:
        mark = node.start_mark
        self._source.mistakes.append(Mistake(self._source.file, mark.line + 1, mark.column + 1, message))
