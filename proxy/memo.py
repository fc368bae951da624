"""What has been worked out once and is kept, within bounds: what strangers send must not fill memory."""

from collections.abc import Callable, Sequence
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(dict[K, V]):
    """A function of one value that remembers what it returned; where that is too much, it starts anew."""

    def __init__(self, function: Callable[[K], V], most: int) -> None:
        """Remember `most` values."""
        self._function = function
        self._most = most

    def __missing__(self, key: K) -> V:
        """Work one out."""
        value = self._function(key)
        if len(self) >= self._most:
            self.clear()
        self[key] = value
        return value


def remembering(column: Callable[[Sequence[K]], list[V]], most: int) -> Callable[[Sequence[K]], list[V]]:
    """Return a function of many values at a time that remembers what it returned for each of them."""
    known: dict[K, V] = {}

    def remembered(values: Sequence[K]) -> list[V]:
        try:
            return list(map(known.__getitem__, values))
        except KeyError:
            results = column(values)
        if len(values) <= most:
            if len(known) + len(values) > most:
                known.clear()
            known.update(zip(values, results, strict=True))
        return results

    return remembered
