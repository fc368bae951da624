"""Plivo, as its documentation describes it."""

from typing import Any

from support.seed import basic

from vendors.machinery import Answer, Asked, Number, Route, Vendor, iso


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
