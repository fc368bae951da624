"""The listener for operators: metrics, health, readiness. DNS rebinding is answered with 403."""

import logging
import re
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from ipaddress import ip_address
from threading import Thread

from aiohttp import hdrs

from proxy.errors import FORBIDDEN, METHOD_NOT_ALLOWED, NOT_FOUND, Fault
from proxy.legacy import Answer
from proxy.observe.counters import EXPOSITION_TYPE, Counters
from proxy.server.reading import RequestHead

_log = logging.getLogger("proxy.server")

# Without the Host, which is a stranger's text
_REFUSED = (
    "metrics: a request was refused with 403, as its Host is neither an address nor a name of this host; "
    "if the name is right, add it to metrics.hosts"
)
_HOST = re.compile(r"(\[[^\[\]]*\]|[^\[\]@:/?#]*)(?::.*)?")  # urlsplit differs by version
_PLAIN = "text/plain; charset=utf-8"

_HEADERS: Mapping[str, str] = {
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def _find_own_names(address: str) -> Collection[str]:
    """Return the names of this host in lower case, with the host of an `address` that is listened on.

    The full name follows once it is known: a resolver may take long. (A thread of the loop's executor would
    delay the end of the process as well.)
    """
    names = {address.lower(), socket.gethostname().lower()}

    def look_up() -> None:
        with suppress(OSError, UnicodeError):
            names.add(socket.getfqdn().lower())

    Thread(target=look_up, daemon=True).start()
    return names


class Metrics:
    """Shows the `counters`, and whether requests should still be sent here."""

    hosts: Collection[str] = ()
    """More names, in lower case, by which requests may call this host."""

    def __init__(self, counters: Counters, address: str, find_obstacle: Callable[[], str]) -> None:
        """Answer requests to this host, which listens on the host of an `address`.

        `find_obstacle` says why no more requests should be sent here; '' where they should.
        """
        self._own = _find_own_names(address)
        self._pages: Mapping[str, Callable[[], Answer]] = {
            "/metrics": lambda: Answer(200, EXPOSITION_TYPE, _expose(counters), _HEADERS),
            "/healthz": lambda: _plain(200, "it runs"),
            "/readyz": lambda: (
                _plain(503, obstacle) if (obstacle := find_obstacle()) else _plain(200, "it serves")
            ),
        }

    async def answer(self, head: RequestHead, body: bytes, connected: str) -> Answer:
        del body, connected  # no page takes one, and a peer that may connect may read
        if not self._is_addressed(head.headers.get(hdrs.HOST)):
            _log.warning(_REFUSED)
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

    def _is_addressed(self, host: str | None) -> bool:
        """Whether a Host cannot be another site's name that resolves to this address: such a name has a dot.

        A name without a dot is of this network, an address is no name, and every browser sends a Host.
        """
        if host is None:
            return True
        try:
            if (found := _HOST.fullmatch(host)) is None:
                return False
            name = found[1].lower().removesuffix(".")
            is_known = name in self._own or name in self.hosts
            return is_known or "." not in name or ip_address(name.strip("[]")) is not None
        except ValueError:
            return False


def _expose(counters: Counters) -> bytes:
    from proxy.observe.exposition import expose  # noqa: PLC0415 - a library that only /metrics needs

    return expose(counters)


def _plain(status: int, text: str, headers: Mapping[str, str] = _HEADERS) -> Answer:
    return Answer(status, _PLAIN, f"{text}\n".encode(), {**_HEADERS, **headers})
