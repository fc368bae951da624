"""The documents of 2008 as tables: the children of each element, in order, and the value of each.

Every format is written from these tables: a new child or another order is one line here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from proxy.errors import Fault
from proxy.legacy.formats import DateWriter, OutsideNanp, all_ten_digits, ten_digits
from proxy.model import CallerId, CallerIds, ValidationRequest

T = TypeVar("T")

Texts = Sequence[tuple[str, str | None]]
"""The children of an element in order: name and text. None is an empty child."""


@dataclass(frozen=True, slots=True)
class Style:
    """The operator's choices about the text of elements."""

    date: Callable[[int], str]
    """Seconds since the epoch → RFC 2822 in the configured zone."""
    outside_nanp: OutsideNanp = "digits"
    page_uris: bool = False
    """Whether lists carry the URIs that later revisions of the API added."""

    def dates(self, column: Sequence[int | None]) -> Sequence[str | None]:
        """Write many dates; one that the upstream does not have is empty, never invented."""
        if isinstance(self.date, DateWriter):
            return self.date.column(column)
        return [None if seconds is None else self.date(seconds) for seconds in column]

    def number(self, phone_number: str) -> str | None:
        return ten_digits(phone_number, self.outside_nanp)

    def numbers(self, column: Sequence[str]) -> Sequence[str | None]:
        written = all_ten_digits(column)
        return [self.number(phone_number) for phone_number in column] if written is None else written


@dataclass(frozen=True, slots=True)
class Element(Generic[T]):
    """An element with children that hold text."""

    name: str
    children: Mapping[str, Callable[[T, Style], str | None]]
    """Child name → its text. None is an empty child, or none at all where it is `optional`."""
    optional: frozenset[str] = frozenset()

    def texts(self, value: T, style: Style) -> Texts:
        """Return the children that `value` has, in order."""
        texts = [(name, text(value, style)) for name, text in self.children.items()]
        return [(name, text) for name, text in texts if text is not None or name not in self.optional]


@dataclass(frozen=True, slots=True)
class ListedElement:
    """An element of a list, which is written by columns: a column holds the texts of one child."""

    name: str
    children: Mapping[str, Callable[[CallerIds, Style], Sequence[str | None]]]
    """Child name → its text in each element. None is an empty child."""
    plain: frozenset[str] = frozenset()
    """Children without characters that a format would escape."""

    def columns(self, caller_ids: CallerIds, style: Style) -> Mapping[str, Sequence[str | None]]:
        """Return the children of many elements, in order: child name → its text in each."""
        return {name: column(caller_ids, style) for name, column in self.children.items()}

    def rows(self, caller_ids: CallerIds, style: Style) -> Sequence[Texts]:
        columns = self.columns(caller_ids, style)
        return [list(zip(columns, texts, strict=True)) for texts in zip(*columns.values(), strict=True)]

    def texts(self, value: CallerId, style: Style) -> Texts:
        return self.rows(CallerIds.of([value]), style)[0]


CALLER_ID = ListedElement(
    "OutgoingCallerId",
    {
        "Sid": lambda caller_ids, _: caller_ids.sid,
        "AccountSid": lambda caller_ids, _: caller_ids.account_sid,
        "FriendlyName": lambda caller_ids, _: caller_ids.friendly_name,
        "PhoneNumber": lambda caller_ids, style: style.numbers(caller_ids.phone_number),
        "DateCreated": lambda caller_ids, style: style.dates(caller_ids.date_created),
        "DateUpdated": lambda caller_ids, style: style.dates(caller_ids.date_updated),
    },
    plain=frozenset({"Sid", "AccountSid", "DateCreated", "DateUpdated"}),  # matched or made by a pattern
)

VALIDATION_REQUEST: Element[ValidationRequest] = Element(
    "ValidationRequest",
    {
        "AccountSid": lambda value, _: value.account_sid,
        "PhoneNumber": lambda value, style: style.number(value.phone_number),
        "FriendlyName": lambda value, _: value.friendly_name,
        "ValidationCode": lambda value, _: value.validation_code,
    },
    optional=frozenset({"FriendlyName"}),
)

REST_EXCEPTION: Element[Fault] = Element(
    "RestException",
    {
        "Status": lambda value, _: str(value.status),
        "Message": lambda value, _: value.message,
        "Code": lambda value, _: None if value.code is None else str(value.code),
        "MoreInfo": lambda value, _: (
            None if value.code is None else f"http://www.twilio.com/docs/errors/{value.code}"
        ),
    },
    optional=frozenset({"Code", "MoreInfo"}),
)

LIST_NAME = "OutgoingCallerIds"
