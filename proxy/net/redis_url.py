"""The URL of a Redis → what makes connections to it. Needs the extra `redis`.

Laws: the library can use what is accepted here; no message shows any part of a URL, which may hold a
password.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from ssl import SSLError
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from proxy.net.addresses import MAX_PORT, check_host, check_socket
from proxy.net.tls import explain_unusable

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

SCHEMES = "write redis://HOST:PORT, rediss://HOST:PORT or unix://PATH"
_ENCODING = (
    "characters of the user name and the password have to be percent-encoded: "
    "write / as %2F, ? as %3F, # as %23, [ as %5B and ] as %5D"
)
_URL = re.compile(r"(redis|rediss|unix)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_SERVER = re.compile(r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>.*))?")

_POSSIBLE: Mapping[str, Callable[[str], bool]] = {
    **dict.fromkeys(("socket_timeout", "socket_connect_timeout"), lambda text: 0 < float(text) < math.inf),
    **dict.fromkeys(("socket_read_size", "max_connections"), lambda text: int(text) > 0),
    **dict.fromkeys(("db", "health_check_interval"), lambda text: int(text) >= 0),
    "client_name": lambda text: re.fullmatch("[!-~]+", text) is not None,
}
"""Options of which the library accepts more values than are of use."""
_TLS_OPTIONS = (
    *("ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile", "ssl_keyfile", "ssl_password"),
    *("ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version", "ssl_ciphers"),
    *("ssl_include_verify_flags", "ssl_exclude_verify_flags"),
)
_TEXTS = ("username", "password", "socket_keepalive", "retry_on_timeout")
_OPTIONS = frozenset({*_POSSIBLE, *_TLS_OPTIONS, *_TEXTS})
"""What a URL may set. Other options, as decode_responses, change what replies look like, or are no text."""


def connections(url: str) -> "Callable[[], AbstractConnection]":
    """Return what makes connections, not connected yet; ValueError where the library cannot use `url`.

    ImportError without the library, which is only imported where it is needed.
    """
    _check_parts(url)
    # With an empty password OpenSSL refuses an encrypted key; without one it would ask the terminal
    tls = {"ssl_password": ""} if url.startswith("rediss:") else {}
    make = _try_url(url, socket_timeout=None, protocol=2, driver_info=None, **tls)
    try:
        if context := getattr(make(), "ssl_context", None):
            context.get()
    except SSLError as error:
        reason = explain_unusable(error) or "expected PEM"
        raise ValueError(f"the certificate, key or ciphers of the URL cannot be used: {reason}") from None
    except OSError as error:
        raise ValueError(f"a file that the URL names cannot be read: {error.strerror}") from None
    except (TypeError, ValueError):
        raise ValueError("the URL has an option of TLS whose value cannot be used") from None
    return make


def _try_url(url: str, **options: Any) -> "Callable[[], AbstractConnection]":
    """Return what makes connections; ValueError where the library refuses the URL or one of its options."""
    from redis.asyncio import ConnectionPool  # noqa: PLC0415 - an extra
    from redis.exceptions import RedisError  # noqa: PLC0415

    try:
        pool = ConnectionPool.from_url(url, **options)
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (RedisError, TypeError, ValueError):
        raise ValueError("the URL has an option whose value cannot be used") from None
    return pool.make_connection


def has_password(url: str) -> bool:
    """Whether a URL that the library can use holds a password."""
    parts = urlsplit(url)
    return bool(parts.password) or not {"password", "ssl_password"}.isdisjoint(dict(parse_qsl(parts.query)))


def _check_parts(url: str) -> None:
    """ValueError that says which part is wrong: the library ignores some mistakes, and quotes others."""
    found = _URL.fullmatch(url)
    if not found or not found[2] + found[3]:
        raise ValueError(SCHEMES)
    scheme, authority, path, query, fragment = found.groups(default="")
    user, _, server = authority.rpartition("@")
    options = [each.partition("=")[::2] for each in query.split("&") if each]
    strange = [f"{name}={value}" for name, value in options if name not in _OPTIONS]
    # Behind an unencoded character the rest of a password is taken for a path, a query or a fragment
    rest = [fragment, *strange, *([path] if scheme != "unix" or server else [])]
    if "@" in "".join(rest) or {"[", "]"} & set(user) or not _is_kept(user):
        raise ValueError(_ENCODING)
    if "#" in url:
        raise ValueError("a # has to be percent-encoded: write %23")
    if scheme == "unix":
        _check_socket(server, unquote(path))
    else:
        _check_server(server)
        if not re.fullmatch("/?[0-9]{0,9}/?", path):
            raise ValueError("the path of the URL is the number of a database, as in redis://HOST:PORT/0")
    for name, value in options:
        _check_option(scheme, name, value)


def _is_kept(user: str) -> bool:
    """Whether urllib, which drops control characters, finds the user name and the password as they are."""
    with suppress(ValueError):  # some letters look like a slash to IDNA
        return urlsplit(f"redis://{user}@h").netloc == f"{user}@h"
    return False


def _check_socket(server: str, path: str) -> None:
    if server or not path:
        raise ValueError("write unix:///PATH: the path of a socket begins with a slash")
    check_socket(path)


def _check_server(server: str) -> None:
    if "," in server:
        raise ValueError("the URL names one server: a cluster and Sentinel are not supported")
    found = _SERVER.fullmatch(server)
    if not found or ":" in (port := found["port"] or ""):
        raise ValueError("write an IPv6 address in brackets, as in redis://[::1]:6379")
    if port and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) <= MAX_PORT):
        raise ValueError(f"a port is a number from 1 to {MAX_PORT}")
    if host := found["ipv6"] or found["name"]:
        check_host(unquote(host))


def _check_option(scheme: str, name: str, value: str) -> None:
    if name not in _OPTIONS:
        meant = difflib.get_close_matches(name, _OPTIONS, n=1)
        suggestion = f"; did you mean {meant[0]}?" if meant else ""
        raise ValueError(f"an option in the query of the URL is not supported{suggestion}")
    if name.startswith("ssl_") and scheme != "rediss":
        raise ValueError(f"the option {name} needs a URL with rediss://")
    text = dict(parse_qsl(f"{name}={value}")).get(name)
    if text is None:
        raise ValueError(f"the option {name} of the URL is empty")
    with suppress(ValueError):
        if _POSSIBLE.get(name, bool)(text):
            _try_url(f"{'unix:///x' if scheme == 'unix' else f'{scheme}://'}?{name}={value}")
            return
    raise ValueError(f"the value of the option {name} of the URL cannot be used")
