"""DialMyCalls, as its documentation and its client libraries describe it."""

import re
from typing import Any, ClassVar
from uuid import UUID

from aiohttp import web

from vendors.machinery import Answer, Asked, Number, Route, Vendor, iso


class DialMyCalls(Vendor):
    """DialMyCalls: a key header, ten digits, pages by a Range header, PINs of four digits."""

    profile = "dialmycalls"
    base = "/2.0"
    page = 100
    pin = "0467"
    north_american = True
    has_unverified = True
    tells_total: ClassVar[bool] = True
    """Whether a page has Content-Range, which the documentation leaves open."""
    behind_the_end: ClassVar[Answer | None] = Answer(416)
    """The answer to a range behind the last number, which it leaves open too; None is an empty page."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: list[str] = []

    def is_authorized(self, request: web.BaseRequest, _: bytes) -> bool:
        return request.headers.get("X-Auth-ApiKey") == "key" and "Authorization" not in request.headers

    def id(self, number: Number) -> str:
        return str(UUID(int=number.key))

    def item(self, number: Number) -> dict[str, Any]:
        return {
            "id": self.id(number),
            "name": number.name,
            "phone": number.number.removeprefix("+1"),
            "approved": number.verified,
            "created_at": iso(number.created, "+00:00"),
            "updated_at": iso(number.updated or number.created, "+00:00"),
        }

    def page_of(self, asked: Asked) -> Answer:
        found = re.fullmatch("records=([1-9][0-9]*)-([1-9][0-9]*)", asked.headers.get("Range", ""))
        if not found:
            raise self.breach("no range of records")
        self.ranges.append(found[0])
        first, last = int(found[1]), int(found[2])
        self.size(str(last - first + 1))
        items = [self.item(number) for number in self.numbers[first - 1 : last]]
        if not items and first > 1 and self.behind_the_end:
            return self.behind_the_end
        range_ = f"{first}-{first + len(items) - 1}" if items else "*"
        headers = {"Content-Range": f"records {range_}/{len(self.numbers)}"} if self.tells_total else {}
        return Answer(206, {"results": items}, headers)

    def fetch(self, asked: Asked) -> Answer:
        return Answer(200, {"results": self.item(self.find(asked.key, self.id))})

    def rename(self, asked: Asked) -> Answer:
        number = self.find(asked.key, self.id)
        number.name = asked.body["name"]
        return Answer(200, {"results": self.item(number)})

    def delete(self, asked: Asked) -> Answer:
        self.numbers.remove(self.find(asked.key, self.id))
        return Answer(200, {"results": {"id": asked.key}})

    def validate(self, asked: Asked) -> Answer:
        if not re.fullmatch("[2-9][0-9]{9}", asked.body["phone"]):
            raise self.breach("the number does not have ten digits")
        pending = str(UUID(int=len(self.numbers) + 1))
        number = self.start(pending, f"+1{asked.body['phone']}", asked.body["name"])
        number.verified = False
        self.numbers.append(number)
        return Answer(201, {"results": self.item(number)})

    def verify(self, asked: Asked) -> Answer:
        return Answer(200, {"results": self.item(self.finish(asked.key, asked.body["pin"]))})

    def unknown(self) -> Answer:
        return Answer(404, {"results": {"error": {"code": "not_found", "message": "Resource not found."}}})

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(400, {"results": {"error": {"code": code or "validation", "message": message}}})

    wrong_credentials = Answer(401, {"results": {"error": {"code": "auth", "message": "Failed"}}})
    uuid = "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    one = f"/callerid/{uuid}"
    routes = (
        Route("GET", "/callerids", page_of),
        Route("GET", one, fetch),
        Route("PUT", one, rename, json=("name",)),
        Route("DELETE", one, delete),
        Route("POST", "/verify/callerid", validate, json=("phone", "name")),
        Route("PUT", f"/verify/callerid/{uuid}", verify, json=("pin",)),
    )
