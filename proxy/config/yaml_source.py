"""YAML text → plain values, with the place of each; the only module that imports yaml.

The dialect is a safe subset: one document, no aliases, no tags, no duplicate keys, and none of the plain
scalars that YAML 1.1 turns into something unexpected (`no`, `0123`, `12:30:45`). `${NAME}` and
`${NAME:-default}` are replaced inside scalars after parsing, so a value can never change the structure.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import yaml

Location = tuple[str | int, ...]

_MOST = 8 * 1024 * 1024  # bytes: of a device there is no end


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """Something wrong in a file, and where: line and column count from 1, 0 where there is no place."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """Return `file:line:column: message`, which editors can jump to and any terminal can show."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        shown = (each if each.isprintable() else ascii(each)[1:-1] for each in f"{place}: {self.message}")
        return "".join(shown)

    def as_warning(self) -> str:
        """Return the same for something that works nevertheless."""
        return str(replace(self, message=f"warning: {self.message}"))


class Expanded(str):
    """Text that came, in part at least, from a variable: the one way for a secret to stand in a file."""

    __slots__ = ("has_default",)
    has_default: bool
    """Whether the file has a text for it too, where the variable is not set: no way for a secret."""

    def __new__(cls, text: str, *, has_default: bool = False) -> Self:
        """Return `text` as such."""
        expanded = super().__new__(cls, text)
        expanded.has_default = has_default
        return expanded


@dataclass(slots=True)
class Source:
    """A YAML file as plain values, the place of each value, and what was wrong with it so far."""

    file: str
    data: Any = field(default=None, repr=False)
    """Not shown: variables have brought secrets into it."""
    places: dict[Location, tuple[int, int]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    broken: set[Location] = field(default_factory=set)
    """Where mistakes have been found already, so that what follows from them need not be told."""
    variables: dict[Location, tuple[str, ...]] = field(default_factory=dict)
    """The variables that a value was written with."""
    brought: dict[str, str] = field(default_factory=dict, repr=False)
    """The values of variables, each with the name of one."""

    def mistake_at(self, location: Location, message: str) -> Mistake:
        """Return a mistake at the value at `location`, or at the nearest thing around it."""
        return Mistake(self.file, *self.place_of(location), message)

    def place_of(self, location: Location) -> tuple[int, int]:
        """Return line and column of the value at `location`, or of the nearest thing around it."""
        while location and location not in self.places:
            location = location[:-1]
        return self.places.get(location, (0, 0))


def content(file: str | Path) -> bytes:
    """Return what a file holds; OSError where it cannot be read, or is none that somebody has written."""
    try:
        with open(file, "rb", opener=_without_waiting) as opened:
            os.set_blocking(opened.fileno(), True)
            found = opened.read(_MOST + 1)
    except ValueError:  # for what no file can be called
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
    if len(found) > _MOST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return found


def _without_waiting(file: str, flags: int) -> int:
    """Open a file, be it a pipe that nobody writes into: it is empty then, instead of never read."""
    return os.open(file, flags | os.O_NONBLOCK)


def read(path: Path, variables: Mapping[str, str]) -> Source:
    """Read a file; what is wrong with it stands in the source's `mistakes`."""
    source, text = Source(str(path)), ""

    def refuse(place: tuple[int, int], message: str) -> None:
        source.mistakes.append(Mistake(source.file, *place, message))

    try:
        text = content(path).decode()
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = _Reader(source, variables).value(node, ()) if node else None
        source.data = {} if value is None and not source.mistakes else value
    except OSError as error:
        refuse((0, 0), f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        refuse(_end(error.object[: error.start].decode()), "is not UTF-8 text")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        refuse((mark.line + 1, mark.column + 1) if mark else (0, 0), f"is not valid YAML: {error.problem}")
    except yaml.reader.ReaderError as error:
        refuse(
            _end(text[: error.position]), f"is not valid YAML: holds the character U+{error.character:04X}"
        )
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):  # the last two for \UFFFFFFFF
        refuse((0, 0), "is not valid YAML")
    return source


def _end(text: str) -> tuple[int, int]:
    """Return the line and the column behind a text."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


_SHORTEST_SECRET = 8  # characters; "yes" or "8080" may stand anywhere


def without_values(mistakes: Iterable[Mistake], sources: Sequence[Source]) -> list[Mistake]:
    """Put `${NAME}` in the place of what a variable has brought, which may be a secret in the wrong place.

    The path of a file that could be read is none.
    """
    names = {
        shown: f"${{{name}}}"
        for source in sources
        for value, name in source.brought.items()
        for shown in (value, repr(value)[1:-1])
        if len(value) >= _SHORTEST_SECRET
    }
    if not names:
        return list(mistakes)
    values = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))

    def hidden(text: str) -> str:
        return values.sub(lambda found: names[found[0]], text)

    return [
        replace(each, message=hidden(each.message), file=each.file if each.line else hidden(each.file))
        for each in mistakes
    ]


_ODD = re.compile(
    r"yes|no|on|off|y|n|[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9]*)?"
    r"|[-+]?[0-9]+(_[0-9]*)+",
    re.IGNORECASE,
)
_PLAIN: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (  # YAML 1.2, core schema
    (re.compile(r"null|Null|NULL|~|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?(0|[1-9][0-9]{0,17})"), int),
    (re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}"), float),
)
_HALF = re.compile("[\ud800-\udfff]")  # which YAML can write, and which stands for odd bytes of a variable
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<broken>\$\{)")


def plain(text: str) -> Any:
    """Return what a scalar without quotes means in YAML 1.2's core schema."""
    return next((convert(text) for pattern, convert in _PLAIN if pattern.fullmatch(text)), text)


# No indicator at the start, and none within that begins a comment, ends a key or structures a flow
_BARE = re.compile(r"[A-Za-z0-9/](?:[^\s:#{}\[\],\x00-\x1f\x7f-\x9f]|:(?!\s|$)| (?=[^\s#]))*", re.ASCII)


def means_itself(text: str) -> bool:
    """Whether a string may stand in YAML without quotes."""
    return bool(_BARE.fullmatch(text)) and not _ODD.fullmatch(text) and plain(text) == text


class _Reader:
    """AcceptShares nodes into values, and notes the place of each and everything that is not allowed."""

    def __init__(self, source: Source, variables: Mapping[str, str]) -> None:
        self._source = source
        self._variables = variables
        self._nodes: set[int] = set()
        self._resolver = yaml.SafeLoader("")

    def value(self, node: yaml.Node, location: Location) -> Any:
        self._source.places.setdefault(location, (node.start_mark.line + 1, node.start_mark.column + 1))
        before = len(self._source.mistakes)
        value = self._value(node, location)
        if len(self._source.mistakes) > before:
            self._source.broken.add(location)
        return value

    def _value(self, node: yaml.Node, location: Location) -> Any:
        if id(node) in self._nodes:
            return self._wrong(node, "an alias (*name) is not allowed; write the value out")
        self._nodes.add(id(node))
        if node.tag != self._implicit_tag(node):
            return self._wrong(node, "a tag (!name) is not allowed")
        match node:
            case yaml.MappingNode():
                return self._mapping(node, location)
            case yaml.SequenceNode():
                return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._scalar(node, location)
            case _:
                return self._wrong(node, "is not allowed here")

    def _implicit_tag(self, node: yaml.Node) -> str:
        is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
        resolve: Callable[..., str] = self._resolver.resolve
        return resolve(type(node), node.value, (is_plain, not is_plain))

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or name == "<<" or _HALF.search(name):
                self._wrong(key, "a key must be a plain word")
            elif name in mapping:
                self._wrong(key, f"the key {name!r} stands here twice")
            else:
                at = (*location, name)
                self._source.places[at] = (key.start_mark.line + 1, key.start_mark.column + 1)
                mapping[name] = self.value(value, at)
        return mapping

    def _scalar(self, node: yaml.ScalarNode, location: Location) -> Any:
        value = self._meant(node, location)
        if isinstance(value, str) and _HALF.search(value):
            return self._wrong(node, "is no text: half a character stands in it")
        return value

    def _meant(self, node: yaml.ScalarNode, location: Location) -> Any:
        if "${" in node.value:
            named = (found["name"] for found in _VARIABLE.finditer(node.value))
            self._source.variables[location] = tuple(name for name in named if name)
            return self._expand(node)
        if node.style is None and _ODD.fullmatch(node.value):
            message = f"{node.value!r} means different things to different readers: put it in quotes"
            return self._wrong(node, message)
        return plain(node.value) if node.style is None else node.value

    def _expand(self, node: yaml.ScalarNode) -> Expanded | None:
        """Put variables in. The result is text, whatever it looks like; an empty one is no value at all."""
        text = _VARIABLE.sub(lambda found: self._variable(found, node), node.value)
        has_default = any(found["default"] for found in _VARIABLE.finditer(node.value))
        return Expanded(text, has_default=has_default) if text else None

    def _variable(self, found: re.Match[str], node: yaml.ScalarNode) -> str:
        name, default = found["name"], found["default"]
        if name is None:
            self._wrong(node, "a variable is written ${NAME} or ${NAME:-default}")
            return ""
        value, file = self._variables.get(name), self._variables.get(f"{name}_FILE")
        if value or file:
            value = value or self._content(file or "", node)
            if _HALF.search(value):
                self._wrong(node, f"the variable {name} is not UTF-8 text")
                return ""
            self._source.brought[value] = name
            return value
        if default is None and name not in self._variables:
            self._wrong(node, f"the variable {name} is not set")
        return default or ""

    def _content(self, file: str, node: yaml.ScalarNode) -> str:
        try:
            return content(file).decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            self._wrong(node, f"the file {file} cannot be read")
            return ""

    def _wrong(self, node: yaml.Node, message: str) -> None:
        mark = node.start_mark
        self._source.mistakes.append(Mistake(self._source.file, mark.line + 1, mark.column + 1, message))
