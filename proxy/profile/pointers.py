"""JSON Pointers (RFC 6901), compiled once and evaluated often."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

_INDEX = re.compile("0|[1-9][0-9]{0,8}")


@lru_cache(maxsize=1024)  # the pointers of all profiles in use, so that no page and no error compiles any
def compile_pointers(pointers: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return a function that finds the first value of `pointers` that is not null; None if there is none."""
    paths = [parse_pointer(pointer) for pointer in pointers]
    if [len(path) for path in paths] == [1]:  # as for most fields of an item
        (token,) = paths[0]
        return lambda document: document.get(token) if type(document) is dict else _find(document, (token,))

    def find(document: Any) -> Any:
        for path in paths:
            if (value := _find(document, path)) is not None:
                return value
        return None

    return find


def compile_pointers_of_column(pointers: tuple[str, ...]) -> Callable[[Sequence[Any]], list[Any]]:
    """Return a function that does the same in each of many documents."""
    find = compile_pointers(pointers)
    path = parse_pointer(pointers[0])
    if len(pointers) > 1 or len(path) != 1:
        return lambda documents: [find(document) for document in documents]
    (token,) = path

    def find_each(documents: Sequence[Any]) -> list[Any]:
        try:
            return [document[token] for document in documents]
        except (KeyError, TypeError):  # an item without the key, or not an object
            return [find(document) for document in documents]

    return find_each


def is_null(document: Any, pointer: str) -> bool:
    """Whether `pointer` leads to a null that is there, not to nothing."""
    if not pointer:
        return document is None
    *path, last = parse_pointer(pointer)
    holder = _find(document, tuple(path))
    return isinstance(holder, dict) and last in holder and holder[last] is None


def is_index(token: str) -> bool:
    """Whether a token of a pointer may lead into an array."""
    return _INDEX.fullmatch(token) is not None


def parse_pointer(pointer: str) -> tuple[str, ...]:
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def is_inside(inner: str, outer: str) -> bool:
    """Whether what a pointer leads to is what another one leads to, or a part of it."""
    path, above = parse_pointer(inner), parse_pointer(outer)
    return path[: len(above)] == above


def follow(value: Any, path: tuple[str, ...]) -> tuple[Any, int]:
    """Return the last value on the way of `path` through a document, and how many tokens lead to it."""
    for depth, token in enumerate(path):
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and is_index(token) and int(token) < len(value):
            value = value[int(token)]
        else:
            return value, depth
    return value, len(path)


def _find(value: Any, path: tuple[str, ...]) -> Any:
    for token in path:
        if isinstance(value, dict):
            value = value.get(token)
        elif isinstance(value, list) and is_index(token) and int(token) < len(value):
            value = value[int(token)]
        else:
            return None
    return value
