"""A client of the sandbox for tests, its clock, and its paths."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from aiohttp import encode_basic_auth
from aiohttp.test_utils import TestClient
from multidict import CIMultiDictProxy
from yarl import URL

from proxy.sandbox import seed

ACCOUNT = seed.ACCOUNT_SID
OTHER_ACCOUNT = "AC" + "0" * 32
EMPTY_ACCOUNT = "AC" + "e" * 32
BOB, COMPANY = seed.CALLER_IDS


def list_path(account_sid: str = ACCOUNT) -> str:
    return f"/2010-04-01/Accounts/{account_sid}/OutgoingCallerIds.json"


def instance_path(sid: str, account_sid: str = ACCOUNT) -> str:
    return f"/2010-04-01/Accounts/{account_sid}/OutgoingCallerIds/{sid}.json"


class Clock:
    """A clock that only tests move."""

    now = 1_700_000_000.25

    def __call__(self) -> float:
        return self.now


class Answer(NamedTuple):
    status: int
    headers: CIMultiDictProxy[str]
    body: Any

    @property
    def error(self) -> tuple[int, int]:
        """The status and code of an error, after checking its shape."""
        assert set(self.body) == {"code", "message", "more_info", "status"}
        assert self.body["status"] == self.status
        assert self.body["more_info"] == f"https://www.twilio.com/docs/errors/{self.body['code']}"
        return self.status, self.body["code"]


class Client:
    def __init__(self, http: TestClient[Any, Any]) -> None:
        self._http = http
        self.url = str(http.make_url("/")).rstrip("/")
        self.authorization: str | None = encode_basic_auth(ACCOUNT, seed.TOKEN)

    def login(self, username: str, token: str) -> None:
        self.authorization = encode_basic_auth(username, token)

    async def send(self, method: str, path: str, **request: Any) -> Answer:
        """Send a request; `path` goes out exactly as written."""
        headers = {"Authorization": self.authorization} if self.authorization else {}
        headers |= request.pop("headers", {})
        url = URL(path, encoded=True)
        async with self._http.request(method, url, headers=headers, **request) as response:
            is_json = response.content_type == "application/json"
            return Answer(
                response.status, response.headers, await (response.json() if is_json else response.read())
            )

    async def get(self, path: str) -> Answer:
        return await self.send("GET", path)

    async def post(self, path: str, **form: str) -> Answer:
        return await self.send("POST", path, data=form)

    async def follow(self, uri: str | None, link: str = "next_page_uri") -> AsyncIterator[Any]:
        """Follow a list's links from page to page."""
        while uri:
            answer = await self.get(uri)
            assert answer.status == 200, answer.body
            yield answer.body
            uri = answer.body[link]


def names(page: Any) -> list[str]:
    return [item["friendly_name"] for item in page["outgoing_caller_ids"]]
