"""Telnyx, as its documentation describes it."""

from typing import Any

from vendors.machinery import Answer, Asked, Number, Route, Vendor, iso


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
