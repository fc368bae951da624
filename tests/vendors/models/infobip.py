"""Infobip's Numbers API, as its documentation describes it."""

from typing import Any

from vendors.machinery import Answer, Asked, Number, Route, Vendor


class Infobip(Vendor):
    """Infobip: keys in capitals, pages from 0, errors inside two objects, empty 404s."""

    profile = "infobip"
    variables = "{host: acme.api.infobip.com}"
    authorization = "App key"
    page = 50
    code = "none"
    rename_refusal = "Infobip keeps no names for numbers"
    delete_refusal = "Deletion would cancel the number at Infobip"
    wrong_credentials = Answer(
        401, {"requestError": {"serviceException": {"messageId": "UNAUTHORIZED", "text": "Unauthorized"}}}
    )

    def name_shown(self, number: Number) -> str:
        return super().name_shown(Number(0, number.number, None, 0))

    def dates_shown(self, _: Number) -> tuple[int | None, int | None]:
        return None, None

    def key(self, number: Number) -> str:
        return f"6FED0BC540BFADD9B05ED7D8{number.key:08X}"

    def item(self, number: Number) -> dict[str, Any]:
        return {
            "numberKey": self.key(number),
            "number": number.digits,
            "country": "US",
            "countryName": "United States",
            "type": "VIRTUAL_LONG_NUMBER",
            "capabilities": ["SMS", "VOICE"],
            "shared": False,
            "price": {"pricePerMonth": 5, "setupPrice": 0, "currency": "EUR"},
            "editPermissions": {"canEditNumber": True, "canEditConfiguration": True},
        }

    def page_of(self, asked: Asked) -> Answer:
        size, page = self.size(asked.query.get("limit", "50")), asked.query.get("page", "0")
        if not page.isdigit():
            raise self.breach(f"no page: {page}")
        found = [it for it in self.numbers if asked.query.get("number", "") in it.digits]
        shown = [self.item(number) for number in found[int(page) * size : (int(page) + 1) * size]]
        return Answer(200, {"numbers": shown, "numberCount": len(found)})

    def fetch(self, asked: Asked) -> Answer:
        return Answer(200, self.item(self.find(asked.key, self.key)))

    def delete(self, asked: Asked) -> Answer:
        self.numbers.remove(self.find(asked.key, self.key))
        return Answer(204)

    def unknown(self) -> Answer:
        return Answer(404)

    def refusal(self, code: str, message: str) -> Answer:
        exception = {"messageId": code or "BAD_REQUEST", "text": message}
        return Answer(400, {"requestError": {"serviceException": exception}})

    path = "/numbers/1/numbers"
    one = path + "/([0-9A-F]{32})"
    routes = (
        Route("GET", path, page_of, ("limit", "number", "page")),
        Route("GET", one, fetch),
        Route("DELETE", one, delete),
    )


class CancellingInfobip(Infobip):
    """The same with the deletion that the profile has in a comment."""

    has_commented_deletion = True
    delete_refusal = ""
