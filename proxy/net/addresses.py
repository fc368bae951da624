"""Addresses to listen on and to connect to: `HOST:PORT` as text and as a value."""

import os
import re
import socket
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from yarl import URL

_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
MAX_PORT = 65535
_OWN_NAMES = (
    "ip6-localhost",
    "ip6-loopback",
    "localhost.localdomain",
    "localhost4",
    "localhost4.localdomain4",
    "localhost6",
    "localhost6.localdomain6",
)
"""Names that the /etc/hosts of distributions gives to the loopback addresses."""
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")  # RFC 1123 section 2.1, and underscores
_MAX_NAME = 253  # characters
_MAX_SOCKET_PATH = 107  # bytes, as Linux has room for
_UNIX_URL = re.compile(
    r"(?P<scheme>https?)\+unix://(?P<path>[^:]*)(?::(?P<prefix>.*))?", re.DOTALL | re.IGNORECASE
)
_ORIGIN = re.compile("(?i:https?)://[^/?#]*")
_WRITE_UNIX_URL = (
    "write http+unix://PATH:PREFIX, as in http+unix:///run/api.sock:/v2, where both begin with a slash"
)


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
    if not colon or not re.fullmatch("[0-9]{1,18}", port):
        raise ValueError("write HOST:PORT, for example 127.0.0.1:8080")
    if int(port) > MAX_PORT:
        raise ValueError(f"a port is a number from 0 to {MAX_PORT}")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not is_bracketed:
        raise ValueError("write an IPv6 address in brackets, for example [::1]:8080")
    bare = host[1:-1] if is_bracketed else host
    if host:
        check_host(bare)
    return Address(bare, int(port))


def split_socket(url: str) -> tuple[str, str]:
    """Return the URL of requests to `url`, and the path of the unix socket that takes them, '' for none.

    `http+unix:///run/api.sock:/v2` is http://localhost/v2 at /run/api.sock. A colon in the path is %3A.
    """
    found = _UNIX_URL.fullmatch(url)
    if found is None:
        return url, ""
    return f"{found['scheme'].lower()}://localhost{found['prefix'] or ''}", unquote(found["path"])


def find_origin(url: str) -> str:
    """Return scheme, host and port of an http or https URL as they are written; '' for another text."""
    found = _ORIGIN.match(url)
    return found[0] if found else ""


def check_socket(path: str) -> None:
    """ValueError for what is no path of a unix socket."""
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise ValueError(f"the path of a socket has at most {_MAX_SOCKET_PATH} bytes")
    if "\0" in path:
        raise ValueError("the path of a socket has no NUL")


def check_url(text: str) -> None:
    """ValueError for what is no URL to send requests to, below which paths begin.

    It is an http or https URL, or one of a unix socket (see `split_socket`).
    """
    if text.partition(":")[0].lower() in ("unix", "http+unix", "https+unix"):
        found = _UNIX_URL.fullmatch(text)
        if not found or found["path"][:1] != "/" or (found["prefix"] or "/")[0] != "/":
            raise ValueError(_WRITE_UNIX_URL)
        text, path = split_socket(text)
        check_socket(path)
    try:
        url = urlsplit(text if re.fullmatch("[!-z|~]*", text) else "")
    except ValueError:
        url = urlsplit("")
    port = url.netloc.rpartition("]")[2].partition(":")[2]
    if url.scheme not in ("http", "https") or not url.hostname or {"?", "#"} & set(text) or "@" in url.netloc:
        raise ValueError("write a URL like https://api.example.com, without user, query or fragment")
    if has_stray_percent(text):
        raise ValueError("a % in a URL is followed by two hexadecimal digits: write %25 for the sign itself")
    if port and not (re.fullmatch("[0-9]{1,18}", port) and 0 < int(port) <= MAX_PORT):
        raise ValueError(f"a port is a number from 1 to {MAX_PORT}")
    check_host(url.hostname)
    try:
        URL(text)  # the client's parser
    except ValueError:
        raise ValueError("the URL cannot be used: its host is not valid") from None


def has_stray_percent(text: str) -> bool:
    """Whether a % does not begin a percent-encoded byte (RFC 3986 section 2.1)."""
    return re.search("%(?![0-9A-Fa-f]{2})", text) is not None


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address; IPv4 that is mapped to IPv6 counts on each version of Python."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def normalize_origin(netloc: str) -> str:
    """Return the host and port that the authority of an http or https URL leads to, in one spelling.

    Its default port stands for both schemes: plain or encrypted, it is one upstream. User names, the case of
    letters, a dot at the end, the notations of IP addresses and the names of this machine make no difference.
    """
    url = URL(f"//{netloc}")
    host = _normalize_host(url.raw_host or "")
    return host if url.explicit_port in (None, 80, 443) else f"{host} {url.explicit_port}"


def _normalize_host(host: str) -> str:
    name = host.lower().rstrip(".")
    with suppress(OSError, ValueError):
        name = socket.inet_ntoa(socket.inet_aton(name))
    with suppress(ValueError):
        address = ip_address(name)
        address = getattr(address, "ipv4_mapped", None) or address
        name = "localhost" if address.is_loopback or address.is_unspecified else address.compressed
    is_here = name in _OWN_NAMES or name.endswith(".localhost")  # RFC 6761 section 6.3
    return "localhost" if is_here else name


def check_host(host: str) -> None:
    """ValueError for what is neither an IP address, IPv6 without brackets, nor a name to look up."""
    with suppress(ValueError):
        IPv6Address(host)
        return
    with suppress(OSError, ValueError):  # the notations of IPv4 that a lookup accepts, as 127.1
        socket.inet_aton("" if re.search(r"\s", host) else host)
        return
    labels = host.removesuffix(".").split(".")
    if ":" in host or labels[-1].isdecimal():
        raise ValueError("the host is not a valid IP address")
    if len(host) > _MAX_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("the host is neither a host name nor an IP address")
