"""The form of validation codes, which vendors choose: how many characters of which kind. Pure."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, StrictInt

from proxy.profile.base import Frozen
from proxy.profile.conversions import UnreadableError, read_text

_MIN, _MAX = 4, 32  # characters: shorter codes are guessed, longer ones are not typed
_NUMBERS = {4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


def _check_length(length: tuple[int, int]) -> tuple[int, int]:
    if not _MIN <= length[0] <= length[1] <= _MAX:
        raise ValueError(f"a code has {_MIN} to {_MAX} characters: write 6, or [4, 10]")
    return length


Length = Annotated[
    tuple[StrictInt, StrictInt],
    AfterValidator(_check_length),
    BeforeValidator(_pair, json_schema_input_type=int | tuple[int, int]),
]


class Codes(Frozen):
    """What a validation code consists of."""

    length: Length = (6, 6)
    """The smallest and the largest number of characters."""
    characters: Literal["digits", "alphanumeric"] = "digits"

    @classmethod
    def covering(cls, forms: Iterable[Self]) -> "Codes":
        """Return a form that every code of `forms` has."""
        shortest, longest = zip(*(form.length for form in forms), strict=True)
        has_letters = any(form.characters == "alphanumeric" for form in forms)
        return Codes(
            length=(min(shortest), max(longest)), characters="alphanumeric" if has_letters else "digits"
        )

    @property
    def pattern(self) -> str:
        """A regular expression for one character."""
        return "[0-9]" if self.characters == "digits" else "[0-9A-Za-z]"

    def is_match(self, code: str) -> bool:
        shortest, longest = self.length
        is_of_kind = str.isdigit if self.characters == "digits" else str.isalnum
        return shortest <= len(code) <= longest and code.isascii() and is_of_kind(code)

    def read(self, value: Any) -> str:
        """Read a text, or a number that has lost its leading zeros; UnreadableError where it is no code."""
        is_number = isinstance(value, int) and not isinstance(value, bool)
        code = f"{value:0{self.length[0]}}" if is_number else read_text(value)
        if not self.is_match(code):
            raise UnreadableError(f"a code of {self}")
        return code

    def __str__(self) -> str:
        """Return `six digits`, or `four to ten letters and digits`."""
        shortest, longest = (_NUMBERS.get(each, str(each)) for each in self.length)
        how_many = shortest if shortest == longest else f"{shortest} to {longest}"
        return f"{how_many} {'digits' if self.characters == 'digits' else 'letters and digits'}"


SIX_DIGITS = Codes()
