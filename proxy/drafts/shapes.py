"""Parts of a description, each with its place: values behind references, and the shapes of JSON. Pure.

Every walk is bounded in depth and in number, so that references which lead back to themselves end.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, Self
from urllib.parse import unquote

_MAX_STEPS = 5_000_000  # less than a minute; a description of 2 MB with 1,500 lists takes 400,000
_MAX_REFERENCES = 32  # in a row
_MAX_PARTS = 64  # of one schema, by allOf, anyOf and oneOf
_MAX_PROPERTIES = 500
_MAX_FIELDS = 1000
_MAX_EXAMPLES = 20
_MAX_NAME = 200  # characters; a longer name of a field is no name
_SURROGATE = re.compile("[\ud800-\udfff]")


def escape(key: str) -> str:
    """Write a key as a part of a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def write_pointer(path: Sequence[str]) -> str:
    return "".join(f"/{escape(each)}" for each in path)


def is_name(name: object) -> bool:
    """Whether a profile can name a field or a parameter so; `<<` is no key, and a surrogate no character."""
    return (
        isinstance(name, str) and 0 < len(name) <= _MAX_NAME and name != "<<" and not _SURROGATE.search(name)
    )


class DescriptionError(Exception):
    """A file is no description, or no profile can be drafted from it; line and column are 0 for the whole."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(slots=True)
class Root:
    """A whole description."""

    value: Any
    steps: int = 0
    """How often a value was looked up."""
    unfollowed: dict[str, str] = field(default_factory=dict)
    """References that lead out of the description, nowhere or in a circle, each with its place."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a description; None where there is none."""

    root: Root
    value: Any
    place: str
    """As a fragment: `#/paths/~1numbers/get`."""

    def get(self, *keys: str | int) -> "Node":
        """Return what is there, behind any references."""
        node = self
        for key in keys:
            node = node.step(key).follow()
        return node

    def step(self, key: str | int) -> "Node":
        """Return what is there as it is, which may be a reference."""
        self.root.steps += 1
        if self.root.steps > _MAX_STEPS:
            raise DescriptionError(f"takes more than {_MAX_STEPS} steps to read, by its references")
        found = None
        if isinstance(self.value, dict) and isinstance(key, str):
            found = self.value.get(key)
        elif isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            found = self.value[key]
        return Node(self.root, found, f"{self.place}/{escape(str(key))}")

    def follow(self) -> "Node":
        """Return the value that references lead to; no value where they are not followed."""
        node = self
        for _ in range(_MAX_REFERENCES):
            target = node.value.get("$ref") if isinstance(node.value, dict) else None
            if not isinstance(target, str):
                return node
            found = self._find(target)
            if found.value is None:
                break
            node = found
        self.root.unfollowed.setdefault(str(self.value.get("$ref")), self.place)
        return Node(self.root, None, self.place)

    def _find(self, target: str) -> "Node":
        """Return what a reference names, with no value where that is not in this description."""
        found = Node(self.root, self.root.value if target[:1] == "#" else None, "#")
        for part in target[1:].split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            is_index = isinstance(found.value, list) and key.isdecimal() and len(key) < 10
            found = found.step(int(key) if is_index else key)
        return found

    def list_items(self) -> Iterator["Node"]:
        """Yield the members of an array."""
        if isinstance(self.value, list):
            yield from (self.get(index) for index in range(min(len(self.value), _MAX_PROPERTIES)))

    def list_entries(self, most: int = _MAX_PROPERTIES) -> Iterator[tuple[str, "Node"]]:
        """Yield the members of an object."""
        if isinstance(self.value, dict):
            yield from ((key, self.get(key)) for key in islice(self.value, most) if isinstance(key, str))

    def text(self, *keys: str) -> str:
        """Return a text that is there, '' for none."""
        found = self.get(*keys).value
        return found if isinstance(found, str) else ""


_TYPES: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
}


@dataclass(frozen=True)
class Shape:
    """What a value of JSON looks like: its schema, or no more than examples."""

    parts: tuple[Node, ...]
    """The schema, and what it is composed of."""
    given: tuple[Any, ...]
    """Examples of this value in examples of what holds it."""
    place: str
    members: Mapping[str, "Shape"] | None = None
    """The fields of a form that has no schema of its own."""

    @classmethod
    def of(cls, node: Node, given: Sequence[Any] = ()) -> Self:
        """Return the shape that a schema describes."""
        parts = tuple(islice(_list_parts(node, 8), _MAX_PARTS))
        return cls(parts, tuple(given[:_MAX_EXAMPLES]), node.place)

    @cached_property
    def examples(self) -> Sequence[Any]:
        found = [part.get(key).value for part in self.parts for key in ("example", "default", "const")]
        found += [each.value for part in self.parts for each in part.get("examples").list_items()]
        return [each for each in (*found, *self.given) if each is not None][:_MAX_EXAMPLES]

    @cached_property
    def types(self) -> frozenset[str]:
        """The types of JSON that it may have, null aside."""
        found: set[str] = set()
        for part in self.parts:
            named = part.get("type").value
            found |= {
                each for each in (named if isinstance(named, list) else [named]) if isinstance(each, str)
            }
            found |= {"object"} if isinstance(part.get("properties").value, dict) else set()
        if not found:
            found = {_TYPES.get(type(each), "") for each in (*self.choices, *self.examples)}
        return frozenset(found - {"null", ""})

    @cached_property
    def is_nullable(self) -> bool:
        """Whether it may be null, by the words of any version."""
        named = [part.get("type").value for part in self.parts]
        has_word = any(
            part.get(key).value is True for part in self.parts for key in ("nullable", "x-nullable")
        )
        return has_word or any(
            each == "null" or (isinstance(each, list) and "null" in each) for each in named
        )

    @cached_property
    def properties(self) -> Mapping[str, "Shape"]:
        """The fields of an object."""
        if self.members is not None:
            return self.members
        objects = [each for each in self.examples if isinstance(each, dict)]
        nodes: dict[str, Node] = {}
        for part in self.parts:
            for name, node in part.get("properties").list_entries():
                nodes.setdefault(name, node)
        found = {
            name: Shape.of(node, [each[name] for each in objects if name in each])
            for name, node in islice(nodes.items(), _MAX_PROPERTIES)
            if is_name(name)
        }
        if not nodes:
            names = dict.fromkeys(name for each in objects for name in each if is_name(name))
            for name in islice(names, _MAX_PROPERTIES):
                values = tuple(each[name] for each in objects if name in each)
                found[name] = Shape((), values, f"{self.place}/{escape(name)}")
        return found

    @cached_property
    def items(self) -> "Shape | None":
        """The items of an array."""
        arrays = [each for each in self.examples if isinstance(each, list)]
        given = [item for each in arrays for item in each][:_MAX_EXAMPLES]
        for part in self.parts:
            if isinstance((node := part.get("items")).value, dict):
                return Shape.of(node, given)
        return Shape((), tuple(given), f"{self.place}/0") if given and "array" in self.types else None

    @cached_property
    def required(self) -> frozenset[str]:
        """The fields that an object always has."""
        named = [each.value for part in self.parts for each in part.get("required").list_items()]
        return frozenset(each for each in named if isinstance(each, str))

    @cached_property
    def choices(self) -> Sequence[Any]:
        """The values that it may have, where these are listed."""
        found = [each.value for part in self.parts for each in part.get("enum").list_items()]
        found += [part.get("const").value for part in self.parts]
        return [each for each in found if isinstance(each, str | int)]

    @cached_property
    def description(self) -> str:
        """What the description says in words, in one line."""
        words = " ".join(part.text(key) for part in self.parts for key in ("title", "description"))
        return " ".join(words[:4000].split())

    @property
    def format(self) -> str:
        return next((found for part in self.parts if (found := part.text("format"))), "").lower()

    @property
    def pattern(self) -> str:
        return next((found for part in self.parts if (found := part.text("pattern"))), "")

    def number(self, key: str) -> Node | None:
        """Return a whole number among its words, such as `maximum`."""
        found = (part.get(key) for part in self.parts)
        return next((each for each in found if type(each.value) is int), None)


def _list_parts(node: Node, depth: int) -> Iterator[Node]:
    yield node
    if depth:
        for word in ("allOf", "anyOf", "oneOf"):
            for each in node.get(word).list_items():
                yield from _list_parts(each, depth - 1)


@dataclass(frozen=True, slots=True)
class FieldShape:
    """A field of an object, or of an object inside it."""

    path: tuple[str, ...]
    shape: Shape
    is_required: bool
    """Whether it and all that hold it are always there."""

    @property
    def pointer(self) -> str:
        return write_pointer(self.path)

    @property
    def place(self) -> str:
        return self.shape.place


def list_fields(shape: Shape, depth: int = 3, *, in_arrays: bool = False) -> Iterator[FieldShape]:
    """Yield the fields of an object, those of the outer objects first; objects and arrays are fields too.

    With `in_arrays`, the first item of an array counts as a field of the name 0.
    """
    waiting = deque([FieldShape((), shape, is_required=True)])
    count = 0
    while waiting and count < _MAX_FIELDS:
        outer = waiting.popleft()
        inner = dict(outer.shape.properties)
        if in_arrays and not inner and "array" in outer.shape.types and (items := outer.shape.items):
            inner = {"0": items}
        for name, each in inner.items():
            is_required = outer.is_required and (name in outer.shape.required or name == "0")
            found = FieldShape((*outer.path, name), each, is_required)
            yield found
            count += 1
            if len(found.path) < depth:
                waiting.append(found)


def find_inside(shape: Shape, path: Sequence[str]) -> Shape | None:
    """Return the shape of what is at a path inside of a value."""
    for each in path:
        if each not in shape.properties:
            return None
        shape = shape.properties[each]
    return shape
