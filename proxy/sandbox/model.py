"""The sandbox's values: a caller id, a waiting validation call, and a page of a list."""

from typing import NamedTuple


class CallerId(NamedTuple):
    sid: str
    account_sid: str
    friendly_name: str
    phone_number: str
    created: int
    updated: int


class Call(NamedTuple):
    """A validation call: it rings at `rings_at` and waits for `code` to be entered."""

    phone_number: str
    account_sid: str
    call_sid: str
    friendly_name: str
    code: str
    rings_at: float
    wrong_codes: int = 0


class Wanted(NamedTuple):
    """Whose caller ids to list, and the filters: `None` does not filter."""

    account_sid: str
    phone_number: str | None = None
    friendly_name: str | None = None


class Cursor(NamedTuple):
    """A place between two rows, which outlives the rows around it."""

    position: int = 0
    forward: bool = True


class Page(NamedTuple):
    caller_ids: list[CallerId]
    previous: Cursor | None
    following: Cursor | None


def default_name(phone_number: str) -> str:
    """Format a number as Twilio does: nicely within +1, else as it is."""
    if phone_number.startswith("+1") and len(phone_number) == 12:
        return f"({phone_number[2:5]}) {phone_number[5:8]}-{phone_number[8:]}"
    return phone_number
