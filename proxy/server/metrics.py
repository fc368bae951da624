"""The listener for operators: metrics, health, readiness. DNS rebinding is answered with 403."""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from aiohttp import hdrs

from proxy.errors import FORBIDDEN, METHOD_NOT_ALLOWED, NOT_FOUND, Fault
from proxy.legacy import Answer
from proxy.observe.counters import EXPOSITION_TYPE, Counters
from proxy.server.reading import RequestHead

_HOST = re.compile(r"(\[[^\[\]]*\]|[^\[\]@:/?#]*)(?::.*)?")  # urlsplit differs by version
_PLAIN = "text/plain; charset=utf-8"

_HEADERS: Mapping[str, str] = {
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Metrics:
    """Shows the `counters`, and whether requests should still be sent here."""

    def __init__(self, counters: Counters, host: str, is_draining: Callable[[], bool]) -> None:
        """Answer requests to `host`, which is listened on."""
        self._host = host
        self._pages: Mapping[str, Callable[[], Answer]] = {
            "/metrics": lambda: Answer(200, EXPOSITION_TYPE, _expose(counters), _HEADERS),
            "/healthz": lambda: _plain(200, "it runs"),
            "/readyz": lambda: (
                _plain(503, "it is about to stop") if is_draining() else _plain(200, "it serves")
            ),
        }

    async def answer(self, head: RequestHead, body: bytes, connected: str) -> Answer:
        del body, connected  # no page takes one, and a peer that may connect may read
        if not _is_local(head.headers.get(hdrs.HOST), self._host):
            return self.refuse(FORBIDDEN)
        page = self._pages.get(head.path.partition("?")[0])
        if page is None:
            return self.refuse(NOT_FOUND)
        if head.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
            return self.refuse(METHOD_NOT_ALLOWED.with_header("Allow", "GET, HEAD"))
        return page()

    def from_cache(self, head: RequestHead, connected: str) -> None: ...

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        del target
        return _plain(fault.status, fault.message, fault.headers)


def _expose(counters: Counters) -> bytes:
    from proxy.observe.exposition import expose  # noqa: PLC0415 - a library that only /metrics needs

    return expose(counters)


def _plain(status: int, text: str, headers: Mapping[str, str] = _HEADERS) -> Answer:
    return Answer(status, _PLAIN, f"{text}\n".encode(), {**_HEADERS, **headers})


def _is_local(host: str | None, own: str) -> bool:
    """Whether a Host cannot be another site's name that resolves to this address: such a name has a dot.

    A name without a dot is of this network, an address is no name, and every browser sends a Host.
    """
    if host is None:
        return True
    try:
        name = found[1].lower().strip("[]") if (found := _HOST.fullmatch(host)) else None
        return name is not None and (name == own.lower() or "." not in name or bool(ip_address(name)))
    except ValueError:
        return False
