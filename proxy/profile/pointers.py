"""JSON Pointers (RFC 6901), compiled once and followed often."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

_INDEX = re.compile("0|[1-9][0-9]{0,8}")


@lru_cache(maxsize=1024)  # those of every profile in use: a page or an error compiles nothing
def follow(pointers: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return a function that finds the first of `pointers` that holds something; None where none does."""
    paths = [path_of(pointer) for pointer in pointers]
    if [len(path) for path in paths] == [1]:  # as of most of an item's fields
        (token,) = paths[0]
        return lambda document: document.get(token) if type(document) is dict else _at(document, (token,))

    def find(document: Any) -> Any:
        for path in paths:
            if (value := _at(document, path)) is not None:
                return value
        return None

    return find


def follow_each(pointers: tuple[str, ...]) -> Callable[[Sequence[Any]], list[Any]]:
    """Return a function that does what `follow` does in each of many documents."""
    find = follow(pointers)
    path = path_of(pointers[0])
    if len(pointers) > 1 or len(path) != 1:
        return lambda documents: [find(document) for document in documents]
    (token,) = path

    def find_each(documents: Sequence[Any]) -> list[Any]:
        try:
            return [document[token] for document in documents]
        except (KeyError, TypeError):  # one of them is without it, or no object at all
            return [find(document) for document in documents]

    return find_each


def path_of(pointer: str) -> tuple[str, ...]:
    """Return the steps of a pointer."""
    return tuple(map(_unescape, pointer.split("/")[1:]))


def _unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for token in path:
        if isinstance(value, dict):
            value = value.get(token)
        elif isinstance(value, list) and _INDEX.fullmatch(token) and int(token) < len(value):
            value = value[int(token)]
        else:
            return None
    return value
