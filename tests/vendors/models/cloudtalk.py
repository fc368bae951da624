"""CloudTalk, as its OpenAPI description describes it."""

from typing import Any, ClassVar

from support.seed import basic

from vendors.machinery import Answer, Asked, Number, RefusedError, Route, Vendor


class CloudTalk(Vendor):
    """CloudTalk: a search by id for one number, renames that answer a status, numbers as integers."""

    profile = "cloudtalk"
    base = "/api"
    authorization = basic("SK1", "key")
    keyed = True
    code = "none"
    rename_calls = 2
    delete_refusal = "CloudTalk does not delete numbers"
    behind_the_end: ClassVar[Answer | None] = None
    """The answer to a page behind the last one, which the description leaves open; None is an empty page."""
    wrong_credentials = Answer(401, {"responseData": {"status": 401, "message": "Unauthorized."}})

    def dates_shown(self, _: Number) -> tuple[int | None, int | None]:
        return None, None

    def item(self, number: Number) -> dict[str, Any]:
        return {
            "CallNumber": {
                "id": str(number.key),
                "country_code": number.digits[:1],
                "area_code": number.digits[1:4],
                "internal_name": number.name,
                "caller_id_e164": int(number.digits),
                "is_redirected": False,
                "connected_to": "1",
                "source_id": "4",
            }
        }

    def page_of(self, asked: Asked) -> Answer:
        size, page = self.size(asked.query.get("limit", "10")), asked.query.get("page", "1")
        wanted = asked.query.get("id")
        if not page.isdigit() or page == "0" or not (wanted or "0").isdigit():
            raise self.breach(f"no page or no id: {asked.query}")
        found = [number for number in self.numbers if wanted in (None, str(number.key))]
        shown = [self.item(number) for number in found[(int(page) - 1) * size : int(page) * size]]
        if not shown and page != "1" and self.behind_the_end:
            return self.behind_the_end
        place = {"pageCount": -(-len(found) // size), "pageNumber": int(page), "limit": size}
        return Answer(200, {"responseData": {"itemsCount": len(found), **place, "data": shown}})

    def rename(self, asked: Asked) -> Answer:
        number = self.find(asked.key, lambda it: str(it.key))
        if not isinstance(name := asked.body["internal_name"], str):
            raise RefusedError(self.refusal("", "Invalid input data."))
        number.name = name
        return Answer(200, {"responseData": {"status": 200}})

    def unknown(self) -> Answer:
        return Answer(404, {"responseData": {"status": 404, "message": "Not found."}})

    def refusal(self, code: str, message: str) -> Answer:
        return Answer(406, {"responseData": {"status": 406, "message": message, "data": {}}})

    routes = (
        Route("GET", "/numbers/index.json", page_of, ("id", "limit", "page")),
        Route("POST", "/numbers/edit/([0-9]+).json", rename, json=("internal_name",)),
    )
