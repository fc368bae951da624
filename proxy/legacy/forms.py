"""Query strings and request bodies → parameters. Names are case-sensitive; the last of equal names wins."""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from urllib.parse import unquote_to_bytes

import python_multipart
from lxml import etree
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from proxy.errors import MALFORMED, UNSUPPORTED_MEDIA_TYPE, LegacyError

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what it says would show what clients sent


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
    return _urlencoded(query_string.encode("utf-8", "surrogateescape"), "", _ENCODINGS[None])


def parse_body(content_type: str | None, body: bytes) -> Form:
    """Read a request body; LegacyError 415 for a type that is no form, 400 for a form that cannot be read.

    A body without Content-Type is a form: the Java library of the time sends its PUT so.
    """
    content_type = content_type or _URLENCODED
    parse = _PARSERS.get(content_type.partition(";")[0].strip().lower())
    charset = _CHARSET.search(content_type)
    encodings = _ENCODINGS.get(charset[1].lower() if charset else None)
    if parse is None or encodings is None:
        raise LegacyError(UNSUPPORTED_MEDIA_TYPE)
    return parse(body, content_type, encodings)


_URLENCODED = "application/x-www-form-urlencoded"
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s";]+)', re.IGNORECASE)
_Encodings = Sequence[str]
# What a client may name, and the encodings tried in turn. Text that names none is UTF-8, or the Windows-1252
# of its day where it cannot be.
_ENCODINGS: Mapping[str | None, _Encodings] = {
    None: ("utf-8", "cp1252"),
    "utf-8": ("utf-8",),
    "us-ascii": ("ascii",),
    "iso-8859-1": ("iso-8859-1",),
    "windows-1252": ("cp1252",),
}


def _urlencoded(body: bytes, _: str, encodings: _Encodings) -> Form:
    pairs = [pair for pair in body.split(b"&") if pair]  # `;` is data
    if len(pairs) > _MAX_FIELDS or any(len(pair) > _MAX_FIELD for pair in pairs):
        raise LegacyError(_TOO_MUCH)
    split = (pair.replace(b"+", b" ").partition(b"=") for pair in pairs)
    return _decoded(
        [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in split], encodings
    )


def _multipart(body: bytes, content_type: str, encodings: _Encodings) -> Form:
    """Read multipart/form-data (RFC 7578) with plain fields; a file among them is not accepted."""
    fields: list[tuple[bytes, bytes]] = []
    files: list[object] = []
    headers = {"Content-Type": content_type.encode("latin-1", "replace"), "Content-Length": b"%d" % len(body)}
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if body.count(b"--" + boundary) > _MAX_FIELDS + 2:
        raise LegacyError(_TOO_MUCH)
    try:
        python_multipart.parse_form(
            headers,
            BytesIO(body),
            lambda it: fields.append((it.field_name or b"", it.value or b"")),
            files.append,
        )
    except FormParserError:
        raise LegacyError(_UNREADABLE) from None
    if files:
        raise LegacyError(UNSUPPORTED_MEDIA_TYPE.saying("Files are not accepted"))
    if b"--" + boundary + b"--" not in body:  # cut off
        raise LegacyError(_UNREADABLE)
    if len(fields) > _MAX_FIELDS or any(len(name) + len(value) > _MAX_FIELD for name, value in fields):
        raise LegacyError(_TOO_MUCH)
    return _decoded(fields, encodings)


def _xml(body: bytes, content_type: str, encodings: _Encodings) -> Form:
    """Read the children of the root element; no DTD, no entities, no network."""
    if b"<!DOCTYPE" in body or b"\x00" in body:  # the latter to see the former in UTF-16 and UTF-32 too
        raise LegacyError(_UNREADABLE)
    named = encodings[0] if _CHARSET.search(content_type) else None
    parser = etree.XMLParser(encoding=named, resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        raise LegacyError(_UNREADABLE) from None
    children = [child for child in root if isinstance(child.tag, str)]  # others are comments and instructions
    if len(children) > _MAX_FIELDS:
        raise LegacyError(_TOO_MUCH)
    return Form((etree.QName(child).localname, child.text or "") for child in children)


_PARSERS: Mapping[str, Callable[[bytes, str, _Encodings], Form]] = {
    _URLENCODED: _urlencoded,
    "multipart/form-data": _multipart,
    "application/xml": _xml,
    "text/xml": _xml,
}
_UNREADABLE = MALFORMED.saying("The request body cannot be read")
_TOO_MUCH = MALFORMED.saying("The request has too many or too long parameters")


def _decoded(pairs: Sequence[tuple[bytes, bytes]], encodings: _Encodings) -> Form:
    for encoding in encodings:
        try:
            return Form([(name.decode(encoding), value.decode(encoding)) for name, value in pairs])
        except UnicodeDecodeError:
            continue
    raise LegacyError(MALFORMED.saying("The parameters are not valid text in their character set"))
