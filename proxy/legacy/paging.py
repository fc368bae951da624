"""Lists as 2008 cut them: zero-based pages of a size that the client names, and what it is told of them."""

from collections.abc import Callable, Mapping, Sequence

from proxy.model import CallerId, Page

ATTRIBUTES: Mapping[str, Callable[[Page], int]] = {
    "page": lambda page: page.number,
    "numpages": lambda page: -(-page.total // page.size),
    "pagesize": lambda page: page.size,
    "total": lambda page: page.total,
    "start": lambda page: page.number * page.size if page.caller_ids else 0,
    "end": lambda page: page.number * page.size + len(page.caller_ids) - 1 if page.caller_ids else 0,
}
"""The attributes of a list, in order. `start` and `end` are zero-based; both are 0 where nothing is shown."""


def cut(caller_ids: Sequence[CallerId], number: int, size: int) -> Page:
    """Return page `number` of the whole list; it is empty past the end."""
    start = number * size
    return Page(caller_ids[start : start + size], number, size, total=len(caller_ids))
