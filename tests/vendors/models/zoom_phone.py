"""Zoom Phone, as its description describes it."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, ClassVar

from vendors.machinery import Answer, Asked, Number, Route
from vendors.tokens import TokenVendor


class ZoomPhone(TokenVendor):
    """Zoom Phone: entries of a list that refer to numbers, tokens for the next page, 204 for a deletion."""

    profile = "zoom-phone"
    base = "/v2"
    account = "gYz8S9w5Q5yrDoIvmdClYw"
    variables = "{login: ORIGIN}"
    token_path = "/oauth/token"
    token_form: ClassVar = {"grant_type": "account_credentials", "account_id": account}
    page = 300
    code = "none"
    rename_refusal = "Zoom Phone names numbers and not caller IDs"
    wrong_credentials = Answer(401, {"code": 124, "message": "Invalid access token."})

    def token_details(self) -> Mapping[str, Any]:
        scope = "phone:read:admin phone:write:admin"
        return {"token_type": "bearer", "expires_in": 3599, "scope": scope, "api_url": "https://api.zoom.us"}

    def refuse_token(self, error: str) -> Answer:
        if error == "invalid_client":
            return Answer(400, {"reason": "Invalid client_id or client_secret", "error": error})
        return Answer(400, {"reason": "Bad request", "error": "invalid_request"})

    def dates_shown(self, _: Number) -> tuple[int | None, int | None]:
        return None, None

    def item(self, number: Number) -> dict[str, Any]:
        item = {
            "customize_id": entry_id(number),
            "phone_number_id": encode(number.key),
            "phone_number": number.number,
            "incoming": True,
            "outgoing": True,
            "extension_type": "callQueue",
            "site": {"id": "8f71O6rWT8KFUGQmJIFAdQ", "name": "Main Site"},
        }
        return item if number.name is None else {**item, "display_name": number.name}

    def page_of(self, asked: Asked) -> Answer:
        if asked.query.get("selected") != "true":
            raise self.breach("numbers that are no caller IDs would be in the list")
        size = self.size(asked.query.get("page_size", "30"))
        first = int(asked.query.get("next_page_token", "after-0").removeprefix("after-"))
        following = first + size
        page = {
            "customize_numbers": [self.item(number) for number in self.numbers[first:following]],
            "next_page_token": f"after-{following}" if following < len(self.numbers) else "",
            "page_size": size,
            "total_records": len(self.numbers),
        }
        return Answer(200, page)

    def delete(self, asked: Asked) -> Answer:
        if "customize_ids" not in asked.query:
            raise self.breach("a deletion without ids")
        self.numbers.remove(self.find(asked.query["customize_ids"], entry_id))
        return Answer(204)

    def unknown(self) -> Answer:
        return self.refusal("300", "Validation Failed.")

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(400, {"code": int(code or 300), "message": message})

    path = "/phone/outbound_caller_id/customized_numbers"
    routes = (
        Route("GET", path, page_of, ("selected", "page_size", "next_page_token")),
        Route("DELETE", path, delete, ("customize_ids",)),
    )


def entry_id(number: Number) -> str:
    """Return the id of the entry in the list of caller IDs, which is not the number's."""
    return encode(number.key << 64)


def encode(value: int) -> str:
    """Return an id of 22 characters."""
    return urlsafe_b64encode(value.to_bytes(16)).rstrip(b"=").decode("ascii")
