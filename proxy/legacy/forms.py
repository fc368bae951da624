"""Query strings and request bodies → parameters. Names are case-sensitive; the last of equal names wins."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes

from proxy.errors import MALFORMED, UNSUPPORTED_MEDIA_TYPE, LegacyError


class Form(dict[str, str]):
    """Parameters by name, and which names came with two different values."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """Take the pairs in the order they were sent."""
        super().__init__()
        self.conflicting: set[str] = set()
        for name, value in pairs:
            if self.get(name, value) != value:
                self.conflicting.add(name)
            self[name] = value


_MAX_FIELDS = 100
_MAX_FIELD = 4096  # bytes of one name and value, as sent


def parse_query(query_string: str) -> Form:
    """Read the query of a request target, without its question mark."""
    return _urlencoded(query_string.encode("utf-8", "surrogateescape")) if query_string else Form()


def parse_body(content_type: str | None, body: bytes) -> Form:
    """Read a request body; LegacyError 415 for other than a form, 400 for one that cannot be read.

    A body without Content-Type is a form: the Java library of the time sends its PUT so.
    """
    media_type, charset = _media_type(content_type or _FORM)
    if media_type != _FORM or charset not in _CHARSETS:
        raise LegacyError(UNSUPPORTED_MEDIA_TYPE)
    return _urlencoded(body, _CHARSETS[charset])


_FORM = "application/x-www-form-urlencoded"
# What a client may name, and the encodings tried in turn. Text that names none is UTF-8, or the Windows-1252
# of its day where it cannot be.
_CHARSETS: Mapping[str | None, tuple[str, ...]] = {
    None: ("utf-8", "cp1252"),
    "utf-8": ("utf-8",),
    "us-ascii": ("ascii",),
    "iso-8859-1": ("iso-8859-1",),
    "windows-1252": ("cp1252",),
}
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s";]+)', re.IGNORECASE)


def _media_type(content_type: str) -> tuple[str, str | None]:
    charset = _CHARSET.search(content_type)
    return content_type.partition(";")[0].strip().lower(), charset[1].lower() if charset else None


def _urlencoded(text: bytes, encodings: tuple[str, ...] = _CHARSETS[None]) -> Form:
    pairs = [pair for pair in text.split(b"&") if pair]  # `;` is data
    if len(pairs) > _MAX_FIELDS or any(len(pair) > _MAX_FIELD for pair in pairs):
        raise LegacyError(MALFORMED.saying("The request has too many or too long parameters"))
    split = (pair.replace(b"+", b" ").partition(b"=") for pair in pairs)
    return _decoded(
        [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in split], encodings
    )


def _decoded(pairs: list[tuple[bytes, bytes]], encodings: tuple[str, ...]) -> Form:
    for encoding in encodings:
        try:
            return Form([(name.decode(encoding), value.decode(encoding)) for name, value in pairs])
        except UnicodeDecodeError:
            continue
    raise LegacyError(MALFORMED.saying("The parameters are not valid text in their character set"))
