"""Vonage's Numbers API, as its documentation describes it."""

from typing import Any

from support.seed import basic

from vendors.machinery import Answer, Asked, Number, RefusedError, Route, Vendor

COUNTRIES = {"1": "US", "4": "GB"}
"""By the first digit of a number."""


class Vonage(Vendor):
    """Vonage: digits and a country, a filter by the first digits, {} for nothing, error codes as text."""

    profile = "vonage"
    authorization = basic("SK1", "key")
    page = 100
    keyed = True
    code = "none"
    rename_refusal = "Vonage keeps no names for numbers"
    delete_refusal = "Deletion would cancel the number at Vonage"
    wrong_credentials = Answer(401, {"error-code": "401", "error-code-label": "authentication failed"})

    def name_shown(self, number: Number) -> str:
        return super().name_shown(Number(0, number.number, None, 0))

    def dates_shown(self, _: Number) -> tuple[int | None, int | None]:
        return None, None

    def item(self, number: Number) -> dict[str, Any]:
        return {
            "country": COUNTRIES[number.digits[0]],
            "msisdn": number.digits,
            "moHttpUrl": "https://example.com/inbound-sms",
            "type": "landline",
            "features": ["VOICE", "SMS"],
            "voiceCallbackType": "app",
            "voiceCallbackValue": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
        }

    def page_of(self, asked: Asked) -> Answer:
        size, index = self.size(asked.query.get("size", "10")), asked.query.get("index", "1")
        pattern = asked.query.get("pattern", "")
        if not index.isdigit() or index == "0" or not (pattern + "0").isdigit():
            raise self.breach(f"no page or no pattern: {asked.query}")
        found = [number for number in self.numbers if number.digits.startswith(pattern)]
        shown = [self.item(number) for number in found[(int(index) - 1) * size : int(index) * size]]
        return Answer(200, {"count": len(found), "numbers": shown} if shown else {})

    def cancel(self, asked: Asked) -> Answer:
        number = self.find(asked.body["msisdn"], lambda it: it.digits)
        if asked.body["country"] != COUNTRIES[number.digits[0]]:
            raise RefusedError(self.unknown())
        self.numbers.remove(number)
        return Answer(200, {"error-code": "200", "error-code-label": "success"})

    def unknown(self) -> Answer:
        return self.refusal("420", "method failed")

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(420, {"error-code": code or "420", "error-code-label": message})

    routes = (
        Route("GET", "/account/numbers", page_of, ("size", "index", "pattern", "search_pattern")),
        Route("POST", "/number/cancel", cancel, form=("country", "msisdn")),
    )


class CancellingVonage(Vonage):
    """The same with the deletion that the profile has in a comment."""

    has_commented_deletion = True
    delete_refusal = ""
    delete_calls = 2
