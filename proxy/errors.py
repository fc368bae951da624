"""The tables of Faults and of Reasons, and the exceptions that carry them to where they are rendered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer: the children of `<RestException>`, and extra HTTP headers."""

    status: int
    message: str
    code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: object = field(default_factory=object, compare=False, repr=False)
    """What tells this fault from others, whatever code and headers it is given on its way."""

    def saying(self, message: str) -> "Fault":
        """Return the same fault with a more exact message, which makes it one of its own kind."""
        return self if message == self.message else replace(self, message=message, kind=object())

    def with_header(self, name: str, value: str) -> "Fault":
        """Return the same fault with one more HTTP header."""
        return replace(self, headers={**self.headers, name: value})


class LegacyError(Exception):
    """Raised anywhere, rendered once, by the gateway."""

    has_no_effect = False
    """Whether the upstream has surely changed nothing: it was not asked, or answered 401, 403 or 404."""
    key_path: tuple[str | int, ...] = ()
    """The key of the profile that the error is about."""
    line = ""
    """Where the profile has that key, as `file:line`; empty until the error is reported."""

    def __init__(self, fault: Fault, **details: str | int) -> None:
        """Answer with `fault`.

        `details` say what an operator needs beside it: a `pointer`, the type of a value that was `found`, a
        `status`, a `limit`, the class of an `exception`. Nothing that an upstream has sent as text is among
        them.
        """
        super().__init__(fault.message)
        self.fault = fault
        self.details = details

    def add_details(self, **details: str | int) -> None:
        """Add details, but replace none."""
        self.details = {**self.details, **details, **self.details}

    def at_key(self, *key_path: str | int) -> Self:
        """Return this error, about a key of the profile unless it is about one already."""
        self.key_path = self.key_path or key_path
        return self

    def describe(self) -> str:
        """Return the line of the profile, what is wrong, and the details."""
        details = ", ".join(f"{name} {value}" for name, value in self.details.items())
        line = f"{self.line}: " if self.line else ""
        return f"{line}{self._explain()}{f' ({details})' if details else ''}"

    def _explain(self) -> str:
        return f"{self.fault.status} {self.fault.message}"

    @property
    def refuses_credentials(self) -> bool:
        """Whether lists that were read with the same credentials may no longer be shown."""
        return self.fault.status in (401, 403)


class Reason(StrEnum):
    """Why an upstream has given no usable answer: the closed list of the log, the metrics and `translate`."""

    CONNECT = "connect"
    DNS = "dns"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    HEADERS = "headers"
    ENCODING = "encoding"
    TOO_LARGE = "too_large"
    REQUEST = "request"
    STATUS = "status"
    NOT_JSON = "not_json"
    NO_ITEMS = "no_items"
    ITEM_KEY = "item_key"
    ITEM_TYPE = "item_type"
    ID = "id"
    CODE = "code"
    TOTAL = "total"
    CURSOR = "cursor"
    ORIGIN = "origin"
    ACCOUNT = "account"
    CREDENTIALS = "credentials"
    UNAUTHORIZED = "unauthorized"
    DECLINED = "declined"
    BREAKER = "breaker"
    CAPACITY = "capacity"
    LOOP = "loop"


class UpstreamError(LegacyError):
    """An upstream has given no usable answer."""

    def __init__(self, reason: Reason, fault: Fault | None = None, **details: str | int) -> None:
        """Answer with the fault of `reason`, or with another one."""
        super().__init__(fault or _FAILURES[reason][0], **details)
        self.reason = reason

    def __str__(self) -> str:
        return self.describe()

    def _explain(self) -> str:
        return f"{self.reason}: {_FAILURES[self.reason][1]}"

    @property
    def refuses_credentials(self) -> bool:
        return self.reason is Reason.CREDENTIALS or super().refuses_credentials


# Requests that cannot be parsed
MALFORMED = Fault(400, "The request could not be understood")
UNAUTHENTICATED = Fault(401, "Authenticate", 20003, {"WWW-Authenticate": 'Basic realm="Twilio API"'})
NOT_FOUND = Fault(404, "The requested resource was not found")
OTHER_RESOURCE = NOT_FOUND.saying(
    f"{NOT_FOUND.message}: this proxy serves OutgoingCallerIds; the key legacy.forward forwards the rest"
)
METHOD_NOT_ALLOWED = Fault(405, "The requested method is not allowed", 20004)
REQUEST_TIMEOUT = Fault(408, "The request took too long to arrive")
BODY_TOO_LARGE = Fault(413, "The request body is too large")
UNSUPPORTED_MEDIA_TYPE = Fault(415, "The request body has an unsupported content type")
UNSUPPORTED_ENCODING = Fault(415, "The request body has an unsupported content encoding")
EXPECTATION_FAILED = Fault(417, "The request expects something unsupported")
HTTP_VERSION = Fault(505, "The request has an unsupported version of HTTP")

# Parameters
BAD_FRIENDLY_NAME = Fault(400, "FriendlyName must have 1 to 64 characters", 20002)
BAD_PHONE_NUMBER = Fault(400, "PhoneNumber must be a ten-digit phone number", 21401)
BAD_CALL_DELAY = Fault(400, "CallDelay must be a whole number of seconds from 0 to 60", 21454)

# Answers of the upstream, and failures to get one
FORBIDDEN = Fault(403, "Access to the requested resource is forbidden")
TOO_MANY_REQUESTS = Fault(429, "Too many requests", 20429)
REFUSED = Fault(400, "The upstream API refused the request")
LIST_TOO_LARGE = Fault(503, "The list is too large", 20503)
UNSUPPORTED = Fault(501, "The upstream API has no equivalent for this request", 20501)
BAD_UPSTREAM = Fault(502, "The upstream API returned an unexpected response", 20502)
UNAVAILABLE = Fault(503, "The upstream API cannot be reached", 20503)
DECLINED = Fault(503, "The upstream API declines requests at the moment", 20503)
OVERLOADED = DECLINED.saying("Too much is being received at the moment").with_header("Retry-After", "1")
BUSY = DECLINED.saying("Too many requests are being carried out at the moment")
TOO_SLOW = Fault(504, "The upstream API took too long to answer", 20504)
NO_IDS = DECLINED.saying("The ids of caller IDs cannot be read at the moment").with_header("Retry-After", "1")
UNKNOWN_OUTCOME = BAD_UPSTREAM.saying("The validation call may have been placed")
TOO_SLOW_TO_TELL = TOO_SLOW.saying(UNKNOWN_OUTCOME.message)
NOT_SHOWN_YET = TOO_SLOW.saying("The change was made, but may not show for some seconds")

LOOPING = Fault(508, "The request comes back to this proxy again and again")

# Codes that are spoken on the phone (not part of the 2008 API)
WRONG_CODE = Fault(400, "This is not the code of a call to this number")
BAD_CODE = Fault(400, "A code has six digits")

# Failures of the proxy itself
INTERNAL = Fault(500, "An internal error has occurred")

_FAILURES: Mapping[Reason, tuple[Fault, str]] = {
    Reason.CONNECT: (UNAVAILABLE.with_header("Retry-After", "1"), "no connection can be made"),
    Reason.DNS: (UNAVAILABLE.with_header("Retry-After", "1"), "the host name cannot be resolved"),
    Reason.TLS: (BAD_UPSTREAM.saying("The upstream API cannot be trusted"), "the TLS handshake failed"),
    Reason.TIMEOUT: (TOO_SLOW, "the answer took too long"),
    Reason.RESET: (BAD_UPSTREAM, "the connection was lost before the end of the answer"),
    Reason.HEADERS: (BAD_UPSTREAM, "the answer is not valid HTTP/1.1"),
    Reason.ENCODING: (BAD_UPSTREAM, "the answer has a content encoding that cannot be read"),
    Reason.TOO_LARGE: (BAD_UPSTREAM, "the answer is larger than a limit"),
    Reason.REQUEST: (BAD_UPSTREAM, "the profile leads to a request that cannot be sent"),
    Reason.STATUS: (BAD_UPSTREAM, "the status is no success, and no error that the profile passes on"),
    Reason.NOT_JSON: (BAD_UPSTREAM, "the answer is not JSON"),
    Reason.NO_ITEMS: (BAD_UPSTREAM, "there is no array of items where the profile says"),
    Reason.ITEM_KEY: (BAD_UPSTREAM, "a required value is missing"),
    Reason.ITEM_TYPE: (BAD_UPSTREAM, "a value is not what the profile says"),
    Reason.ID: (BAD_UPSTREAM, "an id does not fit the codec"),
    Reason.CODE: (BAD_UPSTREAM, "there is no validation code as the profile describes it"),
    Reason.TOTAL: (BAD_UPSTREAM, "the total is no number"),
    Reason.CURSOR: (BAD_UPSTREAM, "the next page cannot be requested"),
    Reason.ORIGIN: (BAD_UPSTREAM, "the next page is a URL of another origin, which is refused"),
    Reason.ACCOUNT: (BAD_UPSTREAM, "the upstream shows something of another account"),
    Reason.CREDENTIALS: (BAD_UPSTREAM, "the upstream refuses the configured credentials"),
    Reason.UNAUTHORIZED: (UNAUTHENTICATED, "the upstream refuses the caller's credentials"),
    Reason.DECLINED: (DECLINED, "the upstream asks for a pause"),
    Reason.BREAKER: (DECLINED, "the circuit breaker is open"),
    Reason.CAPACITY: (BUSY.with_header("Retry-After", "1"), "a limit on what is under way has been reached"),
    Reason.LOOP: (LOOPING, "a forwarded request has come back to this proxy"),
}
"""What the client gets, and what the reason means."""
