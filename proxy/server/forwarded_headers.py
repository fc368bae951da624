"""Which headers of a request that is handed on, and of its answer, go on. Pure; RFC 9110 section 7.6."""

from collections.abc import Iterator, Sequence

from multidict import CIMultiDict

from proxy.server.intake import original_name

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Names and values as they came over the wire."""

CREDENTIALS = frozenset({b"authorization", b"cookie", b"cookie2", b"proxy-authorization"})
_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",  # trailers are dropped, as section 6.5.1 allows
        b"transfer-encoding",
        b"upgrade",
    )
)
_OF_REQUESTS = _HOP_BY_HOP | {b"expect", b"host"}
"""What this proxy answers itself, and what it writes for the target."""
_NEVER_NOMINATED = frozenset({b"content-length"})  # a request without it would have another body
_VIA = "Via"
_PSEUDONYM = "callerid-proxy"
_MAX_HOPS = 4  # proxies of this kind, one behind the other


def request_headers(raw: RawHeaders, *, credentials: bool) -> CIMultiDict[str]:
    """Return the headers for the target, `credentials` among them or not.

    UnicodeDecodeError for a value that is no UTF-8, which the client of the target cannot write.
    """
    dropped = _OF_REQUESTS | _list_nominated(raw) | (frozenset() if credentials else CREDENTIALS)
    headers, spellings = CIMultiDict[str](), dict[bytes, str]()
    for each, value in raw:
        name = original_name(each)
        if name.lower() not in dropped:
            # aiohttp's client takes one header in two spellings for a correction
            headers.add(spellings.setdefault(name.lower(), name.decode("ascii")), value.decode())
    headers.add(_VIA, f"1.1 {_PSEUDONYM}")  # section 7.6.3: a gateway has to say so on the way in
    return headers


def is_looping(raw: RawHeaders) -> bool:
    """Whether a request has come through so many proxies of this kind that it goes around in a circle."""
    lines = (value.decode("latin-1") for name, value in raw if name.lower() == b"via")
    return sum(line.count(_PSEUDONYM) for line in lines) >= _MAX_HOPS


def answer_headers(raw: RawHeaders, status: int) -> RawHeaders:
    """Return the headers for the client of an answer with a `status`.

    ValueError for control characters, with which a header could end before its line.
    """
    dropped = _HOP_BY_HOP | _list_nominated(raw)
    if status == 204:  # RFC 9110 section 8.6
        dropped |= {b"content-length"}
    kept = [(name, value) for name, value in raw if name.lower() not in dropped]
    if any(is_split(text) for header in kept for text in header):
        raise ValueError("a header has a control character")
    return kept


def is_split(text: bytes) -> bool:
    """Whether a part of a head has a character that would end it."""
    return b"\r" in text or b"\n" in text or b"\0" in text


def _list_nominated(raw: RawHeaders) -> frozenset[bytes]:
    """Return the names that Connection says are for one hop alone (RFC 9110 section 7.6.1)."""
    return frozenset(_read_tokens(raw)) - _NEVER_NOMINATED


def _read_tokens(raw: RawHeaders) -> Iterator[bytes]:
    for name, value in raw:
        if name.lower() == b"connection":
            yield from (token.strip().lower() for token in value.split(b","))
