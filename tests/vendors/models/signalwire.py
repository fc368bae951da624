"""SignalWire, as its documentation describes it."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from support.seed import basic

from vendors.machinery import Answer, Asked, Number, Route, Vendor, iso


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
