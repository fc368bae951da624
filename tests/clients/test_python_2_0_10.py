"""The library that Twilio gave to Python programs until 2011, as published, under a Python of its time.

conftest.py finds both.
"""

import json
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.seed import ACCOUNT, BOB, COMPANY, LIST, TOKEN

from clients.programs import HERE, Server, run

Request = Callable[..., Awaitable["Answer"]]


class Answer(NamedTuple):
    """What a program gets: the status where the library raised, and the text of the body."""

    raised: int | None
    body: str

    @property
    def resource(self) -> ET.Element:
        """The only child of the document's root."""
        document = ET.fromstring(self.body)
        assert document.tag == "TwilioResponse"
        (resource,) = document
        return resource

    @property
    def values(self) -> dict[str, str | None]:
        """The children of a resource that is no list."""
        return {element.tag: element.text for element in self.resource}

    @property
    def names(self) -> list[str | None]:
        """The FriendlyName of each member of a list."""
        assert self.resource.tag == "OutgoingCallerIds"
        return [element.findtext("FriendlyName") for element in self.resource]


@pytest.fixture
def account(python27: str | Path, library: Path, server: Server) -> Callable[..., Request]:
    """Return what makes an Account's `request` out of a token."""

    def with_token(token: str, *, base_url: str = server.plain, **variables: str) -> Request:
        command = [python27, "-B", HERE / "python27_driver.py", base_url, ACCOUNT, token]

        async def request(path: str, method: str, **parameters: str) -> Answer:
            given = json.dumps([path, method, parameters])
            return Answer(*json.loads(await run(command, given, PYTHONPATH=str(library), **variables)))

        return request

    return with_token


@pytest.fixture
def request_(account: Callable[..., Request]) -> Request:
    return account(TOKEN)


async def test_list(request_: Request) -> None:
    answer = await request_(LIST, "GET")
    assert answer.raised is None
    assert answer.names == ["Bob Cell Phone", "Company Main Line"]
    assert answer.resource.attrib == {
        "page": "0",
        "numpages": "1",
        "pagesize": "50",
        "total": "2",
        "start": "0",
        "end": "1",
    }


async def test_second_page(request_: Request) -> None:
    answer = await request_(LIST, "GET", page="1", num="1")
    assert answer.names == ["Company Main Line"]
    assert answer.resource.attrib == {
        "page": "1",
        "numpages": "2",
        "pagesize": "1",
        "total": "2",
        "start": "1",
        "end": "1",
    }


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"PhoneNumber": "4158675309"}, ["Bob Cell Phone"]),
        ({"FriendlyName": "Company Main Line"}, ["Company Main Line"]),
        ({"FriendlyName": "Company Main Line", "PhoneNumber": "4158675309"}, []),
    ],
)
async def test_filters(request_: Request, filters: dict[str, str], names: list[str]) -> None:
    answer = await request_(LIST, "GET", **filters)
    assert (answer.raised, answer.names) == (None, names)
    assert answer.resource.get("total") == str(len(names))


async def test_fetch(request_: Request) -> None:
    answer = await request_(f"{LIST}/{BOB}", "GET")
    assert (answer.raised, answer.resource.tag) == (None, "OutgoingCallerId")
    assert answer.values == {
        "Sid": BOB,
        "AccountSid": ACCOUNT,
        "FriendlyName": "Bob Cell Phone",
        "PhoneNumber": "4158675309",
        "DateCreated": "Tue, 01 Apr 2008 11:26:32 -0700",
        "DateUpdated": "Tue, 01 Apr 2008 11:26:32 -0700",
    }


@pytest.mark.parametrize(("method", "query"), [("PUT", ""), ("POST", ""), ("POST", "?_method=PUT")])
async def test_rename(request_: Request, method: str, query: str) -> None:
    name = "Zoë & Söhne <main>"
    answer = await request_(f"{LIST}/{BOB}{query}", method, FriendlyName=name)
    assert (answer.raised, answer.values["FriendlyName"]) == (None, name)
    assert (await request_(f"{LIST}/{BOB}", "GET")).values == answer.values


@pytest.mark.parametrize(("method", "query"), [("DELETE", ""), ("POST", "?_method=DELETE")])
async def test_delete(request_: Request, method: str, query: str) -> None:
    assert await request_(f"{LIST}/{COMPANY}{query}", method) == Answer(None, "")
    assert (await request_(LIST, "GET")).names == ["Bob Cell Phone"]


async def test_create(request_: Request) -> None:
    answer = await request_(LIST, "POST", PhoneNumber="415-555-1212", FriendlyName="Home", CallDelay="5")
    assert (answer.raised, answer.resource.tag) == (None, "ValidationRequest")
    assert answer.values == {
        "AccountSid": ACCOUNT,
        "PhoneNumber": "4155551212",
        "FriendlyName": "Home",
        "ValidationCode": "123456",
    }


async def test_create_without_a_number(request_: Request) -> None:
    answer = await request_(LIST, "POST")
    assert (answer.raised, answer.resource.tag) == (400, "RestException")
    assert answer.values["Code"] == "21401"


async def test_missing(request_: Request) -> None:
    answer = await request_(f"{LIST}/PN{'0' * 32}", "GET")
    assert (answer.raised, answer.resource.tag) == (404, "RestException")
    assert answer.values == {"Status": "404", "Message": "The requested resource was not found"}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_wrong_token(account: Callable[..., Request], method: str) -> None:
    answer = await account("wrong")(f"{LIST}/{BOB}", method, FriendlyName="Bob")
    assert (answer.raised, answer.resource.tag) == (401, "RestException")
    assert answer.values == {
        "Status": "401",
        "Message": "Authenticate",
        "Code": "20003",
        "MoreInfo": "http://www.twilio.com/docs/errors/20003",
    }


async def test_tls(account: Callable[..., Request], server: Server) -> None:
    request = account(TOKEN, base_url=server.tls, SSL_CERT_FILE=str(server.ca))
    assert (await request(LIST, "GET")).names == ["Bob Cell Phone", "Company Main Line"]
    assert await request(f"{LIST}/{BOB}", "DELETE") == Answer(None, "")
    assert (await request(f"{LIST}/{BOB}", "GET")).raised == 404
