"""How each kind of upstream leads from one page of a list to the next: a table of pure strategies."""

from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from proxy.errors import BAD_UPSTREAM, LegacyError
from proxy.upstream.calls import Call
from proxy.upstream.language import NextUrl, Paging
from proxy.upstream.pointers import follow


def next_call(paging: Paging, call: Call, page: Any) -> Call | None:
    """Return the call for the page after `page`, which answered `call`; None at the end of the list."""
    return _STRATEGIES[paging.strategy](paging, call, page)


def _next_url(paging: NextUrl, call: Call, page: Any) -> Call | None:
    target = follow(paging.next)(page)
    if target is None or target == "":
        return None
    if not isinstance(target, str):
        raise LegacyError(BAD_UPSTREAM)
    try:
        url = urljoin(call.url, target)
        if _same_origin(url, call.url):
            return replace(call, url=url)
    except ValueError:  # from urllib, for what is no URL at all
        pass
    raise LegacyError(BAD_UPSTREAM)


def _same_origin(url: str, other: str) -> bool:
    """Compare scheme, host and port: credentials go nowhere else."""
    return _origin(url) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None, bool]:
    split = urlsplit(url)
    port = split.port or {"http": 80, "https": 443}.get(split.scheme)
    return split.scheme, split.hostname, port, "@" in split.netloc


_STRATEGIES = {"next_url": _next_url}
