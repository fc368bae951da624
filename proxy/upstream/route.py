"""How a connection to an upstream is made: directly, through a proxy or to a unix socket, with TLS or not."""

import asyncio
import base64
import errno
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import aiohappyeyeballs
from yarl import URL

from proxy.net.tls import check_system_trust, client_context
from proxy.upstream.connection import UpstreamConnection

_PER_ADDRESS = 5.0  # seconds, its TLS handshake included
_NEXT_ADDRESS = 0.25  # seconds after which another one is tried beside it (RFC 8305 section 5)
_ADDRESSES_LAST = 10.0  # seconds
DEFAULT_AGE = 60.0  # seconds

Factory = Callable[[], UpstreamConnection]


@dataclass(frozen=True, slots=True)
class UpstreamRoute:
    """What stands between this machine and an upstream; by default nothing but what the system trusts."""

    tls: ssl.SSLContext | None = None
    """For https: its own authorities, a client certificate, or both."""
    proxy: str = field(default="", repr=False)
    """The URL of an HTTP proxy that does CONNECT; user and password in it are sent to the proxy alone."""
    unix_path: str = ""
    """A socket that takes the place of host and port; the URL still says Host, and the certificate's name."""
    server_name: str = ""
    """The name that the certificate has to have, instead of the host of the URL."""
    max_age: float = DEFAULT_AGE
    """Seconds for which a connection is used again, and a looked-up address at most."""
    origin: str = ""
    """The only origin that `tls`, `unix_path` and `server_name` are for, as `https://h:1`; "" for any."""

    def for_origin(self, origin: str) -> "UpstreamRoute":
        """Return what is for `origin`: credentials, as a client certificate, are for one alone."""
        if self.origin in ("", origin) or _place(self.origin) == _place(origin):
            return self
        return UpstreamRoute(proxy=self.proxy, max_age=self.max_age)


def _place(origin: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port in one spelling; ValueError for what is no URL."""
    url = URL(origin)
    return url.scheme, (url.raw_host or "").rstrip("."), url.port


class ProxyRefusalError(ConnectionRefusedError):
    """A proxy has answered a request for a tunnel with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(errno.ECONNREFUSED, f"the proxy answered {status}")
        self.status = status


class Origin:
    """The scheme, host and port of an upstream, and the way to it."""

    def __init__(
        self, url: str, route: UpstreamRoute | None = None, trust: ssl.SSLContext | None = None
    ) -> None:
        """Read `url`; ValueError where it has no host. Without `trust`, that of the system counts."""
        self.url = URL(url)
        if self.url.host_port_subcomponent is None or not self.url.raw_host:
            raise ValueError("no host")
        self.host_header: str = self.url.host_port_subcomponent
        self._host, self._port = self.url.raw_host, self.url.port
        self.follow(route, trust)
        self._lookup: asyncio.Task[Any] | None = None
        self._lookup_ends = 0.0

    def follow(self, route: UpstreamRoute | None, trust: ssl.SSLContext | None) -> None:
        """Make connections by another route from now on."""
        route = route or UpstreamRoute()
        self._tls: dict[str, Any] = {"ssl": None}
        if self.url.scheme == "https":
            self._tls = {
                "ssl": route.tls or trust or _default_tls(),
                "server_hostname": route.server_name or self._host.rstrip("."),
            }
        self._proxy = (
            Origin(route.proxy, UpstreamRoute(max_age=route.max_age), trust) if route.proxy else None
        )
        self._unix_path = route.unix_path
        self.max_age = route.max_age

    @property
    def details(self) -> Mapping[str, str]:
        """What stands between, for an operator; without credentials."""
        if self._proxy:
            return {"proxy": self._proxy.host_header}
        return {"socket": self._unix_path} if self._unix_path else {}

    async def connect(self, make: Factory) -> UpstreamConnection:
        """Return a new connection; OSError, TimeoutError or ValueError where there is none."""
        loop = asyncio.get_running_loop()
        if self._proxy:
            return await self._connect_through(self._proxy, make)
        if self._unix_path:
            return (await loop.create_unix_connection(make, self._unix_path, **self._tls))[1]
        addresses = list(await self._addresses())
        while True:
            try:
                async with asyncio.timeout(_PER_ADDRESS):
                    connected = await aiohappyeyeballs.start_connection(
                        addresses, happy_eyeballs_delay=_NEXT_ADDRESS
                    )
                    return (await loop.create_connection(make, sock=connected, **self._tls))[1]
            except OSError:  # of which TimeoutError is one, and so are those of TLS
                aiohappyeyeballs.pop_addr_infos_interleave(addresses, 1)
                if not addresses:
                    raise

    async def _connect_through(self, proxy: "Origin", make: Factory) -> UpstreamConnection:
        outer = await proxy.connect(make)
        try:
            return await self._tunnel(outer, self._connect_request(proxy.url), make)
        except BaseException:
            outer.close()
            raise

    async def _tunnel(self, outer: UpstreamConnection, request: bytes, make: Factory) -> UpstreamConnection:
        """Ask a proxy for a tunnel (RFC 9110 section 9.3.6), and begin TLS inside it for https."""
        answer = await outer.exchange(request, is_head=True)
        if answer.status // 100 != 2:
            raise ProxyRefusalError(answer.status)
        if self._tls["ssl"] is None:
            return outer
        inner = make()
        context, name = self._tls["ssl"], self._tls["server_hostname"]
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(outer.transport, inner, context, server_hostname=name)
        if transport is None:
            raise ConnectionResetError("closed within the handshake")
        inner.connection_made(transport)
        return inner

    def _connect_request(self, proxy: URL) -> bytes:
        authority = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if proxy.user is not None or proxy.password is not None:
            credentials = base64.b64encode(f"{proxy.user or ''}:{proxy.password or ''}".encode())
            lines.append(f"Proxy-Authorization: Basic {credentials.decode()}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    async def _addresses(self) -> list[Any]:
        """Look the host up, once for all connections within ten seconds; less where they do not last so."""
        loop, where = asyncio.get_running_loop(), (self._host, self._port)
        try:  # an address needs no lookup
            return socket.getaddrinfo(*where, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass
        if self._lookup is None or self._lookup_ends < loop.time():
            self._lookup_ends = loop.time() + min(_ADDRESSES_LAST, self.max_age)
            self._lookup = loop.create_task(
                loop.getaddrinfo(*where, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            )
            self._lookup.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            return await asyncio.shield(self._lookup)  # a caller that gives up takes nothing from others
        except OSError:
            self._lookup = None
            raise


_default_tls = cache(client_context)


def read_trust() -> ssl.SSLContext:
    """Return a context with the authorities that the system trusts now.

    OSError, of which SSLError is one, where SSL_CERT_FILE cannot be used: nothing would be trusted.
    """
    check_system_trust()
    return client_context()
