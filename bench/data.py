"""The caller IDs of the canned upstream. An account's Sid contains their number, so nothing is set up."""

import base64
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

_FIRST_DATE = 1_175_000_000  # March 2007: from here on the US clocks follow one rule
_DATES = 30 * 365 * 86_400
CHANGING = "@@@@@@@@"
"""The placeholder of a name that differs each time."""
_NAMES = ("Line {}", "Zoë's line {}", "Sales & Service <{}>", "{} Front Desk", "Company Main Line {}")


class Owner(NamedTuple):
    """An account: how many caller IDs it has, how slow the upstream is for it, and a choice of dates."""

    items: int
    delay: int = 0
    """Milliseconds that the upstream takes for each call."""
    seed: int = 0
    changes: bool = False
    """Whether one of its names differs in each answer."""

    @property
    def sid(self) -> str:
        """Its Sid."""
        return f"AC{self.items:08x}{self.delay:04x}{self.seed:08x}{self.changes:x}".ljust(34, "0")

    @classmethod
    def of(cls, sid: str) -> "Owner":
        """Return the account of a Sid."""
        return cls(int(sid[2:10], 16), int(sid[10:14], 16), int(sid[14:22], 16), sid[22] == "1")

    @classmethod
    def changes_at(cls, target: str) -> bool:
        """Tell whether a target of the upstream belongs to an account that changes."""
        return target[_CHANGES : _CHANGES + 1] == "1"


_CHANGES = len("/2010-04-01/Accounts/AC") + 20


def item_sid(owner: Owner, index: int) -> str:
    """Return the Sid of one caller ID."""
    return f"PN{owner.seed:08x}{index:024x}"


def item(owner: Owner, index: int) -> dict[str, Any]:
    """Return one caller ID as the upstream shows it."""
    chance = (owner.seed * 1_000_003 + index) * 2_654_435_761
    created = _FIRST_DATE + chance % _DATES
    sid = item_sid(owner, index)
    name = CHANGING if owner.changes and index == 0 else _NAMES[index % len(_NAMES)].format(index)
    return {
        "sid": sid,
        "account_sid": owner.sid,
        "friendly_name": name,
        "phone_number": f"+1415{2_000_000 + index}",
        "date_created": _rfc_2822(created),
        "date_updated": _rfc_2822(created + chance % 8_000_000),
        "uri": f"{modern_path(owner)}/{sid}.json",
    }


def page(owner: Owner, number: int, size: int) -> dict[str, Any]:
    """Return a page of an account's list as the upstream shows it."""
    first = number * size
    after = min(first + size, owner.items)

    def uri(number: int) -> str:
        token = f"&Page={number}&PageToken=PA{number}" if number else ""
        return f"{modern_path(owner)}.json?PageSize={size}{token}"

    return {
        "outgoing_caller_ids": [item(owner, index) for index in range(first, after)],
        "page": number,
        "page_size": size,
        "start": first,
        "end": max(first, after - 1),
        "uri": uri(number),
        "first_page_uri": uri(0),
        "previous_page_uri": uri(number - 1) if number else None,
        "next_page_uri": uri(number + 1) if after < owner.items else None,
    }


def _rfc_2822(seconds: int) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(seconds))


# Requests


class Question(NamedTuple):
    """One request, as a legacy client sends it and as the upstream gets it."""

    legacy: bytes
    modern: bytes


def legacy_path(owner: Owner) -> str:
    """Return the legacy path of an account's list."""
    return f"/2008-08-01/Accounts/{owner.sid}/OutgoingCallerIds"


def modern_path(owner: Owner) -> str:
    """Return the upstream's path of it, without the suffix."""
    return f"/2010-04-01/Accounts/{owner.sid}/OutgoingCallerIds"


def authorization(caller: int = 0) -> str:
    """Return a header's credentials: API keys, which are valid for every account."""
    return f"Basic {base64.b64encode(f'SK{caller:032x}:token'.encode()).decode()}"


def ask(target: str, owner: Owner | None = None, caller: int = 0) -> bytes:
    """Write a request."""
    credentials = f"Authorization: {authorization(caller)}\r\n" if owner else ""
    return (
        f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: bench\r\n{credentials}\r\n"
    ).encode()


def the_list(owner: Owner, query: str = "", size: int = 50, caller: int = 0) -> Question:
    """Request the list: a legacy client with `query`, the upstream for its first page of this size."""
    return Question(
        ask(f"{legacy_path(owner)}{query}", owner, caller),
        ask(f"{modern_path(owner)}.json?PageSize={size}", owner, caller),
    )


def the_instances(owner: Owner) -> Iterator[Question]:
    """Request each caller ID."""
    for index in range(owner.items):
        sid = item_sid(owner, index)
        yield Question(
            ask(f"{legacy_path(owner)}/{sid}", owner), ask(f"{modern_path(owner)}/{sid}.json", owner)
        )
