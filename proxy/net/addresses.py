"""Addresses to listen on: `HOST:PORT` as text and as a value."""

import re
from typing import Any, NamedTuple

_HOST = re.compile(r"[A-Za-z0-9.-]*|\[[0-9A-Fa-f:.%a-z0-9]+\]")
_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class Address(NamedTuple):
    """A host and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def reached_at(self) -> "Address":
        """Return where this machine itself reaches an address; one on every interface is no host to call."""
        return Address(_LOOPBACK.get(self.host, self.host), self.port)


def parse_address(text: Any) -> Address:
    """Read `HOST:PORT`, `[IPV6]:PORT` or `:PORT` (every interface); ValueError for anything else."""
    host, colon, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    if not _HOST.fullmatch(host) or not colon or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError("write HOST:PORT, for example 127.0.0.1:8080")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))
