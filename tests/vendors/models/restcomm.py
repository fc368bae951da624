"""Restcomm, as its documentation describes it."""

from datetime import timedelta

from support.seed import basic

from vendors.machinery import Answer, Asked, Route
from vendors.models.twilio import TwilioLike


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
