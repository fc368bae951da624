"""Characters that no document of 2008 can hold."""

import re
from collections.abc import Iterable

# XML 1.0 section 2.2. The other formats keep to it too: an element has the same text in each.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PART = 64 * 1024  # characters that one search reads, of the texts of many caller IDs
_ILLEGAL_ASCII = bytes(code for code in range(128) if _ILLEGAL.match(chr(code)))


def is_legible(text: str) -> bool:
    """Whether a document can hold `text` as it is."""
    if text.isascii():  # a fifth of the time
        return len(text.encode().translate(None, _ILLEGAL_ASCII)) == len(text)
    return not any(_ILLEGAL.search(text, start, start + _PART) for start in range(0, len(text), _PART))


def count_illegible(texts: Iterable[str | None]) -> int:
    """Return in how many of `texts` a character will be replaced."""
    return sum(text is not None and not is_legible(text) for text in texts)


def legible(text: str) -> str:
    """Put U+FFFD in the place of characters that XML 1.0 cannot hold."""
    return text if is_legible(text) else _ILLEGAL.sub("\ufffd", text)
