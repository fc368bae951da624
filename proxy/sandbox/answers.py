"""The JSON of every answer."""

from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from proxy.sandbox.errors import Fault
from proxy.sandbox.model import Call, CallerId, Page
from proxy.sandbox.paging import PageTokens
from proxy.sandbox.parameters import Fields, page_number, page_size

Json = dict[str, Any]


@lru_cache  # on a page of 1000 most dates are the same, and formatting them is most of the work
def _rfc2822(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))


def _list_path(account_sid: str) -> str:
    return f"/2010-04-01/Accounts/{account_sid}/OutgoingCallerIds"


def caller_id(item: CallerId) -> Json:
    return {
        "sid": item.sid,
        "account_sid": item.account_sid,
        "friendly_name": item.friendly_name,
        "phone_number": item.phone_number,
        "date_created": _rfc2822(item.created),
        "date_updated": _rfc2822(item.updated),
        "uri": f"{_list_path(item.account_sid)}/{item.sid}.json",
    }


def caller_id_list(page: Page, given: Fields, tokens: PageTokens) -> Json:
    number, size = page_number(given), page_size(given)
    start = number * size
    filters = {name: given[name] for name in ("PhoneNumber", "FriendlyName") if name in given}

    def uri(number: int, token: str | None = None) -> str:
        query: dict[str, Any] = {**filters, "PageSize": size, "Page": number}
        if token:
            query["PageToken"] = token
        return f"{_list_path(tokens.account_sid)}.json?{urlencode(query)}"

    return {
        "outgoing_caller_ids": [caller_id(item) for item in page.caller_ids],
        "page": number,
        "page_size": size,
        "start": start,
        "end": start + max(len(page.caller_ids) - 1, 0),
        "uri": uri(number, given.get("PageToken")),
        "first_page_uri": uri(0),
        "previous_page_uri": page.previous and uri(max(number - 1, 0), tokens.write(page.previous)),
        "next_page_uri": page.following and uri(number + 1, tokens.write(page.following)),
    }


def validation_request(call: Call) -> Json:
    return {
        "account_sid": call.account_sid,
        "call_sid": call.call_sid,
        "friendly_name": call.friendly_name,
        "phone_number": call.phone_number,
        "validation_code": call.code,
    }


def waiting_call(call: Call, now: float) -> Json:
    """Show what the phone shows: the code is known to the API's client alone."""
    return {
        "phone_number": call.phone_number,
        "friendly_name": call.friendly_name,
        "state": "ringing" if call.rings_at <= now else "delayed",
        "rings_at": _rfc2822(call.rings_at),
    }


def answered(item: CallerId) -> Json:
    message = f"{item.phone_number} is now validated as {item.friendly_name!r}."
    return {"sid": item.sid, "phone_number": item.phone_number, "message": message}


def error(fault: Fault) -> Json:
    return {
        "code": fault.code,
        "message": fault.message,
        "more_info": f"https://www.twilio.com/docs/errors/{fault.code}",
        "status": fault.status,
    }
