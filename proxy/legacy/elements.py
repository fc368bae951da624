"""The documents of 2008 as tables: which children an element has, in which order, and where each comes from.

Every format is written from these tables, so a new child or another order is one line here.
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
    """What an operator may choose about the text of elements."""

    date: Callable[[int], str]
    """Seconds since the epoch → RFC 2822 in the configured zone."""
    outside_nanp: OutsideNanp = "digits"
    page_uris: bool = False
    """Whether lists carry the URIs that later revisions of the API added."""

    def dates(self, column: Sequence[int | None]) -> Sequence[str | None]:
        """Write many dates; one that the upstream does not keep is empty, never invented."""
        if isinstance(self.date, DateWriter):
            return self.date.column(column)
        return [None if seconds is None else self.date(seconds) for seconds in column]

    def number(self, phone_number: str) -> str | None:
        """Write a number as `numbers.outside_nanp` says."""
        return ten_digits(phone_number, self.outside_nanp)

    def numbers(self, column: Sequence[str]) -> Sequence[str | None]:
        """Write many numbers."""
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
    """An element of a list, which is written a column at a time: of many elements, the texts of one child."""

    name: str
    children: Mapping[str, Callable[[CallerIds, Style], Sequence[str | None]]]
    """Child name → its text in each element. None is an empty child."""
    plain: frozenset[str] = frozenset()
    """Children in which no character means anything to any format."""

    def columns(self, them: CallerIds, style: Style) -> Mapping[str, Sequence[str | None]]:
        """Return the children of many, in order: child name → its text in each."""
        return {name: column(them, style) for name, column in self.children.items()}

    def rows(self, caller_ids: CallerIds, style: Style) -> Sequence[Texts]:
        """Return the children of each, in order."""
        columns = self.columns(caller_ids, style)
        return [list(zip(columns, texts, strict=True)) for texts in zip(*columns.values(), strict=True)]

    def texts(self, value: CallerId, style: Style) -> Texts:
        """Return the children of one, in order."""
        return self.rows(CallerIds.of([value]), style)[0]


CALLER_ID = ListedElement(
    "OutgoingCallerId",
    {
        "Sid": lambda them, _: them.sid,
        "AccountSid": lambda them, _: them.account_sid,
        "FriendlyName": lambda them, _: them.friendly_name,
        "PhoneNumber": lambda them, style: style.numbers(them.phone_number),
        "DateCreated": lambda them, style: style.dates(them.date_created),
        "DateUpdated": lambda them, style: style.dates(them.date_updated),
    },
    plain=frozenset({"Sid", "AccountSid", "DateCreated", "DateUpdated"}),  # matched or made by a pattern
)

VALIDATION_REQUEST: Element[ValidationRequest] = Element(
    "ValidationRequest",
    {
        "AccountSid": lambda it, _: it.account_sid,
        "PhoneNumber": lambda it, style: style.number(it.phone_number),
        "FriendlyName": lambda it, _: it.friendly_name,
        "ValidationCode": lambda it, _: it.validation_code,
    },
    optional=frozenset({"FriendlyName"}),
)

REST_EXCEPTION: Element[Fault] = Element(
    "RestException",
    {
        "Status": lambda it, _: str(it.status),
        "Message": lambda it, _: it.message,
        "Code": lambda it, _: None if it.code is None else str(it.code),
        "MoreInfo": lambda it, _: None if it.code is None else f"http://www.twilio.com/docs/errors/{it.code}",
    },
    optional=frozenset({"Code", "MoreInfo"}),
)

LIST_NAME = "OutgoingCallerIds"
