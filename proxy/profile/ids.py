"""How an upstream's ids become Sids and back: the settings, the codecs and their rows in `ID_CODECS`. Pure.

A Sid is `PN` and 32 hexadecimal digits: 128 bits. Codecs keep no state, but for that of stored ids.
A number or an integer takes the first 64 bits and a keyed check value the rest, so that a forged Sid is
recognised without an upstream call.

To add a codec, add its name to `CodecName`, write its class and add a row to the table.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from pydantic import Field, StrictBool

from proxy.errors import NOT_FOUND, LegacyError
from proxy.profile.base import Frozen
from proxy.profile.conversions import UnreadableError, WriteName, list_readers
from proxy.profile.id_memory import IdMemory

CodecName = Literal[
    "identity",
    "uuid",
    "base64url",
    "hex32",
    "hex32_upper",
    "ulid",
    "hex24",
    "e164",
    "integer",
    "short_text",
    "stored",
]


class Ids(Frozen):
    """How the upstream's ids become Sids."""

    codec: CodecName = "identity"
    as_: WriteName = Field("text", alias="as")
    """How an id is written in paths and parameters."""
    prefix: str = ""
    """What every id begins with, before what the codec holds."""
    compare: StrictBool = True
    """Whether an answer about another caller ID than the requested one is a 404; false for a mock."""


class Codec(Protocol):
    """One kind of id."""

    def encode(self, upstream_id: str, account: str) -> str:
        """Return the Sid of an id; UnreadableError for an id that does not fit this codec."""

    def encode_all(self, upstream_ids: Sequence[str], account: str) -> Sequence[str]:
        return [self.encode(upstream_id, account) for upstream_id in upstream_ids]

    def decode(self, sid: str, account: str) -> str:
        """Return the id of a well-formed Sid; LegacyError 404 for a forged one."""


class Identity(Codec):
    """The upstream's ids are Sids."""

    _to_zeros = bytes.maketrans(b"0123456789abcdefABCDEF", b"0" * 22)
    _zeros = b"PN" + b"0" * 32 + b"\n"

    def encode(self, upstream_id: str, account: str) -> str:
        return self.encode_all([upstream_id], account)[0]

    def encode_all(self, upstream_ids: Sequence[str], _: str) -> Sequence[str]:
        """Return the Sids as they are; one check of all takes a tenth of the time."""
        lines = "\n".join([*upstream_ids, ""])
        zeros = self._zeros * len(upstream_ids)
        if not lines.isascii() or lines.encode().translate(self._to_zeros) != zeros:
            raise UnreadableError("Sids")
        return upstream_ids

    def decode(self, sid: str, _: str) -> str:
        return sid


@dataclass(frozen=True, slots=True)
class Rewritten(Codec):
    """128 bits in another notation."""

    to_hex: Callable[[str], str]
    """Returns 32 hexadecimal digits; ValueError for what is not in this notation."""
    from_hex: Callable[[str], str]
    """Takes digits in lower case; ValueError for those that no id leads to."""

    def encode(self, upstream_id: str, _: str) -> str:
        try:
            return f"PN{self.to_hex(upstream_id)}"
        except ValueError:
            raise UnreadableError("an id that fits this codec") from None

    def decode(self, sid: str, _: str) -> str:
        try:
            return self.from_hex(sid[2:].lower())
        except ValueError:
            raise LegacyError(NOT_FOUND) from None


_HEX32 = re.compile("[0-9a-f]{32}")
_HEX32_UPPER = re.compile("[0-9A-F]{32}")


def _parse_hex(pattern: re.Pattern[str], upstream_id: str) -> str:
    if not pattern.fullmatch(upstream_id):
        raise ValueError(upstream_id)
    return upstream_id.lower()


_BASE_32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's


def _parse_ulid(upstream_id: str) -> str:
    """Convert 26 digits to base 16; a ULID has capitals only."""
    if not re.fullmatch(f"[0-7][{_BASE_32}]{{25}}", upstream_id):
        raise ValueError(upstream_id)
    bits = 0
    for digit in upstream_id:
        bits = bits * 32 + _BASE_32.index(digit)
    return f"{bits:032x}"


def _format_ulid(digits: str) -> str:
    bits = int(digits, 16)
    return "".join(_BASE_32[bits >> shift & 31] for shift in range(125, -1, -5))


def _parse_base64url(upstream_id: str) -> str:
    """Convert 22 characters (RFC 4648 section 5); the last one has two bits, so the other four are zero."""
    if not re.fullmatch("[A-Za-z0-9_-]{21}[AQgw]", upstream_id):
        raise ValueError(upstream_id)
    return urlsafe_b64decode(f"{upstream_id}==").hex()


def _format_base64url(digits: str) -> str:
    return urlsafe_b64encode(bytes.fromhex(digits)).decode().rstrip("=")


# Short texts are counted: the shorter ones first, those of the same length in order. Texts of common
# characters come before all others, which are counted by the bytes of their UTF-8. All are fewer than 2^128.
_COMMON = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.:@~"
_COMMON_DIGITS = {character: digit for digit, character in enumerate(_COMMON)}
_MAX_COMMON, _MAX_BYTES = 21, 15


def _count_shorter(base: int, length: int) -> int:
    """Return how many sequences of `base` digits are shorter than `length`, the empty one aside."""
    return sum(base**shorter for shorter in range(1, length))


_COUNT_COMMON = _count_shorter(len(_COMMON), _MAX_COMMON + 1)


def _count_up_to(digits: Sequence[int], base: int) -> int:
    number = 0
    for digit in digits:
        number = number * base + digit
    return number + _count_shorter(base, len(digits))


def _find_at(number: int, base: int, longest: int) -> Sequence[int]:
    """Return the sequence that has this number; ValueError where it would be longer than `longest`."""
    length = 1
    while number >= base**length:
        number -= base**length
        length += 1
    if length > longest:
        raise ValueError(number)
    digits = []
    for _ in range(length):
        number, digit = divmod(number, base)
        digits.append(digit)
    return digits[::-1]


# A client can make a Sid of any short text, so that no text may lead out of its place in a path
_UNSAFE = re.compile(r"\.\.?|.*[\x00-\x1f\x7f/\\%].*", re.DOTALL)


def _check_safe(text: str) -> str:
    if _UNSAFE.fullmatch(text):
        raise ValueError(text)
    return text


def _is_common(upstream_id: str) -> bool:
    return len(upstream_id) <= _MAX_COMMON and _COMMON_DIGITS.keys() >= {*upstream_id}


def _pack_text(upstream_id: str) -> str:
    if _check_safe(upstream_id) and _is_common(upstream_id):
        number = _count_up_to([_COMMON_DIGITS[each] for each in upstream_id], len(_COMMON))
    else:
        encoded = upstream_id.encode()  # a UnicodeEncodeError, for surrogates, is a ValueError
        if not 0 < len(encoded) <= _MAX_BYTES:
            raise ValueError(upstream_id)
        number = _COUNT_COMMON + _count_up_to(encoded, 256)
    return f"{number:032x}"


def _unpack_text(digits: str) -> str:
    number = int(digits, 16)
    if number < _COUNT_COMMON:
        return _check_safe("".join(_COMMON[digit] for digit in _find_at(number, len(_COMMON), _MAX_COMMON)))
    text = bytes(_find_at(number - _COUNT_COMMON, 256, _MAX_BYTES)).decode()
    if _is_common(text):  # it has a number below
        raise ValueError(text)
    return _check_safe(text)


@dataclass(frozen=True, slots=True)
class Prefixed(Codec):
    """A prefix that every id of an upstream has, and a codec for the rest."""

    prefix: str
    codec: Codec

    def encode(self, upstream_id: str, account: str) -> str:
        if not upstream_id.startswith(self.prefix):
            raise UnreadableError("an id with its prefix")
        return self.codec.encode(upstream_id.removeprefix(self.prefix), account)

    def decode(self, sid: str, account: str) -> str:
        return f"{self.prefix}{self.codec.decode(sid, account)}"


@dataclass(frozen=True, slots=True)
class Keyed(Codec):
    """An id of 64 or 96 bits, followed by an HMAC-SHA256 over it and its account."""

    pattern: re.Pattern[str]
    prefix: str
    key: bytes
    width: int = 16
    """Hexadecimal digits that the id takes."""
    is_hex: bool = False

    def encode(self, upstream_id: str, account: str) -> str:
        if not self.pattern.fullmatch(upstream_id):
            raise UnreadableError("an id that fits this codec")
        digits = upstream_id.removeprefix(self.prefix)
        packed = digits if self.is_hex else f"{int(digits):0{self.width}x}"
        if len(packed) > self.width:
            raise UnreadableError("a number below 2^64")
        return f"PN{packed}{self._sign(packed, account)}"

    def decode(self, sid: str, account: str) -> str:
        packed, check = sid[2 : 2 + self.width].lower(), sid[2 + self.width :].lower()
        if not hmac.compare_digest(check, self._sign(packed, account)):
            raise LegacyError(NOT_FOUND)
        return f"{self.prefix}{packed if self.is_hex else int(packed, 16)}"

    def _sign(self, packed: str, account: str) -> str:
        text = f"{self.prefix}{packed}{account}"
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[: 32 - self.width]


_MAX_STORED = 1024  # characters


@dataclass(frozen=True, slots=True)
class Stored(Codec):
    """Any text: the Sid is an HMAC-SHA256 over it and its account, and a store keeps what it stands for."""

    key: bytes
    memory: IdMemory

    def encode(self, upstream_id: str, account: str) -> str:
        try:
            sid = self._sign(upstream_id, account)
        except UnicodeEncodeError:
            sid = ""
        if not sid or not 0 < len(upstream_id) <= _MAX_STORED:
            raise UnreadableError(f"an id of 1 to {_MAX_STORED} characters")
        self.memory.learn(sid.lower(), upstream_id)
        return sid

    def decode(self, sid: str, account: str) -> str:
        upstream_id = self.memory.recall(sid)
        if upstream_id is None or self._sign(upstream_id, account).lower() != sid.lower():
            raise LegacyError(NOT_FOUND)
        return upstream_id

    def _sign(self, upstream_id: str, account: str) -> str:
        text = f"{len(account)} {account} {upstream_id}"
        return f"PN{hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[:32]}"


_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_HEX24 = re.compile("[0-9a-f]{24}")
_INTEGER = re.compile("0|[1-9][0-9]{0,19}")


class IdCodec(NamedTuple):
    """What the program has to know of a codec."""

    build: Callable[[bytes], Codec]
    """Takes the secret `legacy.sid_key`."""
    readers: frozenset[str] = frozenset({"text"})
    """The conversions that read such an id, or write it."""
    is_keyed: bool = False
    """Whether its Sids are signed with the secret; without one, anything can forge them."""
    is_free_text: bool = False
    """Whether clients can make Sids that stand for texts of their choice."""
    is_stored: bool = False
    """Whether it needs a store to know an id by its Sid."""
    holds_numbers: bool = False
    """Whether the id of a caller ID is its phone number."""


ID_CODECS: Mapping[CodecName, IdCodec] = {
    "identity": IdCodec(lambda _: Identity()),
    "uuid": IdCodec(lambda _: Rewritten(lambda text: UUID(text).hex, lambda digits: str(UUID(digits)))),
    "base64url": IdCodec(lambda _: Rewritten(_parse_base64url, _format_base64url)),
    "hex32": IdCodec(lambda _: Rewritten(partial(_parse_hex, _HEX32), str)),
    "hex32_upper": IdCodec(lambda _: Rewritten(partial(_parse_hex, _HEX32_UPPER), str.upper)),
    "ulid": IdCodec(lambda _: Rewritten(_parse_ulid, _format_ulid)),
    "hex24": IdCodec(lambda key: Keyed(_HEX24, "", key, width=24, is_hex=True), is_keyed=True),
    "e164": IdCodec(
        lambda key: Keyed(_E164, "+", key), list_readers("phone_number"), is_keyed=True, holds_numbers=True
    ),
    "integer": IdCodec(lambda key: Keyed(_INTEGER, "", key), list_readers("account"), is_keyed=True),
    "short_text": IdCodec(lambda _: Rewritten(_pack_text, _unpack_text), is_free_text=True),
    "stored": IdCodec(lambda key: Stored(key, IdMemory()), list_readers("account"), is_stored=True),
}


def build_codec(name: CodecName, key: bytes, prefix: str = "") -> Codec:
    """Return the codec of that name; `key` signs its check values, `prefix` starts every id."""
    codec = ID_CODECS[name].build(key)
    return Prefixed(prefix, codec) if prefix else codec


def find_memory(codec: Codec) -> IdMemory | None:
    """Return what a codec remembers, None where its Sids hold the ids."""
    inner = codec.codec if isinstance(codec, Prefixed) else codec
    return inner.memory if isinstance(inner, Stored) else None
