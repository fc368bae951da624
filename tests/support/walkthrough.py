"""Ringbook, the fictitious vendor of the tutorial in docs/profiles.md.

As a program, it serves until it is interrupted: python tests/support/walkthrough.py [PORT].
"""

import sys
from typing import Any
from uuid import UUID

from aiohttp import web

KEY = "rb-secret"
PORT = 9100

_NUMBERS = (
    (
        "7d0b9a52-3c1f-4e55-9a7e-5f8e2f0c6b11",
        "14158675309",
        "Bob Cell Phone",
        "verified",
        "2024-05-01T10:00:00Z",
    ),
    ("0c9f5f0e-8a67-4d0b-b0c4-2f6c3f2c9a02", "14155550123", "Fax", "waiting", "2024-05-02T09:30:00Z"),
    (
        "f1b5d6a8-9e2b-4c53-8c77-0d1a4b3e8f90",
        "14158675310",
        "Company Main Line",
        "verified",
        "2024-06-11T08:15:00Z",
    ),
)
_NO_SUCH_NUMBER = (17, "No such number")
_VERIFIED_ALREADY = (40, "This number is verified already")


class Ringbook:
    """The numbers of the only account."""

    def __init__(self) -> None:
        """Start with three numbers, one of them waiting for its code."""
        keys = ("uuid", "msisdn", "label", "state", "added")
        self.numbers: dict[UUID, dict[str, Any]] = {
            UUID(row[0]): dict(zip(keys, row, strict=True)) for row in _NUMBERS
        }

    def app(self) -> web.Application:
        """Return the application that serves them."""
        app = web.Application(middlewares=[_require_key])
        app.add_routes(
            [
                web.get("/v3/numbers", self._list),
                web.post("/v3/calls", self._call),
                web.get("/v3/numbers/{uuid}", self._fetch),
                web.post("/v3/numbers/{uuid}", self._rename),
                web.delete("/v3/numbers/{uuid}", self._delete),
            ]
        )
        return app

    async def _list(self, request: web.Request) -> web.Response:
        wanted = request.query.get("msisdn")
        found = [each for each in self.numbers.values() if wanted in (None, each["msisdn"])]
        start = int(request.query.get("after", "c0")[1:])
        end = start + min(int(request.query.get("limit", "2")), 2)
        return _success(numbers=found[start:end], next=f"c{end}" if end < len(found) else None)

    async def _fetch(self, request: web.Request) -> web.Response:
        number = self._number(request)
        return _success(number=number) if number else _failure(*_NO_SUCH_NUMBER)

    async def _rename(self, request: web.Request) -> web.Response:
        number = self._number(request)
        if number is None:
            return _failure(*_NO_SUCH_NUMBER)
        number["label"] = (await request.json())["label"]
        return _success(number=number)

    async def _delete(self, request: web.Request) -> web.Response:
        number = self._number(request)
        if number is None:
            return _failure(*_NO_SUCH_NUMBER)
        del self.numbers[UUID(number["uuid"])]
        return _success()

    async def _call(self, request: web.Request) -> web.Response:
        call = await request.json()
        if any(each["msisdn"] == call["msisdn"] for each in self.numbers.values()):
            return _failure(*_VERIFIED_ALREADY)
        return _success(pin=40213, label=call.get("label"))

    def _number(self, request: web.Request) -> dict[str, Any] | None:
        try:
            return self.numbers.get(UUID(request.match_info["uuid"]))
        except ValueError:
            return None


@web.middleware
async def _require_key(request: web.Request, handler: Any) -> web.StreamResponse:
    if request.headers.get("X-Ringbook-Key") != KEY:
        return _failure(3, "Unknown key")
    answer: web.StreamResponse = await handler(request)
    return answer


def _success(**fields: Any) -> web.Response:
    return web.json_response({"ok": True, **fields})


def _failure(code: int, text: str) -> web.Response:
    return web.json_response({"ok": False, "error": {"code": code, "text": text}})


if __name__ == "__main__":
    port = int(sys.argv[1]) if sys.argv[1:] else PORT
    ready = f"Ringbook     http://127.0.0.1:{port}/v3"
    web.run_app(
        Ringbook().app(),
        host="127.0.0.1",
        port=port,
        print=lambda _: print(ready, flush=True),  # noqa: T201
    )
