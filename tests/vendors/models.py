"""A scripted stand-in for each profile, as the vendor's documentation describes it."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from support.seed import basic

from vendors.machinery import CODE, Answer, Asked, Number, RefusedError, Route, Vendor


def iso(seconds: int, ending: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + ending


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


class Restcomm(TwilioLike):
    """Restcomm: the bare array, dates in a zone of its own, empty 404s, a deletion that says nothing."""

    profile = "restcomm"
    base = "/restcomm/2012-04-24"
    account = "AC" + "c" * 32
    variables = "{host: restcomm.example}"
    authorization = basic("SK1", "key")
    code = "none"
    offset = timedelta(hours=-6)
    wrong_credentials = Answer(401)

    def page_of(self, _: Asked) -> Answer:
        return Answer(200, [self.item(number) for number in self.numbers])

    def delete(self, asked: Asked) -> Answer:
        self.numbers.remove(self.find(asked.key, self.sid))
        return Answer(200)

    def unknown(self) -> Answer:
        return Answer(404)

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(400, {"code": int(code or 20001), "message": message})

    path = f"/Accounts/{account}/OutgoingCallerIds"
    one = path + r"/(PN[0-9a-f]{32})\.json"
    routes = (
        Route("GET", path + r"\.json", page_of),
        Route("GET", one, TwilioLike.fetch),
        Route("PUT", one, TwilioLike.rename, form=("FriendlyName",)),
        Route("DELETE", one, delete),
    )


class SignalWire(Vendor):
    """SignalWire: UUIDs, filters that find parts, numbers that await their code, absolute links."""

    profile = "signalwire"
    base = "/api/relay/rest"
    variables = "{space: acme}"
    authorization = basic("SK1", "key")
    page = 50
    has_unverified = True
    wrong_credentials = Answer(401, {"error": "Unauthorized"})

    def id(self, number: Number) -> str:
        return str(UUID(int=number.key))

    def item(self, number: Number) -> dict[str, Any]:
        return {
            "type": "verified_caller_id",
            "id": self.id(number),
            "number": number.number,
            "name": self.name_shown(number),
            "verified": number.verified,
            "verified_at": iso(number.created, "Z") if number.verified else None,
            "status": "Verified" if number.verified else "Awaiting Verification",
        }

    def dates_shown(self, number: Number) -> tuple[int | None, int | None]:
        return number.created, number.created

    def page_of(self, asked: Asked) -> Answer:
        number, name = asked.query.get("filter_number", ""), asked.query.get("filter_name", "")
        found = [it for it in self.numbers if number in it.number and name in self.name_shown(it)]
        first = int(asked.query.get("page_number", "0")) * self.page
        here = f"{self.url}/verified_caller_ids"
        links = {"self": here, "first": here}
        if first + self.page < len(found):
            links["next"] = f"{here}?{urlencode({**asked.query, 'page_number': first // self.page + 1})}"
        return Answer(
            200, {"links": links, "data": [self.item(it) for it in found[first : first + self.page]]}
        )

    def fetch(self, asked: Asked) -> Answer:
        return Answer(200, self.item(self.find(asked.key, self.id)))

    def rename(self, asked: Asked) -> Answer:
        number = self.find(asked.key, self.id)
        number.name = asked.body["name"]
        return Answer(200, self.item(number))

    def delete(self, asked: Asked) -> Answer:
        self.numbers.remove(self.find(asked.key, self.id))
        return Answer(204)

    def validate(self, asked: Asked) -> Answer:
        pending = str(UUID(int=len(self.numbers) + 1))
        number = self.start(pending, asked.body["number"], asked.body.get("name"))
        number.verified = False
        self.numbers.append(number)
        return Answer(201, self.item(number))

    def verify(self, asked: Asked) -> Answer:
        return Answer(200, self.item(self.finish(asked.key, asked.body["verification_code"])))

    def unknown(self) -> Answer:
        return Answer(404, {"error": "Not Found"})

    def refusal(self, code: str, message: str) -> Answer:
        error = {"detail": message, "status": "422", "title": "Invalid Attribute", "code": code or "422"}
        return Answer(422, {"errors": [error]})

    one = "/verified_caller_ids/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    routes = (
        Route("GET", "/verified_caller_ids", page_of, ("filter_number", "filter_name", "page_number")),
        Route("POST", "/verified_caller_ids", validate, json=("number", "name?")),
        Route("GET", one, fetch),
        Route("PUT", one, rename, json=("name",)),
        Route("DELETE", one, delete),
        Route("PUT", one + "/verification", verify, json=("verification_code",)),
    )


class Telnyx(Vendor):
    """Telnyx: numbers that are their own ids with a literal plus sign, counted pages, no names."""

    profile = "telnyx"
    base = "/v2"
    authorization = "Bearer key"
    page = 250
    keyed = True
    rename_refusal = "Telnyx keeps no names for verified numbers"
    wrong_credentials = Answer(401, {"errors": [{"code": "10009", "title": "Authentication failed"}]})

    def item(self, number: Number) -> dict[str, Any]:
        at = iso(number.created, ".965812" if number.key % 2 else ".521Z")  # some lack the zone
        return {"phone_number": number.number, "record_type": "verified_number", "verified_at": at}

    def name_shown(self, number: Number) -> str:
        return super().name_shown(Number(0, number.number, None, 0))

    def dates_shown(self, number: Number) -> tuple[int | None, int | None]:
        return number.created, number.created

    def page_of(self, asked: Asked) -> Answer:
        size, page = self.size(asked.query.get("page[size]", "25")), int(asked.query.get("page[number]", "1"))
        if page < 1:
            raise self.breach("pages are counted from 1")
        shown = self.numbers[(page - 1) * size : page * size]
        meta = {"total_results": len(self.numbers), "page_number": page, "page_size": size}
        return Answer(200, {"data": [self.item(number) for number in shown], "meta": meta})

    def fetch(self, asked: Asked) -> Answer:
        return Answer(200, {"data": self.item(self.find(asked.key, lambda it: it.number))})

    def delete(self, asked: Asked) -> Answer:
        number = self.find(asked.key, lambda it: it.number)
        self.numbers.remove(number)
        return Answer(200, {"data": self.item(number)})

    def validate(self, asked: Asked) -> Answer:
        if asked.body["verification_method"] != "call":
            raise self.breach("no call would be placed")
        self.start(asked.body["phone_number"], asked.body["phone_number"], None)
        return Answer(200, asked.body)

    def verify(self, asked: Asked) -> Answer:
        return Answer(200, {"data": self.item(self.finish(asked.key, asked.body["verification_code"]))})

    def unknown(self) -> Answer:
        return Answer(
            404, {"errors": [{"code": "10005", "title": "Resource not found", "detail": "Not here"}]}
        )

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(422, {"errors": [{"code": code or "10015", "title": "Bad Request", "detail": message}]})

    one = r"/verified_numbers/(\+[1-9][0-9]{1,14})"
    routes = (
        Route("GET", "/verified_numbers", page_of, ("page[size]", "page[number]")),
        Route("POST", "/verified_numbers", validate, json=("phone_number", "verification_method")),
        Route("GET", one, fetch),
        Route("DELETE", one, delete),
        Route("POST", one + "/actions/verify", verify, json=("verification_code",)),
    )


class Plivo(Vendor):
    """Plivo: digits without a plus sign, paths that end with a slash, 20 a page, fractions of seconds."""

    profile = "plivo"
    base = "/v1/Account"
    account = "MA1"
    authorization = basic("SK1", "key")
    page = 20
    keyed = True
    taken = ("taken", "The number is already verified")  # some errors are a text, some hold one
    wrong_credentials = Answer(401, {"api_id": "1", "error": "Authentication failed"})

    def item(self, number: Number) -> dict[str, Any]:
        fraction = "." + "123456789"[: 5 + number.key % 5] + "Z"
        return {
            "phone_number": number.digits,
            "alias": number.name,
            "created_at": iso(number.created, fraction),
            "modified_at": iso(number.updated or number.created, fraction),
        }

    def page_of(self, asked: Asked) -> Answer:
        size, first = self.size(asked.query.get("limit", "20")), int(asked.query.get("offset", "0"))
        alias = asked.query.get("alias", "")
        found = [number for number in self.numbers if alias in (number.name or "")]
        shown = [self.item(number) for number in found[first : first + size]]
        meta = {"limit": size, "offset": first, "next": None, "total_count": len(found)}
        return Answer(200, {"api_id": "1", "meta": meta, "objects": shown})

    def fetch(self, asked: Asked) -> Answer:
        return Answer(200, {"api_id": "1", **self.item(self.find(asked.key, lambda it: it.digits))})

    def rename(self, asked: Asked) -> Answer:
        number = self.find(asked.key, lambda it: it.digits)
        number.name = asked.body["alias"]
        return Answer(202, {"api_id": "1", **self.item(number)})

    def delete(self, asked: Asked) -> Answer:
        self.numbers.remove(self.find(asked.key, lambda it: it.digits))
        return Answer(204)

    def validate(self, asked: Asked) -> Answer:
        if asked.body["channel"] != "call":
            raise self.breach("no call would be placed")
        self.start("uuid-1", f"+{asked.body['phone_number']}", asked.body.get("alias"))
        return Answer(202, {"api_id": "1", "message": "started", "verification_uuid": "uuid-1"})

    def verify(self, asked: Asked) -> Answer:
        return Answer(200, {"api_id": "1", **self.item(self.finish(asked.key, asked.body["otp"]))})

    def unknown(self) -> Answer:
        return Answer(404, {"api_id": "1", "error": "not found"})

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(400, {"api_id": "1", "error": {"code": code, "error": message} if code else message})

    path = f"/{account}/VerifiedCallerId/"
    one = path + "([1-9][0-9]+)/"
    routes = (
        Route("GET", path, page_of, ("limit", "offset", "alias")),
        Route("POST", path, validate, json=("phone_number", "alias?", "channel")),
        Route("GET", one, fetch),
        Route("POST", one, rename, json=("alias",)),
        Route("DELETE", one, delete),
        Route("POST", path + "Verification/([^/]+)/", verify, json=("otp",)),
    )


class Voximplant(Vendor):
    """Voximplant: a POST for each command, errors inside a 200, integers as ids, numbers that are not active.

    A call is a request of its own, after the one that adds the number.
    """

    profile = "voximplant"
    base = "/platform_api"
    authorization = "Bearer key"
    keyed = True
    has_unverified = True
    rename_refusal = "Voximplant keeps no names for caller IDs"
    taken = ("188", "The callerid number is not unique")
    wrong_credentials = Answer(200, {"error": {"msg": "Authorization failed", "code": 100}})

    def name_shown(self, number: Number) -> str:
        return super().name_shown(Number(0, number.number, None, 0))

    def dates_shown(self, _: Number) -> tuple[int | None, int | None]:
        return None, None

    def item(self, number: Number) -> dict[str, Any]:
        item = {"callerid_id": number.key, "callerid_number": number.digits, "active": number.verified}
        return {**item, "verified_until": "2030-01-31"} if number.verified else item

    def page_of(self, asked: Asked) -> Answer:
        size, first = self.size(asked.body.get("count", "20")), int(asked.body.get("offset", "0"))
        wanted = (asked.body.get("callerid_id"), asked.body.get("callerid_number"))
        found = [
            number
            for number in self.numbers
            if wanted[0] in (None, str(number.key)) and wanted[1] in (None, number.digits)
        ]
        shown = [self.item(number) for number in found[first : first + size]]
        return Answer(200, {"result": shown, "count": len(shown), "total_count": len(found)})

    def delete(self, asked: Asked) -> Answer:
        self.numbers.remove(self.find(asked.body["callerid_id"], lambda it: str(it.key)))
        return Answer(200, {"result": 1})

    def add(self, asked: Asked) -> Answer:
        key = str(len(self.numbers) + 1)
        number = self.start(key, f"+{asked.body['callerid_number']}", None)
        number.verified = False
        self.numbers.append(number)
        self.called = False
        return Answer(200, {"result": 1, "callerid_id": number.key})

    def call(self, asked: Asked) -> Answer:
        self.find(asked.body["callerid_id"], lambda it: str(it.key))
        self.called = True
        return Answer(200, {"result": 1})

    def activate(self, asked: Asked) -> Answer:
        if not self.called:
            raise RefusedError(self.refusal("186", "No call has told the code"))
        self.finish(asked.body["callerid_id"], asked.body["verification_code"])
        return Answer(200, {"result": 1})

    def unknown(self) -> Answer:
        return self.refusal("183", "The 'callerid_id' parameter is invalid")

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(200, {"error": {"msg": message, "code": int(code or 186)}})

    routes = (
        Route(
            "POST", "/GetCallerIDs", page_of, form=("count?", "offset?", "callerid_id?", "callerid_number?")
        ),
        Route("POST", "/DelCallerID", delete, form=("callerid_id",)),
        Route("POST", "/AddCallerID", add, form=("callerid_number",)),
        Route("POST", "/VerifyCallerID", call, form=("callerid_id",)),
        Route("POST", "/ActivateCallerID", activate, form=("callerid_id", "verification_code")),
    )


class ExampleRest(Vendor):
    """An own API, as the template describes it."""

    profile = "example-rest"
    base = "/v1"
    account = "acme"
    authorization = "Bearer key"
    page = 100
    keyed = True
    code = "shown"
    delays = True
    taken = ("already_validated", "The number is already validated")
    wrong_credentials = Answer(401, {"error": {"code": "unauthorized", "message": "Who are you?"}})

    def item(self, number: Number) -> dict[str, Any]:
        return {
            "id": number.key,
            "name": number.name,
            "number": number.number,
            "created_at": iso(number.created, "+00:00"),
            "updated_at": iso(number.updated, "Z") if number.updated else None,
        }

    def page_of(self, asked: Asked) -> Answer:
        size, first = self.size(asked.query.get("limit", "20")), int(asked.query.get("offset", "0"))
        wanted = (asked.query.get("number"), asked.query.get("name"))
        found = [it for it in self.numbers if wanted[0] in (None, it.number) and wanted[1] in (None, it.name)]
        shown = [self.item(number) for number in found[first : first + size]]
        return Answer(200, {"items": shown, "total": len(found)})

    def fetch(self, asked: Asked) -> Answer:
        return Answer(200, self.item(self.find(asked.key, lambda it: str(it.key))))

    def rename(self, asked: Asked) -> Answer:
        number = self.find(asked.key, lambda it: str(it.key))
        number.name = asked.body["name"]
        return Answer(200, self.item(number))

    def delete(self, asked: Asked) -> Answer:
        self.numbers.remove(self.find(asked.key, lambda it: str(it.key)))
        return Answer(204)

    def validate(self, asked: Asked) -> Answer:
        if not isinstance(asked.body.get("delay_seconds"), int):
            raise self.breach("the delay is a number")
        self.start("call", asked.body["number"], asked.body.get("name"))
        return Answer(201, {"code": int(CODE), "name": asked.body.get("name")})

    def unknown(self) -> Answer:
        return Answer(404, {"error": {"code": "unknown", "message": "No such number"}})

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(409 if code else 400, {"error": {"code": code or "bad", "message": message}})

    one = f"/accounts/{account}/caller-ids/([0-9]+)"
    routes = (
        Route("GET", f"/accounts/{account}/caller-ids", page_of, ("limit", "offset", "number", "name")),
        Route("GET", one, fetch),
        Route("PATCH", one, rename, json=("name",)),
        Route("DELETE", one, delete),
        Route(
            "POST", f"/accounts/{account}/validations", validate, json=("number", "name?", "delay_seconds")
        ),
    )


VENDORS: tuple[type[Vendor], ...] = (Twilio, SignalWire, Telnyx, Plivo, Restcomm, Voximplant, ExampleRest)
