"""The attributes of a list: which page this is, and of how many. Each is one line here."""

from collections.abc import Callable, Mapping, Sequence

from proxy.legacy.rendered_list import Page

Attributes = Sequence[tuple[str, str]]


def _pages(page: Page) -> int:
    return -(-page.total // page.size)


_NUMBERS: Mapping[str, Callable[[Page], int]] = {
    "page": lambda page: page.number,
    "numpages": _pages,
    "pagesize": lambda page: page.size,
    "total": lambda page: page.total,
    "start": lambda page: page.number * page.size if page.count else 0,
    "end": lambda page: page.number * page.size + page.count - 1 if page.count else 0,
}
"""`start` and `end` are zero-based; both are 0 where nothing is shown."""

# Which page each URI leads to; None where there is no such page. The last page precedes those past the end.
_URIS: Mapping[str, Callable[[Page], int | None]] = {
    "uri": lambda page: page.number,
    "firstpageuri": lambda page: 0 if page.total else None,
    "previouspageuri": lambda page: (
        min(page.number, _pages(page)) - 1 if page.number and page.total else None
    ),
    "nextpageuri": lambda page: page.number + 1 if page.number + 1 < _pages(page) else None,
    "lastpageuri": lambda page: _pages(page) - 1 if page.total else None,
}


def attributes(page: Page, uri_of: Callable[[int], str] | None = None) -> Attributes:
    """Return the attributes of a list, in order; those of later revisions too where pages have a URI."""
    numbers = [(name, str(number(page))) for name, number in _NUMBERS.items()]
    if uri_of is None:
        return numbers
    uris = ((name, target(page)) for name, target in _URIS.items())
    return numbers + [(name, "" if number is None else uri_of(number)) for name, number in uris]
