"""Voximplant, as its documentation describes it."""

from typing import Any

from vendors.machinery import Answer, Asked, Number, RefusedError, Route, Vendor


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
