"""ExampleRest, as its documentation describes it."""

from typing import Any

from vendors.machinery import CODE, Answer, Asked, Number, Route, Vendor, iso


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
