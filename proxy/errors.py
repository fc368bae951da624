"""The table of Faults, and the exception that carries a Fault to where it is rendered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


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

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault

    @property
    def refuses_credentials(self) -> bool:
        """Whether lists that were read with the same credentials may no longer be shown."""
        return self.fault.status in (401, 403)


class RefusedError(LegacyError):
    """The upstream refuses the credentials that the proxy is configured with, whatever the caller sent."""

    def __init__(self) -> None:
        """Answer 502, which tells the caller nothing about the configuration."""
        super().__init__(BAD_UPSTREAM)

    @property
    def refuses_credentials(self) -> bool:
        return True


# Requests that cannot be parsed
MALFORMED = Fault(400, "The request could not be understood")
UNAUTHENTICATED = Fault(401, "Authenticate", 20003, {"WWW-Authenticate": 'Basic realm="Twilio API"'})
NOT_FOUND = Fault(404, "The requested resource was not found")
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
TOO_SLOW = Fault(504, "The upstream API took too long to answer", 20504)
UNKNOWN_OUTCOME = BAD_UPSTREAM.saying("The validation call may have been placed")
TOO_SLOW_TO_TELL = TOO_SLOW.saying(UNKNOWN_OUTCOME.message)
NOT_SHOWN_YET = TOO_SLOW.saying("The change was made, but may not show for some seconds")

# Codes that are spoken on the phone (not part of the 2008 API)
NO_SUCH_CALL = Fault(404, "No call to this number waits for a code")
BAD_CODE = Fault(400, "A code has six digits")

# Failures of the proxy itself
INTERNAL = Fault(500, "An internal error has occurred")
