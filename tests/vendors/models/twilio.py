"""Twilio, and what is like it."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

from support.seed import basic

from vendors.machinery import CODE, Answer, Asked, Number, Route, Vendor


class TwilioLike(Vendor):
    """Numbers keyed by Sids, with RFC 2822 dates."""

    offset = timedelta(0)

    def sid(self, number: Number) -> str:
        return f"PN{number.key:032x}"

    def item(self, number: Number) -> dict[str, Any]:
        zone = timezone(self.offset)
        return {
            "sid": self.sid(number),
            "account_sid": self.account,
            "friendly_name": self.name_shown(number),
            "phone_number": number.number,
            "date_created": format_datetime(datetime.fromtimestamp(number.created, zone)),
            "date_updated": format_datetime(datetime.fromtimestamp(number.updated or number.created, zone)),
        }

    def fetch(self, asked: Asked) -> Answer:
        return Answer(200, self.item(self.find(asked.key, self.sid)))

    def rename(self, asked: Asked) -> Answer:
        number = self.find(asked.key, self.sid)
        number.name = asked.body["FriendlyName"]
        return Answer(200, self.item(number))


class Twilio(TwilioLike):
    """Twilio 2010-04-01: pages that name the next one, relative to the host; no totals."""

    profile = "twilio-2010-04-01"
    account = "AC" + "b" * 32
    authorization = basic("SK1", "key")
    code = "shown"
    delays = True
    taken = ("21450", "Phone number already validated for your account.")
    wrong_credentials = Answer(401, {"code": 20003, "message": "Authenticate", "status": 401})

    def page_of(self, asked: Asked) -> Answer:
        given = dict(asked.query)
        size, first = self.size(given.get("PageSize", "50")), int(given.get("PageToken", "PA0")[2:])
        wanted = (given.get("PhoneNumber"), given.get("FriendlyName"))
        found = [
            it
            for it in self.numbers
            if wanted[0] in (None, it.number) and wanted[1] in (None, self.name_shown(it))
        ]
        following = urlencode({**given, "Page": first // size + 1, "PageToken": f"PA{first + size}"})
        more = first + size < len(found)
        path = f"/2010-04-01/Accounts/{self.account}/OutgoingCallerIds.json"
        page = {
            "outgoing_caller_ids": [self.item(it) for it in found[first : first + size]],
            "next_page_uri": f"{path}?{following}" if more else None,
        }
        return Answer(200, page)

    def validate(self, asked: Asked) -> Answer:
        given = asked.body
        number = self.start("call", given["PhoneNumber"], given.get("FriendlyName"))
        request = {"phone_number": number.number, "friendly_name": self.name_shown(number)}
        return Answer(200, {**request, "account_sid": self.account, "validation_code": CODE})

    def delete(self, asked: Asked) -> Answer:
        self.numbers.remove(self.find(asked.key, self.sid))
        return Answer(204)

    def unknown(self) -> Answer:
        return Answer(404, {"code": 20404, "message": "/2010-04-01/… was not found", "status": 404})

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(400, {"code": int(code or 20001), "message": message, "status": 400})

    path = f"/2010-04-01/Accounts/{account}/OutgoingCallerIds"
    one = path + r"/(PN[0-9a-f]{32})\.json"
    routes = (
        Route(
            "GET",
            path + r"\.json",
            page_of,
            ("PageSize", "Page", "PageToken", "PhoneNumber", "FriendlyName"),
        ),
        Route("POST", path + r"\.json", validate, form=("PhoneNumber", "FriendlyName?", "CallDelay?")),
        Route("GET", one, TwilioLike.fetch),
        Route("POST", one, TwilioLike.rename, form=("FriendlyName",)),
        Route("DELETE", one, delete),
    )
