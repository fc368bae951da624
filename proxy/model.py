"""The neutral middle: the values that both sides exchange. Frozen, without imports of ours."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress
from operator import attrgetter
from typing import NamedTuple


class CallerId(NamedTuple):
    """One validated number of an account."""

    sid: str
    """As the legacy client sees it: `PN` and 32 hexadecimal digits."""
    account_sid: str
    """As the legacy client sees it: the account of its request's path."""
    friendly_name: str
    phone_number: str
    """E.164 (`+14158675309`), or what the upstream wrote where that is no E.164 number."""
    date_created: int | None
    """Seconds since the epoch, UTC; None where the upstream keeps no such date."""
    date_updated: int | None


@dataclass(frozen=True, slots=True)
class CallerIds:
    """Many caller IDs, a column for each field: row by row, a long list takes several times as long."""

    sid: Sequence[str]
    account_sid: Sequence[str]
    friendly_name: Sequence[str]
    phone_number: Sequence[str]
    date_created: Sequence[int | None]
    date_updated: Sequence[int | None]

    @classmethod
    def of(cls, rows: Iterable[CallerId]) -> "CallerIds":
        listed = list(rows)
        return cls(*map(list, zip(*listed, strict=True))) if listed else NO_CALLER_IDS

    @classmethod
    def joined(cls, pages: Sequence["CallerIds"]) -> "CallerIds":
        """Return the rows of all pages, in order."""
        if len(pages) < 2:
            return pages[0] if pages else NO_CALLER_IDS
        return cls(*(list(chain(*columns)) for columns in zip(*map(_columns, pages), strict=True)))

    def __len__(self) -> int:
        return len(self.sid)

    def __iter__(self) -> Iterator[CallerId]:
        return map(CallerId._make, zip(*_columns(self), strict=True))

    def __getitem__(self, rows: slice) -> "CallerIds":
        return CallerIds(*(column[rows] for column in _columns(self)))

    def only(self, wanted: Iterable[bool]) -> "CallerIds":
        """Return the rows whose flag in `wanted`, one for each row, is true."""
        chosen = list(wanted)
        return CallerIds(*(list(compress(column, chosen)) for column in _columns(self)))

    def matching(self, operation: "List") -> "CallerIds":
        """Return the rows that match both filters of `operation`."""
        rows = matching_rows(self.phone_number, self.friendly_name, operation)
        return CallerIds(*([column[row] for row in rows] for column in _columns(self)))


_columns = attrgetter(*CallerId._fields)
NO_CALLER_IDS = CallerIds((), (), (), (), (), ())


@dataclass(frozen=True, slots=True)
class ValidationRequest:
    """A validation call under way, and the code that has to be typed on the phone."""

    account_sid: str
    phone_number: str
    friendly_name: str | None
    validation_code: str = field(repr=False)
    """As text: leading zeros count."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The acknowledgement of a Delete: it has no content."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and password, as HTTP Basic carries them (RFC 7617), and what some want beside."""

    username: str
    password: str
    extra: str = ""
    """An OAuth2 assertion or the key that signs one, or the session token of temporary AWS credentials."""

    def __repr__(self) -> str:
        """Keep all out of logs and tracebacks: some clients send their token as the user name."""
        return "Credentials(…)"


class DataOwner(NamedTuple):
    """Whose data a write changes: the origin of an upstream, and an account there, each in one spelling."""

    origin: str
    account: str
    is_apart: bool = True
    """Whether accounts with other names have other data."""


@dataclass(frozen=True, slots=True)
class Account:
    """An authenticated legacy account, and the credentials with which the upstream is asked for it."""

    sid: str
    """The AccountSid in the legacy client's paths."""
    upstream_id: str
    credentials: Credentials
    upstream: str = ""
    """The name of its upstream."""
    is_own: bool = True
    """Whether the credentials are the caller's own: then a refusal of the upstream is passed on as it is."""
    owner: DataOwner | None = None
    """None stands for the names of its upstream and there."""
    label: str = ""
    """What people call the account; empty where they call it by its Sid."""

    def names(self) -> frozenset[str]:
        """Return in lower case what the account may be called by."""
        return frozenset(name.lower() for name in (self.sid, self.upstream_id, self.label) if name)


@dataclass(frozen=True, slots=True)
class List:
    """Show one page of the caller IDs that match every given filter."""

    account_sid: str
    page: int
    page_size: int
    phone_number: str | None = None
    """E.164; None does not filter."""
    friendly_name: str | None = None
    nothing_matches: bool = False
    """Whether the client filters by a value that no caller ID can have."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Show one caller ID."""

    account_sid: str
    sid: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Change the FriendlyName of one caller ID."""

    account_sid: str
    sid: str
    friendly_name: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove one caller ID from the list."""

    account_sid: str
    sid: str


@dataclass(frozen=True, slots=True)
class Validate:
    """Place one validation call; the number joins the list once its code has been typed."""

    account_sid: str
    phone_number: str
    """E.164."""
    friendly_name: str | None
    call_delay: int
    """Seconds, 0 to 60."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Verify the code that a validation call has spoken; not an operation of 2008."""

    account_sid: str
    phone_number: str
    """E.164."""
    pending: str
    """The upstream's name for the validation."""
    code: str = field(repr=False)


def matching_rows(numbers: Sequence[str], names: Sequence[str], operation: List) -> Sequence[int]:
    """Return the rows that equal both filters of `operation`; an absent one matches every row."""
    rows: Sequence[int] = range(len(numbers))
    for column, wanted in ((numbers, operation.phone_number), (names, operation.friendly_name)):
        if wanted is not None:
            rows = [row for row in rows if column[row] == wanted]
    return rows


Operation = List | Fetch | Rename | Delete | Validate
Result = CallerId | Deleted | ValidationRequest
