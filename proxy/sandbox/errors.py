"""Everything the sandbox refuses, with the status, code and sentence Twilio would use."""

from typing import NamedTuple


class Fault(NamedTuple):
    status: int
    code: int
    message: str


class ApiError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


BAD_FIELDS = Fault(400, 20400, "The parameters are not UTF-8, or more than 100")
BAD_FRIENDLY_NAME = Fault(
    400, 20002, "FriendlyName must have at most 64 characters, none a control character"
)
BAD_PAGE_SIZE = Fault(400, 20400, "PageSize must be a number from 1")
BAD_PAGE = Fault(400, 20400, "Page must be a number from 0")
PAGE_WITHOUT_TOKEN = Fault(400, 20400, "Page needs its PageToken: follow next_page_uri")
BAD_PAGE_TOKEN = Fault(400, 21481, "Invalid PageToken")
NO_PHONE_NUMBER = Fault(400, 21201, "No 'PhoneNumber' specified")
BAD_PHONE_NUMBER = Fault(400, 21401, "PhoneNumber must be in E.164 format: + and 8 to 15 digits")
BAD_CALL_DELAY = Fault(400, 21454, "CallDelay must be a number of seconds from 0 to 60")
ALREADY_VALIDATED = Fault(400, 21450, "Phone number already validated on your account")
VALIDATED_ELSEWHERE = Fault(400, 21453, "Phone number already validated on another account")

NOT_AUTHENTICATED = Fault(401, 20003, "Authenticate")
SUSPENDED = Fault(401, 20005, "Account not active")
NOT_FOUND = Fault(404, 20404, "The requested resource was not found")
METHOD_NOT_ALLOWED = Fault(405, 20004, "Method not allowed")
BODY_TOO_LARGE = Fault(413, 20413, "Request Entity Too Large")
INTERNAL = Fault(500, 20500, "Internal server error")

NO_CALL = Fault(404, 20404, "No call is waiting for this number")
NOT_RUNG = Fault(409, 20409, "The phone has not rung yet")
WRONG_CODE = Fault(403, 20403, "Wrong code")
CALL_OVER = Fault(403, 20403, "Wrong code for the third time: the call is over")
