"""The common part of the stand-ins: real sockets, and routes that refuse undocumented requests.

A request against the vendor's documentation is refused in the vendor's own form, and noted in `breaches`, so
that no test passes by an unexpected refusal.
"""

import contextlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from aiohttp import web

FIRST_DAY = 1_600_000_000  # in September 2020, an arbitrary date
CODE = "012345"
ASSERTION = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI2MzQifQ.c2lnbmF0dXJl"
"""A JWT as a vendor's console issues it."""


def iso(seconds: int, ending: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + ending


@dataclass
class Number:
    """A number as an upstream stores it."""

    key: int
    number: str
    """E.164."""
    name: str | None
    created: int
    updated: int | None = None
    verified: bool = True

    @property
    def digits(self) -> str:
        return self.number.removeprefix("+")


@dataclass(frozen=True)
class Asked:
    """A request that fits its route."""

    query: Mapping[str, str]
    body: Mapping[str, Any]
    key: str = ""
    """The group of the route's path."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """An upstream's answer; without a document, its body is empty."""

    status: int
    document: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request that the vendor refuses."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


@dataclass(frozen=True)
class Route:
    """A request that a vendor describes. A field whose name ends with a question mark is optional."""

    method: str
    path: str
    """A regular expression over the raw path; its group is the key."""
    does: Callable[[Any, Asked], Answer]
    query: tuple[str, ...] = ()
    form: tuple[str, ...] | None = None
    json: tuple[str, ...] | None = None


class Vendor(ABC):
    """An upstream that stores a list of numbers."""

    profile: ClassVar[str]
    base: ClassVar[str] = ""
    """The path of the base URL."""
    account: ClassVar[str] = "account-1"
    variables: ClassVar[str] = "{}"
    """ORIGIN stands for that of the stand-in."""
    credentials: ClassVar[str] = ""
    """More keys of the account in proxy.yaml, beside the user name and the password."""
    authorization: ClassVar[str] = ""
    """The header of the right credentials; a vendor with another scheme overrides `is_authorized`."""
    page: ClassVar[int] = 1000
    """The longest page."""
    routes: ClassVar[tuple[Route, ...]]

    # Properties that the contract tests depend on
    keyed: ClassVar[bool] = False
    """Whether the proxy recognises a made-up Sid without an upstream call."""
    rename_refusal: ClassVar[str] = ""
    """Why renames are refused; empty if they are not."""
    rename_calls: ClassVar[int] = 1
    """Requests for one rename: another one where its answer does not hold the item."""
    delete_refusal: ClassVar[str] = ""
    """The same of deletions."""
    has_commented_deletion: ClassVar[bool] = False
    """Whether the profile is a copy with the deletion that the shipped one has in a comment."""
    delete_calls: ClassVar[int] = 1
    """Requests for one deletion: another one where it needs the item."""
    code: ClassVar[str] = "spoken"
    """shown, spoken or none: how the code of a validation call is communicated."""
    pin: ClassVar[str] = CODE
    """The code that a call speaks."""
    delays: ClassVar[bool] = False
    taken: ClassVar[tuple[str, str]] = ("", "The number is already verified")
    """Code and message for a number that is on the list already."""
    wrong_credentials: ClassVar[Answer]
    has_unverified: ClassVar[bool] = False
    north_american: ClassVar[bool] = False
    """Whether it has no numbers of other countries."""

    def __init__(self) -> None:
        self.numbers: list[Number] = []
        self.pending: dict[str, Number] = {}
        self.received: list[str] = []
        """Requests to the API."""
        self.token_requests: list[str] = []
        self.breaches: list[str] = []
        self.instead: list[Answer] = []
        """Answers that are sent in turn, whatever the requests."""
        self.port = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return self.origin + self.base

    # Storage

    def fill(self, count: int) -> None:
        """Keep `count` verified numbers, and unverified ones between them if the vendor lists those."""
        for place in range(count):
            self.keep(f"+1415{5550000 + place}", f"Line {place}")
            if self.has_unverified and place % 3 == 0:
                self.keep(f"+1415{6660000 + place}", f"Line {place}").verified = False

    def keep(self, number: str, name: str | None = None) -> Number:
        key = len(self.numbers) + 1
        created = FIRST_DAY + key * 100_000
        kept = Number(key, number, name, created, created + 3600)
        self.numbers.append(kept)
        return kept

    @property
    def verified(self) -> list[Number]:
        return [number for number in self.numbers if number.verified]

    def find(self, key: str, of: Callable[[Number], str]) -> Number:
        for number in self.numbers:
            if of(number) == key:
                return number
        raise RefusedError(self.unknown())

    def start(self, pending: str, number: str, name: str | None) -> Number:
        """Place a call; the number is unverified until its code is entered."""
        if any(each.number == number for each in self.verified):
            raise RefusedError(self.refusal(*self.taken))
        started = Number(len(self.numbers) + 1, number, name, FIRST_DAY, FIRST_DAY)
        self.pending[pending] = started
        return started

    def finish(self, pending: str, code: str) -> Number:
        """Enter a code."""
        if code != self.pin:
            raise RefusedError(self.refusal("", "Wrong code"))
        number = self.pending.pop(pending)
        if number not in self.numbers:
            self.numbers.append(number)
        number.verified = True
        return number

    # The vendor's answers

    @abstractmethod
    def unknown(self) -> Answer:
        """Say that there is no such number."""

    @abstractmethod
    def refusal(self, code: str, message: str) -> Answer:
        """Say that a request is refused."""

    def name_shown(self, number: Number) -> str:
        """Return the FriendlyName of 2008."""
        digits = number.digits
        unnamed = f"({digits[1:4]}) {digits[4:7]}-{digits[7:]}"
        return unnamed if number.name is None else number.name

    def dates_shown(self, number: Number) -> tuple[int | None, int | None]:
        """Return what 2008 shows as DateCreated and DateUpdated."""
        return number.created, number.updated

    # HTTP

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.received.append(f"{request.method} {request.raw_path}")
        try:
            answer = self.instead.pop(0) if self.instead else self.consider(request, await request.read())
        except RefusedError as refused:
            answer = refused.answer
        return answered(answer)

    def is_authorized(self, request: web.BaseRequest, _: bytes) -> bool:
        return request.headers.get("Authorization") == self.authorization

    def consider(self, request: web.BaseRequest, body: bytes) -> Answer:
        if not self.is_authorized(request, body):
            return self.wrong_credentials
        path, _, query = request.raw_path.partition("?")
        for route in self.routes:
            found = re.fullmatch(re.escape(self.base) + route.path, path)
            if found and route.method == request.method:
                key = found[1] if found.groups() else ""
                given = self.query(route, query), self.fields(route, request, body)
                return route.does(self, Asked(*given, key, request.headers))
        raise self.breach(f"no such request: {request.method} {path}")

    def query(self, route: Route, query: str) -> Mapping[str, str]:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        if unknown := [name for name, _ in pairs if name not in route.query]:
            raise self.breach(f"unknown in the query: {unknown}")
        return dict(pairs)

    def fields(self, route: Route, request: web.BaseRequest, body: bytes) -> Mapping[str, Any]:
        names, kind = (
            (route.json, "application/json")
            if route.json is not None
            else (route.form, "application/x-www-form-urlencoded")
        )
        if names is None:
            if body:
                raise self.breach(f"a body where there is none: {body!r}")
            return {}
        if request.headers.get("Content-Type") != kind:
            raise self.breach(f"Content-Type is not {kind}")
        given: dict[str, Any] = (
            json.loads(body)
            if route.json is not None
            else dict(parse_qsl(body.decode(), strict_parsing=bool(body)))
        )
        required = {name for name in names if not name.endswith("?")}
        if not required <= set(given) <= {name.removesuffix("?") for name in names}:
            raise self.breach(f"fields are {sorted(given)}, not {sorted(names)}")
        return given

    def breach(self, what: str) -> RefusedError:
        """Note what the vendor does not describe; the caller raises it."""
        self.breaches.append(what)
        return RefusedError(self.refusal("", what))

    def size(self, text: str) -> int:
        """Read the size of a page; one that is too long is refused."""
        if not text.isdigit() or not 1 <= int(text) <= self.page:
            raise self.breach(f"no size of a page: {text}")
        return int(text)


def answered(answer: Answer) -> web.Response:
    body = b"" if answer.document is None else json.dumps(answer.document).encode()
    content_type = {"Content-Type": "application/json"} if body else {}
    return web.Response(status=answer.status, body=body, headers={**content_type, **answer.headers})


@contextlib.asynccontextmanager
async def listening(vendor: Vendor) -> AsyncIterator[Vendor]:
    """Serve a vendor at a free port."""
    runner = web.ServerRunner(web.Server(vendor.handle), handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        vendor.port = runner.addresses[0][1]
        yield vendor
    finally:
        await runner.cleanup()
