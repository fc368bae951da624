"""RingCentral, as its documentation and SDKs describe it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from vendors.machinery import ASSERTION, Answer, Asked, Number, RefusedError, Route
from vendors.tokens import TokenVendor


class RingCentral(TokenVendor):
    """RingCentral: a list to be read only, numbers without the feature CallerId, totals of all numbers."""

    profile = "ringcentral"
    credentials = ", assertion: '${ASSERTION}'"
    token_path = "/restapi/oauth/token"
    token_form: ClassVar = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": ASSERTION,
    }
    keyed = True
    has_unverified = True
    code = "none"
    rename_refusal = "RingCentral does not rename the numbers of a user"
    delete_refusal = "RingCentral does not delete the numbers of a user"
    wrong_credentials = Answer(
        401,
        {
            "errorCode": "TokenInvalid",
            "message": "Token not found",
            "errors": [{"errorCode": "OAU-213", "message": "Token not found"}],
        },
    )

    def token_details(self) -> Mapping[str, Any]:
        refresh = {"refresh_token": "unused", "refresh_token_expires_in": 604800}
        owner = {"owner_id": "256440016", "endpoint_id": "3CWeqFX2T5-HFWuc17GA5g"}
        return {"token_type": "bearer", "expires_in": 3600, "scope": "ReadAccounts", **refresh, **owner}

    def refuse_token(self, error: str) -> Answer:
        code, text = (
            ("OAU-153", "Invalid client") if error == "invalid_client" else ("OAU-251", "Invalid JWT")
        )
        errors = [{"errorCode": code, "message": text}]
        return Answer(400, {"error": error, "errors": errors, "error_description": text})

    def dates_shown(self, _: Number) -> tuple[int | None, int | None]:
        return None, None

    def item(self, number: Number) -> dict[str, Any]:
        item = {
            "uri": f"{self.url}/restapi/v1.0/account/1/phone-number/{number_id(number)}",
            "id": number_id(number),
            "phoneNumber": number.number,
            "paymentType": "Local",
            "type": "VoiceFax",
            "usageType": "DirectNumber",
            "status": "Normal",
            "features": ["SmsSender", "CallerId"] if number.verified else ["SmsSender"],
        }
        return item if number.name is None else {**item, "label": number.name}

    def page_of(self, asked: Asked) -> Answer:
        size, page = self.size(asked.query.get("perPage", "100")), int(asked.query.get("page", "1"))
        if page < 1:
            raise RefusedError(self.refusal("CMN-101", "Parameter [page] value is invalid"))
        first = (page - 1) * size
        records = [self.item(number) for number in self.numbers[first : first + size]]
        paging = {
            "perPage": size,
            "totalPages": -(-len(self.numbers) // size),
            "totalElements": len(self.numbers),
        }
        if records:  # an empty page has no place
            paging |= {"page": page, "pageStart": first, "pageEnd": first + len(records) - 1}
        return Answer(200, {"uri": self.url, "records": records, "paging": paging, "navigation": {}})

    def unknown(self) -> Answer:
        return Answer(
            404, {"errorCode": "CMN-102", "message": "Resource for parameter [extensionId] is not found"}
        )

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(400, {"errorCode": code or "CMN-101", "message": message})

    routes = (Route("GET", "/restapi/v1.0/account/~/extension/~/phone-number", page_of, ("perPage", "page")),)


def number_id(number: Number) -> int:
    """Return an id above 2^32, as RingCentral's are."""
    return 33_591_985_004 + number.key
