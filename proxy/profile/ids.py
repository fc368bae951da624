"""How an upstream's ids become Sids and back: a table of codecs, all stateless and reversible. Pure.

A Sid is `PN` and 32 hexadecimal digits: 128 bits. A number or an integer takes the first half, and a keyed
check value the second, so that a made-up Sid is known as one without asking the upstream.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from proxy.errors import NOT_FOUND, LegacyError
from proxy.profile.conversions import UnreadableError

CodecName = Literal["identity", "uuid", "hex32", "ulid", "hex24", "e164", "integer"]


class Codec(Protocol):
    """One kind of id."""

    def sid(self, upstream_id: str, account: str) -> str:
        """Return the Sid of an id; UnreadableError where this codec cannot hold it."""

    def sids(self, upstream_ids: Sequence[str], account: str) -> Sequence[str]:
        """Return the Sids of many ids."""
        return [self.sid(upstream_id, account) for upstream_id in upstream_ids]

    def upstream_id(self, sid: str, account: str) -> str:
        """Return the id behind a well-formed Sid; LegacyError 404 where there is none."""


class Identity(Codec):
    """The upstream has Sids of its own."""

    _to_zeros = bytes.maketrans(b"0123456789abcdefABCDEF", b"0" * 22)
    _zeros = b"PN" + b"0" * 32 + b"\n"

    def sid(self, upstream_id: str, _: str) -> str:
        """Take a Sid as it is."""
        if not re.fullmatch("PN[0-9a-fA-F]{32}", upstream_id):
            raise UnreadableError("expected a Sid")
        return upstream_id

    def sids(self, upstream_ids: Sequence[str], _: str) -> Sequence[str]:
        """Take Sids as they are: looked at all together, they take a tenth of the time."""
        lines = "\n".join([*upstream_ids, ""])
        zeros = self._zeros * len(upstream_ids)
        if not lines.isascii() or lines.encode().translate(self._to_zeros) != zeros:
            raise UnreadableError("expected Sids")
        return upstream_ids

    def upstream_id(self, sid: str, _: str) -> str:
        """Take a Sid as it is."""
        return sid


class Uuid(Codec):
    """A UUID has 32 hexadecimal digits too."""

    def sid(self, upstream_id: str, _: str) -> str:
        """Leave the hyphens out."""
        try:
            return f"PN{UUID(upstream_id).hex}"
        except ValueError:
            raise UnreadableError("expected a UUID") from None

    def upstream_id(self, sid: str, _: str) -> str:
        """Put the hyphens in."""
        return str(UUID(sid[2:]))


class Hex32(Codec):
    """32 hexadecimal digits, without hyphens and in lower case."""

    def sid(self, upstream_id: str, _: str) -> str:
        """Take the digits as they are."""
        if not re.fullmatch("[0-9a-f]{32}", upstream_id):
            raise UnreadableError("expected 32 hexadecimal digits")
        return f"PN{upstream_id}"

    def upstream_id(self, sid: str, _: str) -> str:
        """Take the digits as they are."""
        return sid[2:].lower()


class Ulid(Codec):
    """A ULID is 128 bits too, in 26 digits of Crockford's base 32."""

    _digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

    def sid(self, upstream_id: str, _: str) -> str:
        """Write the bits in base 16; capitals are what a ULID is written in."""
        if not re.fullmatch(f"[0-7][{self._digits}]{{25}}", upstream_id):
            raise UnreadableError("expected a ULID")
        bits = 0
        for digit in upstream_id:
            bits = bits * 32 + self._digits.index(digit)
        return f"PN{bits:032x}"

    def upstream_id(self, sid: str, _: str) -> str:
        """Write the bits in base 32."""
        bits = int(sid.removeprefix("PN"), 16)
        return "".join(self._digits[bits >> shift & 31] for shift in range(125, -1, -5))


@dataclass(frozen=True, slots=True)
class Prefixed(Codec):
    """What every id of an upstream begins with, and a codec for the rest."""

    prefix: str
    codec: Codec

    def sid(self, upstream_id: str, account: str) -> str:
        """Leave the prefix out."""
        if not upstream_id.startswith(self.prefix):
            raise UnreadableError("expected an id with its prefix")
        return self.codec.sid(upstream_id.removeprefix(self.prefix), account)

    def upstream_id(self, sid: str, account: str) -> str:
        """Put the prefix in."""
        return f"{self.prefix}{self.codec.upstream_id(sid, account)}"


@dataclass(frozen=True, slots=True)
class Keyed(Codec):
    """Something that fits into 64 bits, or 96, and in the rest HMAC-SHA256 over it and its account."""

    pattern: re.Pattern[str]
    prefix: str
    key: bytes
    width: int = 16
    """Hexadecimal digits of what fits."""
    is_hex: bool = False

    def sid(self, upstream_id: str, account: str) -> str:
        """Pack the digits."""
        if not self.pattern.fullmatch(upstream_id):
            raise UnreadableError("an id that this codec cannot hold")
        digits = upstream_id.removeprefix(self.prefix)
        packed = digits if self.is_hex else f"{int(digits):0{self.width}x}"
        return f"PN{packed}{self._check(packed, account)}"

    def upstream_id(self, sid: str, account: str) -> str:
        """Unpack the digits and see whether the check value is ours."""
        packed, check = sid[2 : 2 + self.width].lower(), sid[2 + self.width :].lower()
        if not hmac.compare_digest(check, self._check(packed, account)):
            raise LegacyError(NOT_FOUND)
        return f"{self.prefix}{packed if self.is_hex else int(packed, 16)}"

    def _check(self, packed: str, account: str) -> str:
        text = f"{self.prefix}{packed}{account}"
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()[: 32 - self.width]


_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_HEX24 = re.compile("[0-9a-f]{24}")
_INTEGER = re.compile("0|[1-9][0-9]{0,17}")


def codec(name: CodecName, key: bytes, prefix: str = "") -> Codec:
    """Return the codec of that name; `key` makes its check values unforgeable, `prefix` starts every id."""
    codecs: Mapping[CodecName, Codec] = {
        "identity": Identity(),
        "uuid": Uuid(),
        "hex32": Hex32(),
        "ulid": Ulid(),
        "hex24": Keyed(_HEX24, "", key, width=24, is_hex=True),
        "e164": Keyed(_E164, "+", key),
        "integer": Keyed(_INTEGER, "", key),
    }
    return Prefixed(prefix, codecs[name]) if prefix else codecs[name]
