"""VoIP.ms, as its documentation describes it."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from vendors.machinery import Answer, Asked, Number, Route, Vendor


class VoipMs(Vendor):
    """VoIP.ms: credentials in the query, status words in a 200, no_did for an empty list, ten digits."""

    profile = "voip-ms"
    base = "/api/v1"
    keyed = True
    code = "none"
    rename_refusal = "VoIP.ms cannot change the note of a number alone"
    delete_refusal = "Deletion would cancel the number at VoIP.ms"
    wrong_credentials = Answer(200, {"status": "invalid_credentials"})

    def is_authorized(self, request: web.BaseRequest, _: bytes) -> bool:
        given = parse_qs(request.raw_path.partition("?")[2])
        wanted = {"api_username": ["SK1"], "api_password": ["key"]}
        return wanted.items() <= given.items() and "Authorization" not in request.headers

    def dates_shown(self, number: Number) -> tuple[int | None, int | None]:
        return number.created, None

    def item(self, number: Number) -> dict[str, Any]:
        return {
            "did": number.number.removeprefix("+1").removeprefix("+"),
            "description": "SAN FRANCISCO, CA",
            "routing": "account:100001_VoIP",
            "pop": "5",
            "dialtime": "60",
            "cnam": "1",
            "callerid_prefix": "",
            "note": number.name or "",
            "billing_type": "1",
            "next_billing": "2030-01-31",
            "order_date": datetime.fromtimestamp(number.created, UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "sms_available": 1,
        }

    def carry_out(self, asked: Asked) -> Answer:
        if asked.query.get("method") != "getDIDsInfo":
            raise self.breach(f"no such method: {asked.query}")
        if not self.numbers:
            return self.unknown()
        return Answer(200, {"status": "success", "dids": [self.item(number) for number in self.numbers]})

    def unknown(self) -> Answer:
        return self.refusal("no_did", "There are no DIDs")

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(200, {"status": code or "invalid_method", "message": message})

    routes = (Route("GET", "/rest.php", carry_out, ("method", "api_username", "api_password")),)
