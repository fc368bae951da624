"""The token endpoint of stand-ins whose vendor uses OAuth2."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from aiohttp import web
from support.seed import basic

from vendors.machinery import Answer, Vendor, answered


class TokenVendor(Vendor):
    """A vendor whose API takes only tokens that its token endpoint has issued and that are not revoked."""

    token_path: ClassVar[str]
    token_form: ClassVar[Mapping[str, str]]
    """The form of a token request."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        if request.path != self.token_path:
            return await super().handle(request)
        self.token_requests.append(f"{request.method} {request.raw_path}")
        return answered(self.issue(request, await request.read()))

    def issue(self, request: web.BaseRequest, body: bytes) -> Answer:
        kind = request.headers.get("Content-Type")
        if (request.method, kind) != ("POST", "application/x-www-form-urlencoded") or request.query_string:
            self.breaches.append(f"no token request: {request.method} {request.raw_path} of {kind}")
        if request.headers.get("Authorization") != basic("SK1", "key"):
            return self.refuse_token("invalid_client")
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        if form.keys() != self.token_form.keys():
            self.breaches.append(f"the form of a token request has {sorted(form)}")
        if form != self.token_form:
            return self.refuse_token("invalid_grant")
        token = f"issued-token-{len(self.token_requests)}"
        self.tokens.add(token)
        return Answer(200, {"access_token": token, **self.token_details()})

    def is_authorized(self, request: web.BaseRequest, _: bytes) -> bool:
        return request.headers.get("Authorization", "").removeprefix("Bearer ") in self.tokens

    @abstractmethod
    def token_details(self) -> Mapping[str, Any]:
        """Return what is beside a token."""

    @abstractmethod
    def refuse_token(self, error: str) -> Answer:
        """Refuse a token request, with a code of RFC 6749."""
