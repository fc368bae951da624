"""Requests as bytes, complete or not, and the checks of every answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from xml.etree import ElementTree as ET

from support.running import running_proxy
from support.seed import ACCOUNT, BOB, LIST, basic
from support.wire import Message, RawClient, ScriptedUpstream, connect, json_answer, scripted_upstream

CANARY = b"canary-5f1c9e"
HOST = b"Host: api.twilio.com"
AUTHORIZATION = f"Authorization: {basic()}".encode()
FORM = b"Content-Type: application/x-www-form-urlencoded"
NUMBER = b"PhoneNumber=4158675309"
LENGTH = b"Content-Length: %d" % len(NUMBER)
CHUNKED = b"Transfer-Encoding: chunked"
XML = "application/xml; charset=utf-8"
TARGET = LIST.encode()
INSTANCE = f"{LIST}/{BOB}".encode()


def request(start: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Write a well-formed request, apart from its arguments."""
    return b"".join(line + b"\r\n" for line in (start, *headers)) + b"\r\n" + body


def get(*headers: bytes, target: bytes = TARGET, body: bytes = b"") -> bytes:
    return request(b"GET %b HTTP/1.1" % target, HOST, AUTHORIZATION, *headers, body=body)


def post(*headers: bytes, target: bytes = TARGET, body: bytes = NUMBER) -> bytes:
    return request(b"POST %b HTTP/1.1" % target, HOST, AUTHORIZATION, FORM, *headers, body=body)


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


SMUGGLED = request(b"DELETE %b HTTP/1.1" % INSTANCE, HOST, AUTHORIZATION)

EMPTY_LIST = json_answer(200, b'{"outgoing_caller_ids": [], "next_page_uri": null}')
CALL = json_answer(200, b'{"account_sid": "%b", "validation_code": "123456"}' % ACCOUNT.encode())
NO_CONTENT = Message("HTTP/1.1 204 No Content")


class Proxy(NamedTuple):
    """A running proxy, a connection to it, and the upstream behind it."""

    port: int
    client: RawClient
    upstream: ScriptedUpstream


@asynccontextmanager
async def proxy_before(*answers: Message, configuration: str = "") -> AsyncIterator[Proxy]:
    async with (
        scripted_upstream(*answers) as upstream,
        running_proxy(upstream.url, configuration) as port,
        connect(port) as client,
    ):
        yield Proxy(port, client, upstream)


def assert_rest_exception(answer: Message, code: int | None = None) -> None:
    """Check the properties of every answer of 400 and above."""
    assert answer.status >= 400
    assert answer.header("Content-Type") == XML
    assert answer.header("Cache-Control") is None
    assert answer.header("Content-Length") == str(len(answer.body))
    assert_no_stack(answer)
    (exception,) = ET.fromstring(answer.body)
    assert exception.tag == "RestException"
    texts = {str(child.tag): child.text for child in exception}
    told = {"Code": str(code), "MoreInfo": f"http://www.twilio.com/docs/errors/{code}"} if code else {}
    assert texts == {"Status": str(answer.status), "Message": texts["Message"], **told}
    assert texts["Message"]


def assert_no_stack(answer: Message) -> None:
    server = (answer.header("Server") or "").lower()
    assert "aiohttp" not in server
    assert "python" not in server


def assert_last(answer: Message) -> None:
    """Check that an answer says that its connection closes (RFC 9112 section 9.6)."""
    if answer.start.startswith("HTTP/1.0 "):
        assert answer.header("Connection") in (None, "close")
    else:
        assert answer.header("Connection") == "close"


async def asked(client: RawClient, data: bytes) -> Message:
    answer = await client.ask(data)
    assert_no_stack(answer)
    return answer


async def assert_alive(client: RawClient) -> None:
    """Check that the next request over this connection is understood."""
    answer = await asked(client, get(target=TARGET + b"?PhoneNumber=none&page=7"))
    assert answer.status == 200
    assert b'page="7"' in answer.body


WRONG = request(b"GET %b HTTP/1.1" % TARGET, HOST)
