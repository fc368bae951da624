"""The phone numbers of an upstream as E.164, whichever of the usual ways they are written in. Pure.

What is no number stays as it is. What is one, but not certainly which, is refused: shown without its other
characters, it would be another number.
"""

import re
from collections.abc import Callable, Sequence

from proxy.profile.conversions import UnreadableError

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_PLAIN = re.compile(r"\+?(?!0)[0-9]{1,31}")
_DIGIT = re.compile(r"\d")
_SEPARATORS = re.compile(
    r"[\s().\-/\u00b7\u200b\u200e\u200f\u2010-\u2015\u202a-\u202e\u2060\u2066-\u2069\u2212\ufeff]"
)
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufffe\\uffff]")
_EXTENSION = re.compile(r"[0-9).\s](?:[,;x#]|\s*(?:ext|extension)\b)", re.IGNORECASE)
_MAX_WRITTEN = 256  # characters

_TO_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_ZEROS = b"+00000000000\n"


def read_numbers(column: Sequence[str | None], complete: Callable[[str], str]) -> Sequence[str | None]:
    """Return many numbers as `read_number` does."""
    lines = "\n".join([*(number or "" for number in column), ""])
    may_be_plain = lines.isascii() and "+0" not in lines
    if may_be_plain and lines.encode().translate(_TO_ZEROS) == _ZEROS * len(column):
        return column  # a tenth of the time
    return [None if number is None else read_number(number, complete) for number in column]


def read_number(written: str, complete: Callable[[str], str] = str) -> str:
    """Return a number as E.164, and a text without digits as it is.

    `complete` adds the country code to digits that lack it. Separators, the prefix 00 of international calls
    (ITU-T E.123) and tel URIs (RFC 3966) are read. UnreadableError for an extension, for a number without its
    country code, and for other texts with digits.
    """
    if _PLAIN.fullmatch(written) or not _DIGIT.search(written):
        return written
    if len(written) > _MAX_WRITTEN:
        raise UnreadableError("a phone number")
    text = written.strip()
    if text[:4].lower() == "tel:":
        text = _read_uri(text[4:])
    _check_single(text)
    digits = complete(_SEPARATORS.sub("", text))
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    if E164.fullmatch(digits):
        return digits
    if re.fullmatch("0[0-9]*", digits):
        raise UnreadableError("a phone number with its country code")
    if _PLAIN.fullmatch(digits):  # without a plus sign: the digits are shown as they are
        return digits
    if _PLAIN.fullmatch(_UNPRINTABLE.sub("", digits)):  # the legacy side replaces the rest
        return written
    raise UnreadableError("a phone number in digits")


def _check_single(text: str) -> None:
    if "(0)" in text:
        raise UnreadableError("a phone number without a trunk prefix in brackets")
    if _EXTENSION.search(text):
        raise UnreadableError("a phone number without an extension")


def _read_uri(text: str) -> str:
    """Return the number of a tel URI without its scheme, and with the context that it is in."""
    number, *parameters = text.split(";")
    values = {name.lower(): value for name, _, value in (each.partition("=") for each in parameters)}
    if values.keys() & {"ext", "isub", "postd"}:
        raise UnreadableError("a phone number without an extension")
    context = values.get("phone-context", "")
    return f"{context}{number}" if context.startswith("+") and not number.startswith("+") else number
