"""A Call as the bytes of an HTTP/1.1 request. Pure; bytes that could split the head are a ValueError."""

import re
from functools import lru_cache

from proxy import __version__
from proxy.profile.calls import Call

_HEADERS = {
    "User-Agent": f"callerid-proxy/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}
# The authority ends where path, query or fragment begin; a target is visible ASCII, without the fragment
_URL = re.compile(r'((?i:https?)://[^/?#]++)([!-"$-~]*+)(?:#.*)?', re.DOTALL)
_WITHOUT_LENGTH = frozenset({"GET", "HEAD", "OPTIONS"})


def origin_and_target(url: str) -> tuple[str, str]:
    """Split a URL into its origin, as in `https://host:port`, and the request target."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("not an http or https URL")
    origin, target = found.groups()
    return origin, target if target.startswith("/") else f"/{target}"


def encode(call: Call, target: str, host: str) -> bytes:
    """Write a whole request, head and body, with `host` as its Host header."""
    headers, body = call.headers, b""
    if encoded := call.encoded_body():
        content_type, body = encoded
        headers = {**headers, "Content-Type": content_type, "Content-Length": str(len(body))}
    elif call.method not in _WITHOUT_LENGTH:
        headers = {**headers, "Content-Length": "0"}
    form, lines = _head_form(host, *headers)
    head = (form % (call.method, target, *headers.values())).encode("latin-1")
    # Each line end is part of the form: no value has added one
    if not head.count(b"\n") == head.count(b"\r") == lines or b"\0" in head:
        raise ValueError("a line end or a NUL within a head")
    return head + body


@lru_cache(maxsize=1024)
def _head_form(host: str, *names: str) -> tuple[str, int]:
    """Return a head with gaps for method, target and the values of the headers `names`, and its line count.

    Each of these replaces the default header of the same name.
    """
    own = {name.lower() for name in names}
    defaults = {name: value for name, value in {"Host": host, **_HEADERS}.items() if name.lower() not in own}
    lines = [
        "%s %s HTTP/1.1",
        *(f"{name}: {value}".replace("%", "%%") for name, value in defaults.items()),
        *(f"{name.replace('%', '%%')}: %s" for name in names),
        "",
    ]
    return "".join(f"{line}\r\n" for line in lines), len(lines)
