"""Compressed bodies: gzip and deflate as they arrive (RFC 9110 section 8.4.1). Pure.

The proxy asks for none. Some upstreams, and gateways before them, compress nevertheless.
"""

import zlib
from typing import Any

_GZIP, _RAW = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS  # the first reads zlib's own format too
_MAX_MEMBERS = 100  # of gzip in one body: an empty one has twenty bytes


class Inflater:
    """Inflates one body; a body that is not compressed, whatever its headers say, stays as it is."""

    def __init__(self, coding: str) -> None:
        """Read `gzip`, `x-gzip` or `deflate`; the latter also without zlib's header, which some leave out."""
        self._is_deflate = coding == "deflate"
        self._members = 0
        self._stream: Any = None  # zlib does not name its class
        self._is_plain = False

    def feed(self, data: bytes, room: int) -> bytes:
        """Return what `data` adds to the body, and at most `room` bytes; zlib.error where it is damaged.

        Where there is more than that, the rest is lost.
        """
        if self._stream is None and not self._is_plain:
            self._begin(data[0])
        if self._is_plain:
            return data
        parts: list[bytes] = []
        while data and room > 0:
            if self._stream.eof:
                data = data.lstrip(b"\0")  # padding
                if not data:
                    break
                self._begin_member(_GZIP)
            parts.append(self._stream.decompress(data, room))
            room -= len(parts[-1])
            data = self._stream.unused_data
        return b"".join(parts)  # of one part, which is usual, no copy is made

    @property
    def is_whole(self) -> bool:
        """Whether the body may end here."""
        return self._stream is None or bool(self._stream.eof)

    def _begin(self, first: int) -> None:
        """Tell the formats by the first byte: no JSON text begins as gzip or zlib do."""
        if first == 0x1F or first & 0x0F == zlib.DEFLATED:
            self._begin_member(_GZIP)
        elif self._is_deflate:
            self._begin_member(_RAW)
        else:
            self._is_plain = True

    def _begin_member(self, wbits: int) -> None:
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise zlib.error("too many members")
        self._stream = zlib.decompressobj(wbits)


_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})


def find_inflater(content_encoding: str) -> Inflater | None:
    """Return what reads a body with that Content-Encoding; None where nothing does, or nothing has to."""
    codings = [coding for each in content_encoding.split(",") if (coding := each.strip().lower())]
    applied = [coding for coding in codings if coding != "identity"]
    return Inflater(applied[0]) if len(applied) == 1 and applied[0] in _CODINGS else None
