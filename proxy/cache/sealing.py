"""Names and values in Redis: keyed digests, and a keyed check over the name in front of each value."""

import hashlib
import hmac
from typing import Any

_CHECK = 16  # bytes
_END = 8  # bytes


def date(end: int, content: bytes) -> bytes:
    """Return content with the time of its end, in milliseconds: dated contents sort by their ends."""
    return end.to_bytes(_END, "big") + content


def read_date(dated: bytes) -> tuple[int, bytes]:
    """Return the end of a dated content, in milliseconds, and the content."""
    return int.from_bytes(dated[:_END], "big"), dated[_END:]


class Sealing:
    """Names and seals by one secret, which all replicas have."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def name(self, kind: str, *parts: object) -> bytes:
        """Return the name of a value: a keyed digest of everything that it belongs to."""
        digest = self._digest(repr((kind, *parts)).encode("utf-8", "backslashreplace"))
        return f"callerid-proxy:{kind}:{digest.hex()}".encode()

    def seal(self, name: bytes, content: bytes) -> bytes:
        return self._digest(name, content) + content

    def open(self, name: bytes, sealed: Any) -> bytes | None:
        """Return the content of a sealed value; None for nothing, and for a value with a wrong check."""
        if not isinstance(sealed, bytes):
            return None
        check, content = sealed[:_CHECK], sealed[_CHECK:]
        return content if hmac.compare_digest(check, self._digest(name, content)) else None

    def _digest(self, *parts: bytes) -> bytes:
        digest = hmac.new(self._secret, digestmod=hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()[:_CHECK]
