"""What arrives over a connection → pieces for aiohttp's parser, in a form that it accepts.

The parser drops the good requests of a piece in which it finds a bad one. So a piece is part of one head, or
of one body. Where a body ends is known from its parsed head, or from the parser itself, never from bytes.

The parser is stricter than the contract in two ways. So bytes beyond ASCII in a target are percent-encoded,
and a header that may come twice gets another name the second time, of the same length.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

CHUNKED: Final = -1
"""The length of a body whose end only the parser knows."""

_LINE_END: Final = b"\r\n"
_HEAD_END: Final = b"\r\n\r\n"
_MAX_BREAKS: Final = 1024  # bytes
_REFUSED: Final = b"\0"  # by the parser, anywhere in a head
_HTTP_2: Final = b"PRI "  # of whose preface the parser makes neither a request nor an error
_LINE_BREAKS = re.compile(rb"[\r\n]++")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_VERSION = re.compile(rb" HTTP/1\.[0-9]\r\n")
_TRANSFER_ENCODING: Final = b"transfer-encoding"
# The end of a last chunk, or the beginning of such an end
_CHUNKS_END = re.compile(rb"\r\n\r\n|\r(?:\n\r?)?\Z")
# Lines that may go on. What else has no end yet is given at once, for the parser to refuse it
_METHODS: Final = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ")
_REQUEST_LINE = re.compile(rb"[^\x00-\x1f\x7f]*\r?")
_HEADER = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*\r?")
_MAX_LINE = 16 * 1024  # bytes, twice what the parser takes
_PLAIN_LINE = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.[01](?=\r\n)")
_MAX_PLAIN = 1024  # bytes of a head
_CONTENT_TYPE: Final = b"content-type"
# What the parser refuses to see twice, but for Host and the headers that say where a body ends
_REPEATABLE = frozenset(
    (b"content-location", b"content-range", _CONTENT_TYPE, b"etag", b"max-forwards", b"server", b"user-agent")
)
_WATCHED = _REPEATABLE | {_TRANSFER_ENCODING}
_ORIGINALS: Final = {b"~" + name[1:]: name[:1].upper() for name in _REPEATABLE}


_MAX_EXTENSIONS: Final = 1024  # bytes
_MAX_CHUNKS: Final = 1024  # of a body: each costs far more time and memory than its bytes
_MAX_HELD_CHUNKS: Final = 8 * 1024  # of a stream; the parser itself stops at twice as many
_MANY_CHUNKS: Final = 4 * 1024  # of a stream; with more of them no others are given
_STEP: Final = 16 * 1024  # bytes of a stream's chunks: too few for more chunks than are held
_MAX_SIZE_DIGITS: Final = 16
_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]+")
_PLAIN_CHUNK = re.compile(rb"([1-9A-Fa-f][0-9A-Fa-f]{0,14})\r\n")


@dataclass(slots=True, eq=False, repr=False)
class _Chunks:
    """Follows the chunks of a body, only to count them, and what is neither data nor tells its length."""

    extensions: int = 0
    """Bytes: of extensions, of zeros before a size, of trailers."""
    count: int = 0
    most: int = _MAX_CHUNKS
    _left: int = 0  # bytes of a chunk, its line end included
    _line: bytes = b""  # the beginning of a line
    _is_trailer: bool = False
    _is_lost: bool = False  # whether the parser will refuse what has come

    def follow(self, piece: bytes) -> None:
        at = 0 if self._line or self._is_trailer else self._follow_plain(piece)
        while at < len(piece) and not (self._is_lost or self.is_excessive):
            step = min(self._left, len(piece) - at)
            self._left -= step
            at += step
            if at < len(piece):
                end = piece.find(b"\n", at) + 1 or len(piece)
                self._line += piece[at:end]
                at = end
                if self._line.endswith(b"\n"):
                    self._end_line(self._line.rstrip())
                    self._line = b""

    def _follow_plain(self, piece: bytes) -> int:
        """Follow chunks that are only data; return where the first other one begins."""
        at, count, end = self._left, self.count, len(piece)
        while at < end and count <= self.most and (found := _PLAIN_CHUNK.match(piece, at)):
            at = found.end() + int(found[1], 16) + len(_LINE_END)
            count += 1
        self._left, self.count = max(0, at - end), count
        return min(at, end)

    @property
    def is_excessive(self) -> bool:
        extensions = self.extensions + max(0, len(self._line) - _MAX_SIZE_DIGITS)
        return extensions > _MAX_EXTENSIONS or self.count > self.most

    def _end_line(self, line: bytes) -> None:
        if self._is_trailer:
            self.extensions += len(line)
            return
        digits = line.partition(b";")[0].rstrip()
        self._is_lost = not _HEXADECIMAL.fullmatch(digits)
        if self._is_lost:
            return
        size = int(digits, 16)
        self.count += 1
        self.extensions += len(line) - len(b"%x" % size)
        self._left = size + len(_LINE_END)
        if size == 0:
            self._left, self._is_trailer = 0, True


@dataclass(slots=True, eq=False, repr=False)
class Intake:
    """The bytes that have arrived and that the parser has not been given yet."""

    _takes_spaces: bool = False
    """Whether targets may have spaces; RFC 9112 section 3.2 advises against it."""
    has_begun: bool = False
    """Whether part of a head has arrived."""
    held: bytes = b""
    """Empty where all has been given."""
    _at: int = 0  # where the next piece begins
    _is_cut: bool = False  # whether part of a request line has been given
    _headers: dict[bytes, bytes] | None = None  # of a head, once its request line has been given
    _breaks: int = 0  # bytes of line breaks before a head
    _seen: int = 0  # bytes of the line that waits for more: they are not looked at again
    _left: int = 0  # bytes of a body
    _chunks: _Chunks = field(default_factory=_Chunks)
    _is_exact: bool = True  # whether heads begin where they seem to; if not, nothing is rewritten

    @property
    def size(self) -> int:
        return len(self.held) - self._at

    @property
    def is_excessive(self) -> bool:
        """Whether a body has more chunks, or these more extensions, than are read."""
        return self._chunks.is_excessive

    @property
    def has_many_chunks(self) -> bool:
        """Whether so many chunks of a stream have been given that others have to wait."""
        return self._chunks.count >= _MANY_CHUNKS

    @property
    def has_too_many_chunks(self) -> bool:
        return self._chunks.count > self._chunks.most

    def drop(self) -> None:
        self.held, self._at = b"", 0

    def add(self, data: bytes) -> None:
        self.held, self._at = self.held[self._at :] + data, 0

    def is_plain(self, data: bytes) -> bool:
        """Whether `data`, where a head begins, is a whole head that the parser may have as it is.

        Clients repeat their headers, so those that were looked at before are remembered.
        """
        found = _PLAIN_LINE.match(data)
        if found is None or len(data) > _MAX_PLAIN:
            return False
        return _has_plain_headers(data[found.end() :])

    def take_head(self) -> tuple[bytes, bool]:
        """Return the next piece of a head and whether the head ends with it; an empty one waits for more."""
        if not self.has_begun:
            if found := _LINE_BREAKS.match(self.held, self._at):  # RFC 9112 section 2.2
                self._breaks += found.end() - self._at
                self._at = found.end()
            self.has_begun, self._is_cut, self._headers = self.size > 0, False, None
            self._seen = 0
            if self._breaks > _MAX_BREAKS:
                self.has_begun = True
                return _REFUSED + self._take(len(self.held)), False
            if self.has_begun:
                self._breaks = 0
            self._chunks = _Chunks()
        line = b""
        if self._headers is None:
            line = self._take_request_line()
            if not line.endswith(_LINE_END):
                return line, False
            self._headers, self._seen = {}, 0
        headers, is_end = self._take_headers(self._headers)
        if is_end and _TRANSFER_ENCODING in self._headers:
            before = self.held, self._at
            chunks = self._take_chunks()  # of a bad chunk the parser tells only in one piece with its head
            if self.has_too_many_chunks:
                self.held, self._at = before  # until the request exists, which is refused then
            else:
                headers += _REFUSED if self.is_excessive else chunks
        return line + headers, is_end

    def begin_body(self, length: int, *, is_stream: bool = False) -> None:
        """Expect a body of so many bytes, or a `CHUNKED` one, behind the head that has been given.

        The limit of chunks is for those of a stream that are held at a time (see `restart_chunks`).
        """
        if not self.has_begun or self.has_too_many_chunks:  # else its first chunks came with the head
            self._chunks = _Chunks()
        if is_stream:
            self._chunks.most = _MAX_HELD_CHUNKS
        self.has_begun = False
        self._left = length

    def restart_chunks(self) -> None:
        """Count the chunks of a stream anew: those that were given have been taken."""
        self._chunks.count = self._chunks.extensions = 0

    def take_body(self, *, is_delayed: bool) -> bytes:
        """Return the next piece of a body; a chunked one ends with the first piece that completes it.

        Where the parser `is_delayed`, it may look at this piece together with the next one.
        """
        if self._left == CHUNKED:
            self._is_exact &= not is_delayed
            return self._take_chunks(_STEP if self._chunks.most > _MAX_CHUNKS else 0)
        piece = self._take(min(self._at + self._left, len(self.held)))
        self._left -= len(piece)
        return piece

    def _take(self, end: int) -> bytes:
        piece = self.held[self._at : end]
        self.held, self._at = (self.held, end) if end < len(self.held) else (b"", 0)
        return piece

    def _take_chunks(self, most: int = 0) -> bytes:
        """Return the chunks at hand, `most` bytes of them if it is not 0, up to what may be their end."""
        end = min(len(self.held), self._at + (most or len(self.held)))
        found = _CHUNKS_END.search(self.held, self._at, end)
        if found is not None:
            end = found.end() if found[0] == _HEAD_END else found.start()
        piece = self._take(end)
        self._chunks.follow(piece)
        return piece

    def _take_request_line(self) -> bytes:
        held, at = self.held, self._at
        if not self._is_cut and held.startswith(_HTTP_2, at):
            return self._take(len(held)) + _REFUSED
        end = held.find(_LINE_END, at) + len(_LINE_END)
        is_whole = end >= len(_LINE_END)
        if not is_whole:
            if not self._is_cut and self._may_go_on(held[at:]):
                return b""
            end = len(held) - held.endswith(b"\r")
        line = self._take(end)
        if not self._is_exact:
            return line
        if is_whole and not self._is_cut:
            if b" HTTP/" not in line and not held.startswith(_LINE_END, end):
                return line + _REFUSED  # HTTP/0.9, behind which no headers come to wait for
            if self._takes_spaces:
                line = _encode_spaces(line)
        self._is_cut = True
        return line if line.isascii() else _BEYOND_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line)

    def _may_go_on(self, line: bytes) -> bool:
        """Whether a request line has to be whole, to see which preface it is or where its target ends."""
        if _HTTP_2.startswith(line):
            return True
        may_go_on = (
            self._takes_spaces
            and len(line) <= _MAX_LINE
            and any(line[: len(each)] == each[: len(line)] for each in _METHODS)
            and _REQUEST_LINE.fullmatch(line, self._seen) is not None
        )
        self._seen = len(line) - line.endswith(b"\r") if may_go_on else 0
        return may_go_on

    def _take_headers(self, given: dict[bytes, bytes]) -> tuple[bytes, bool]:
        held, at = self.held, self._at
        if held.startswith(_LINE_END, at):
            end, is_end = at + len(_LINE_END), True
        else:
            end = held.find(_HEAD_END, at) + len(_HEAD_END)
            is_end = end >= len(_HEAD_END)
        if not is_end:
            line_end = held.rfind(_LINE_END, at + self._seen)
            start, seen = (at, self._seen) if line_end < 0 else (line_end + len(_LINE_END), 0)
            length = len(held) - start
            may_go_on = length <= _MAX_LINE and _HEADER.fullmatch(held, start + seen)
            end = start if may_go_on else len(held)
            self._seen = length - held.endswith(b"\r") if may_go_on and length else 0
        headers = self._take(end)
        return (_rename_repeated(headers, given) if self._is_exact else headers), is_end


@lru_cache(maxsize=1024)
def _has_plain_headers(headers: bytes) -> bool:
    """Whether these, behind a line end, are all headers of one head, and none has to be rewritten."""
    given: dict[bytes, bytes] = {}
    is_head = headers.endswith(_HEAD_END) and headers.count(_HEAD_END) == 1
    return (
        is_head
        and headers.isascii()
        and _rename_repeated(headers, given) == headers
        and _TRANSFER_ENCODING not in given
    )


def original_name(name: bytes) -> bytes:
    """Return the name that a header came with, which `_rename_repeated` may have changed."""
    first = _ORIGINALS.get(name.lower())
    return first + name[1:] if first else name


def _encode_spaces(line: bytes) -> bytes:
    """Percent-encode the spaces of a target, which lies between a method and a version."""
    start, end = line.find(b" ") + 1, len(line) - len(b" HTTP/1.1\r\n")
    if start >= end or not _VERSION.fullmatch(line, end):
        return line
    return line[:start] + line[start:end].replace(b" ", b"%20") + line[end:]


def _rename_repeated(headers: bytes, given: dict[bytes, bytes]) -> bytes:
    """Rename the headers that are among those `given` before; add the others to these."""
    lines = headers.split(_LINE_END)
    for place, line in enumerate(lines):
        name, _, value = line.partition(b":")
        if (name := name.lower()) not in _WATCHED:
            continue
        value = value.strip().lower()
        if name not in given:
            given[name] = value
        # Two types that differ, and two codings, are left for the parser to refuse them
        elif name in _REPEATABLE and (name != _CONTENT_TYPE or value == given[name]):
            lines[place] = b"~" + line[1:]
    return _LINE_END.join(lines)
