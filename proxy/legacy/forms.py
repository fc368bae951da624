"""Query strings and request bodies → parameters. Names are case-sensitive; the last of equal names wins."""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from typing import AnyStr
from urllib.parse import unquote_to_bytes

import python_multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from proxy.errors import MALFORMED, UNSUPPORTED_MEDIA_TYPE, LegacyError

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # its messages quote requests


class Form(dict[str, str]):
    """Parameters by name; the last of equal names wins."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """Take the pairs in the order in which they were sent."""
        self.pairs: Sequence[tuple[str, str]] = tuple(pairs)
        super().__init__(self.pairs)

    def __repr__(self) -> str:
        """Keep values out of logs and tracebacks."""
        return f"Form(of {len(self.pairs)})"

    def every(self, name: str) -> Sequence[str]:
        """Return all values of a parameter that are not empty."""
        return [value for key, value in self.pairs if key == name and value]

    def completed(self, other: "Form") -> "Form":
        """Return this form with the parameters of the other one that it lacks or has empty."""
        return Form([*self.pairs, *((name, value) for name, value in other.pairs if not self.get(name))])


_MAX_FIELDS = 100
_MAX_TAGS = 10 * _MAX_FIELDS  # of XML, which has two for each field and may have some around them
_MAX_FIELD = 4096  # bytes of one name and value, as sent
_MAX_SEMICOLONS = 10 * _MAX_FIELDS  # in headers of multipart: the time to parse one grows with their square


def parse_query(query_string: str) -> Form:
    """Read the query of a request target, without its question mark."""
    return _urlencoded(query_string.encode("utf-8", "surrogateescape"), "", _UNNAMED)


def parse_body(content_type: str | None, body: bytes) -> Form:
    """Parse a request body; LegacyError 415 for a type that is no form, 400 for a form that cannot be parsed.

    A body without Content-Type is a form: the Java library of the time sends its PUT so.
    """
    content_type = content_type or _URLENCODED
    parse = _PARSERS.get(content_type.partition(";")[0].strip().lower())
    charset = _CHARSET.search(content_type)
    encoding = _ENCODINGS.get(charset[1].lower()) if charset else None
    if parse is None or (charset and encoding is None):
        raise LegacyError(UNSUPPORTED_MEDIA_TYPE)
    return parse(body, content_type, (encoding,) if encoding else _UNNAMED)


_URLENCODED = "application/x-www-form-urlencoded"
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s";]+)', re.IGNORECASE)
_Encodings = Sequence[str]
# Text without a charset is UTF-8, or else the Windows-1252 of the time
_UNNAMED: _Encodings = ("utf-8", "cp1252")
# Encodings, and their labels in the WHATWG encoding standard (section 4.2), which knows the last three as one
_LABELS: Mapping[str, str] = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
    "ascii": "ansi_x3.4-1968 ascii us-ascii",
    "iso-8859-1": (
        "cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1"
        " latin1"
    ),
    "cp1252": "cp1252 windows-1252 x-cp1252",
}
_ENCODINGS: Mapping[str, str] = {
    label: encoding for encoding, labels in _LABELS.items() for label in labels.split()
}


def _urlencoded(body: bytes, _: str, encodings: _Encodings) -> Form:
    split = [pair for pair in body.replace(b"+", b" ").split(b"&") if pair]  # `;` is data
    if len(split) > _MAX_FIELDS:
        raise LegacyError(_TOO_MUCH)
    pairs = _limited([(name, value) for name, _, value in (pair.partition(b"=") for pair in split)])
    return _decoded([(unquote_to_bytes(name), unquote_to_bytes(value)) for name, value in pairs], encodings)


def _multipart(body: bytes, content_type: str, encodings: _Encodings) -> Form:
    """Read multipart/form-data (RFC 7578) with plain fields; a file among them is not accepted."""
    header = content_type.encode("latin-1", "replace")  # a boundary of anything else is none
    if header.count(b";") > _MAX_SEMICOLONS:
        raise LegacyError(_TOO_MUCH)
    delimiter = b"\r\n--" + parse_options_header(header)[1].get(b"boundary", b"")
    _, first, parts = (b"\r\n" + body).partition(delimiter)  # what comes before is no part
    if delimiter + b"--" not in first + parts:
        raise LegacyError(_UNREADABLE)  # cut off
    heads = [part.partition(b"\r\n\r\n")[0] for part in parts.split(delimiter, _MAX_FIELDS + 1)]
    if len(heads) > _MAX_FIELDS + 1 or sum(head.count(b";") for head in heads) > _MAX_SEMICOLONS:
        raise LegacyError(_TOO_MUCH)
    fields: list[tuple[bytes, bytes]] = []
    files: list[object] = []
    parts = (first + parts).removeprefix(b"\r\n")
    headers = {
        "Content-Type": header,
        "Content-Length": b"%d" % len(parts),
    }
    try:
        python_multipart.parse_form(
            headers,
            BytesIO(parts),
            lambda field: fields.append((field.field_name or b"", field.value or b"")),
            files.append,
        )
    except FormParserError:
        raise LegacyError(_UNREADABLE) from None
    if files:
        raise LegacyError(UNSUPPORTED_MEDIA_TYPE.saying("Files are not accepted"))
    return _decoded(_limited(fields), encodings)


def _xml(body: bytes, _: str, encodings: _Encodings) -> Form:
    """Read the children of the root element; no DTD, no entities, no network."""
    declared = _XML_ENCODING.match(body)
    encoding = _ENCODINGS.get(declared[1].decode().lower()) if declared else None
    if b"<!DOCTYPE" in body or b"\x00" in body:  # the latter to see the former in UTF-16 and UTF-32 too
        raise LegacyError(_UNREADABLE)
    if body.count(b"<") > _MAX_TAGS:
        raise LegacyError(_TOO_MUCH)
    if declared and encoding is None:
        raise LegacyError(_UNREADABLE)
    from lxml import etree  # noqa: PLC0415 - 5 MB of memory, for the few programs that send XML

    parser = etree.XMLParser(
        encoding=encoding if encodings is _UNNAMED else encodings[0],
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        raise LegacyError(_UNREADABLE) from None
    fields = [(etree.QName(child).localname, "".join(map(str, child.itertext()))) for child in root]
    return Form(_limited(fields))


_XML_ENCODING = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]*)""")


_PARSERS: Mapping[str, Callable[[bytes, str, _Encodings], Form]] = {
    _URLENCODED: _urlencoded,
    "multipart/form-data": _multipart,
    "application/xml": _xml,
    "text/xml": _xml,
}
_UNREADABLE = MALFORMED.saying("The request body cannot be read")
_TOO_MUCH = MALFORMED.saying("The request has too many or too long parameters")


def _limited(fields: Sequence[tuple[AnyStr, AnyStr]]) -> Sequence[tuple[AnyStr, AnyStr]]:
    if len(fields) > _MAX_FIELDS or any(len(name) + len(value) > _MAX_FIELD for name, value in fields):
        raise LegacyError(_TOO_MUCH)
    return fields


def _decoded(pairs: Sequence[tuple[bytes, bytes]], encodings: _Encodings) -> Form:
    for encoding in encodings:
        try:
            return Form([(name.decode(encoding), value.decode(encoding)) for name, value in pairs])
        except UnicodeDecodeError:
            continue
    raise LegacyError(MALFORMED.saying("The parameters are not valid text in their character set"))
