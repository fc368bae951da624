"""Secrets reach the upstream, and no other place.

A canary is in every place where a client can put text, and is the token of good requests. Upstreams repeat it
in their answers. All output is searched for it: answers, logs, counters, Redis, printed text, and the repr of
values and exceptions. The only exception is a number's name, which is shown as the upstream sends it.
"""

import asyncio
import base64
import json
import logging
import re
import ssl
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
import trustme
from support.running import running_listeners
from support.seed import ACCOUNT, BOB, LIST, basic
from support.streams import stream_server
from support.twilio import PROFILE
from support.valkey import Server, running_valkey
from support.wire import Message, connect, read_message

from proxy import config
from proxy.cache import derive_key
from proxy.config import ConfigurationError
from proxy.errors import LegacyError
from proxy.gateway.accounts import AccountEntry
from proxy.gateway.pending_codes import PendingCall
from proxy.legacy import Request, read_credentials, route
from proxy.legacy.forms import parse_body, parse_query
from proxy.model import Account, Credentials, Fetch, ValidationRequest, Verify
from proxy.observe import log
from proxy.process.assembly import create_accounts
from proxy.profile.auth import Auth, compile_auth
from proxy.profile.calls import Call, Reply, Token, TokenGrant, TokenRequest
from proxy.profile.jwts import Jwt
from proxy.profile.oauth2 import OAuth2
from proxy.profile.profile import Exchange, StartedValidation
from proxy.profile.signing import AwsSignature, Signed
from proxy.upstream.client import Client

CANARY = "canary5f1c9e"
C = CANARY.encode()
NUMBER = "4158675309"
CODE = "271828"
HOST = b"Host: api.twilio.com"
GOOD = b"Authorization: " + basic().encode()
FORM = b"Content-Type: application/x-www-form-urlencoded"
TARGET = LIST.encode()
INSTANCE = f"{LIST}/{BOB}".encode()


def coded(text: str) -> bytes:
    return base64.b64encode(text.encode())


def shows(data: bytes | str, secret: str = CANARY) -> bool:
    """Tell whether a secret stands in `data`, as it is or as it goes over the wire."""
    searched = (data if isinstance(data, bytes) else data.encode("utf-8", "replace")).lower()
    login = coded(f"{ACCOUNT}:{secret}").rstrip(b"=").lower()
    return secret.lower().encode() in searched or login in searched


def request(start: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"".join(line + b"\r\n" for line in (start, *headers)) + b"\r\n" + body


def get(*headers: bytes, target: bytes = TARGET, credentials: bytes = GOOD) -> bytes:
    return request(b"GET %b HTTP/1.1" % target, HOST, credentials, *headers)


def post(body: bytes, kind: bytes = FORM, *headers: bytes, start: bytes = b"POST " + TARGET) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return request(start + b" HTTP/1.1", HOST, GOOD, kind, *(headers or (length,)), body=body)


def multipart(
    name: bytes, value: bytes, boundary: bytes = b"b0", more: bytes = b"", end: bytes = b"--"
) -> bytes:
    part = b'--b0\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n--b0%b\r\n' % (
        name,
        more,
        value,
        end,
    )
    return post(part, b"Content-Type: multipart/form-data; boundary=" + boundary)


XML = b"Content-Type: text/xml"
CHUNKED = b"Transfer-Encoding: chunked"

# Every place for a client's text, in refused requests and in ignored parts
CUT_OFF = "a body that is cut off"
PLACES: Mapping[str, bytes] = {
    "nothing but it": C + b"\r\n\r\n",
    "a method": get().replace(b"GET", C.upper(), 1),
    "a method of its own": get().replace(b"GET", C, 1),
    "a version": get().replace(b"HTTP/1.1", b"HTTP/" + C, 1),
    "another protocol": b"\x16\x03\x01" + C,
    "a path": get(target=b"/" + C),
    "a path behind ours": get(target=INSTANCE + b"/" + C),
    "a suffix": get(target=INSTANCE + b"." + C),
    "a Sid": get(target=TARGET + b"/PN" + C),
    "an encoded Sid": get(target=TARGET + b"/PN%2F" + C),
    "an account": get(target=b"/2008-08-01/Accounts/AC" + C + b"/OutgoingCallerIds"),
    "a version of the API": get(target=b"/" + C + TARGET[11:]),
    "another host in the target": get(target=b"http://" + C + b".example" + TARGET),
    "a login in the target": get(target=b"http://" + C + b":" + C + b"@x.example" + TARGET),
    "a fragment": get(target=TARGET + b"#" + C),
    "a name in the query": get(target=TARGET + b"?" + C + b"=x"),
    "a value in the query": get(target=TARGET + b"?x=" + C),
    "a page": get(target=TARGET + b"?page=" + C),
    "a size": get(target=TARGET + b"?num=" + C),
    "a number to find": get(target=TARGET + b"?PhoneNumber=" + C),
    "a name to find": get(target=TARGET + b"?FriendlyName=" + C),
    "a query that is no text": get(target=TARGET + b"?FriendlyName=%00" + C),
    "a method in the query": post(b"", start=b"POST " + INSTANCE + b"?_method=" + C),
    "raw bytes in the target": get(target=TARGET + b"?x=\xff\x01" + C),
    "a long target": get(target=TARGET + b"?x=" + C * 800),
    "a header": get(b"X-Custom: " + C),
    "the name of a header": get(C + b": x"),
    "a name that is none": get(b"X(" + C + b": x"),
    "a header without a colon": get(C),
    "a folded header": get(b"X-Custom: x", b" " + C),
    "NUL in a header": get(b"X-Custom: \0" + C),
    "a long header": get(b"X-Custom: " + C * 800),
    "many headers": get(*[b"X-Custom: " + C] * 101),
    "a Host": request(b"GET %b HTTP/1.1" % TARGET, b"Host: " + C, GOOD),
    "another Host": get(b"Host: " + C),
    "forwarded for": get(b"X-Forwarded-For: " + C, b"X-Forwarded-Host: " + C, b"X-Forwarded-Proto: " + C),
    "forwarded by": get(b"Via: " + C, b"Forwarded: host=" + C, b"X-Real-IP: " + C),
    "a cookie": get(b"Cookie: a=" + C),
    "where it comes from": get(b"Referer: http://x/" + C, b"Origin: http://" + C, b"User-Agent: " + C),
    "what is wanted": get(b"Accept: " + C, b"Range: " + C, b"If-None-Match: " + C, b"TE: " + C),
    "a hop": get(b"Connection: " + C, b"Upgrade: " + C),
    "an expectation": get(b"Expect: " + C),
    "a coding": post(b"x", FORM, b"Content-Encoding: " + C, b"Content-Length: 1"),
    "a transfer coding": post(b"x", FORM, b"Transfer-Encoding: " + C),
    "a length": post(b"x", FORM, b"Content-Length: " + C),
    "a type": post(b"x", b"Content-Type: " + C),
    "a charset": post(b"x", FORM + b"; charset=" + C),
    "an empty authorization": get(credentials=b"Authorization: "),
    "a scheme": get(credentials=b"Authorization: " + C),
    "Bearer": get(credentials=b"Authorization: Bearer " + C),
    "Basic as it is": get(credentials=b"Authorization: Basic " + C + b"!"),
    "Basic that is base64 by chance": get(credentials=b"Authorization: Basic " + C),
    "Basic without a colon": get(credentials=b"Authorization: Basic " + coded(CANARY)),
    "Basic with control characters": get(
        credentials=b"Authorization: Basic " + coded(f"{ACCOUNT}:{CANARY}\0")
    ),
    "Basic with something behind": get(
        credentials=b"Authorization: Basic " + coded(f"a:{CANARY}") + b" " + C
    ),
    "Basic, folded": get(credentials=b"Authorization: Basic\r\n " + coded(f"{ACCOUNT}:{CANARY}")),
    "Basic with CR": get(credentials=b"Authorization: Basic \r" + C),
    "Basic with NUL": get(credentials=b"Authorization: Basic \0" + C),
    "Basic twice": get(b"Authorization: Basic " + coded(f"{ACCOUNT}:{CANARY}")),
    "a long Basic": get(credentials=b"Authorization: Basic " + coded(CANARY * 800)),
    "a user name": get(credentials=b"Authorization: Basic " + coded(f"{CANARY}:x")),
    "a user name and no token": get(credentials=b"Authorization: Basic " + coded(f"{CANARY}:")),
    "credentials of a proxy": get(b"Proxy-Authorization: Basic " + coded(f"{ACCOUNT}:{CANARY}")),
    "a name in a form": post(C + b"=x"),
    "a value in a form": post(b"PhoneNumber=" + C),
    "a form that is no text": post(b"FriendlyName=\xff\x81" + C, FORM + b"; charset=utf-8"),
    "a delay": post(b"PhoneNumber=4158675309&CallDelay=" + C),
    "a name that is too long": post(b"PhoneNumber=4158675309&FriendlyName=" + C * 6),
    "a name that cannot be shown": post(b"FriendlyName=%00" + C, start=b"PUT " + INSTANCE),
    "two numbers": post(b"PhoneNumber=4158675309&PhoneNumber=415555" + C),
    "many fields": post(b"&".join([C] * 101)),
    "a long field": post(b"x=" + C * 400),
    "a body that is too long": post(b"x=" + C * 6000),
    CUT_OFF: post(b"x=" + C, FORM, b"Content-Length: 99"),
    "a body that is announced too long": post(b"x=" + C, FORM, b"Content-Length: 99999999999"),
    "a chunk that is none": post(C, FORM, CHUNKED),
    "a chunk extension": post(b"1;" + C + b"\nx\r\n" + C, FORM, CHUNKED),
    "a trailer": post(b"0\r\n" + C + b"\r\n\r\n", FORM, CHUNKED),
    "behind a request": get() + C + b"\r\n\r\n",
    "the body of a GET": get(b"Content-Length: %d" % len(C)) + C,
    "JSON": post(b'{"x": "%b"}' % C, b"Content-Type: application/json"),
    "a name in multipart": multipart(C, b"x"),
    "a value in multipart": multipart(b"PhoneNumber", C),
    "a file": multipart(b"x", C, more=b'; filename="' + C + b'"'),
    "a header in multipart": multipart(b"x", b"x", more=b"\r\n" + C),
    "a boundary": multipart(b"x", C, boundary=C),
    "a boundary of other letters": multipart(b"x", C, boundary="\u0141".encode() + C),
    "multipart that is cut off": multipart(b"x", C, end=b""),
    "a coding in multipart": multipart(b"x", C, more=b"\r\nContent-Transfer-Encoding: " + C),
    "an element": post(b"<a><%b>x</%b></a>" % (C, C), XML),
    "a text in XML": post(b"<a><PhoneNumber>%b</PhoneNumber></a>" % C, XML),
    "XML that is none": post(b"<a><%b" % C, XML),
    "a DTD": post(b'<!DOCTYPE a [<!ENTITY b "%b">]><a>&b;</a>' % C, XML),
    "an entity": post(b"<a><PhoneNumber>&%b;</PhoneNumber></a>" % C, XML),
    "an encoding of XML": post(b'<?xml version="1.0" encoding="%b"?><a/>' % C, XML),
    "a namespace": post(b'<a xmlns="%b"><b xmlns="x" %b="x"/></a>' % (C, C), XML),
}

# Answers of upstreams


def reply(status: int, body: str = "{}", *headers: str, reason: str = "X") -> bytes:
    lines = (f"HTTP/1.1 {status} {reason}", "Content-Type: application/json", *headers)
    length = f"Content-Length: {len(body.encode())}"
    return "".join(f"{line}\r\n" for line in (*lines, length, "")).encode() + body.encode()


def refused(status: int, message: str) -> bytes:
    words = {"code": 20001, "message": message, "detail": message, "more_info": message, "status": status}
    return reply(
        status, json.dumps(words), f"X-Error: {message}", f"WWW-Authenticate: {message}", reason=message
    )


def refusing(status: int, words: str, secret: str) -> bytes:
    return refused(status, words.format(secret))


def item(**more: Any) -> dict[str, Any]:
    at = "Tue, 01 Apr 2008 18:26:32 +0000"
    number = {"sid": BOB, "friendly_name": "Bob", "phone_number": f"+1{NUMBER}", "validation_code": CODE}
    return {**number, "date_created": at, "date_updated": at, **more}


def found(**more: Any) -> str:
    """Return an answer that fits every operation."""
    return json.dumps({**item(**more), "outgoing_caller_ids": [item(**more)], "next_page_uri": None})


Secret = str
"""The credentials that the upstream got: a token, or the whole header."""
SAID_BACK: Mapping[str, Callable[[Secret], bytes]] = {
    **{
        f"{status}, {how}": partial(refusing, status, words)
        for status in (400, 401, 403, 404, 409, 418, 422, 429, 500, 503)
        for how, words in {"alone": "{}", "in a sentence": "Authentication with {} has failed"}.items()
    },
    "an error without words": lambda it: reply(400, f'"{it}"'),
    "an error that is a page": lambda it: reply(500, f"<p>{it}</p>", "Content-Type: text/html"),
    "a page": lambda it: reply(200, f"<p>{it}</p>"),
    "no JSON": lambda it: reply(200, f'{{"{it}": '),
    "other JSON": lambda it: reply(200, json.dumps([it])),
    "a redirect": lambda it: reply(302, "", f"Location: /?token={it}"),
    "a redirect to elsewhere": lambda it: reply(307, "", f"Location: http://127.0.0.1:1/{it}"),
    "a Retry-After": lambda it: reply(429, "{}", f"Retry-After: {it}"),
    "no HTTP": lambda it: f"{it}\r\n\r\n".encode(),
    "a status that is none": lambda it: f"HTTP/1.1 {it}\r\n\r\n".encode(),
    "a header that is none": lambda it: f"HTTP/1.1 200 X\r\n{it}\r\n\r\n".encode(),
    "a length that is none": lambda it: f"HTTP/1.1 200 X\r\nContent-Length: {it}\r\n\r\n".encode(),
    "a coding that is none": lambda it: reply(200, found(), f"Content-Encoding: {it}"),
    "a Sid": lambda it: reply(200, found(sid=it)),
    "an account": lambda it: reply(200, found(account_sid=it)),
    "a code": lambda it: reply(200, found(validation_code=it)),
    "a next page elsewhere": lambda it: reply(
        200,
        json.dumps({"outgoing_caller_ids": [item()], "next_page_uri": f"http://{it}:{it}@127.0.0.1:1/{it}"}),
    ),
    "a next page": lambda it: reply(
        200, json.dumps({"outgoing_caller_ids": [item()], "next_page_uri": f"/?token={quote_plus(it)}"})
    ),
    "an unread field": lambda it: reply(
        200, found(more=it, date_created=it), f"Set-Cookie: a={it}", f"Link: </?{it}>; rel=next", reason=it
    ),
}


@asynccontextmanager
async def upstream(answer: Callable[[Message], bytes]) -> AsyncIterator[str]:
    """Run an upstream that answers every request; yields its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while message := await read_message(reader):
                writer.write(answer(message))
                await writer.drain()

    async with stream_server(serve) as port:
        yield f"http://127.0.0.1:{port}"


def secrets_of(message: Message) -> Sequence[Secret]:
    """Return the token that the upstream gets, and its header."""
    header = message.header("Authorization") or ""
    return base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[2], header


# How it is asked

OTHER = "AC" + "b" * 32
VARIABLES = {"OLD": CANARY, "KEY": CANARY, "SECRET": f"secret-{CANARY}"}
METRICS = "listen: {metrics: 127.0.0.1:0}\n"
MAPPED = "accounts:\n" + "".join(
    f"  {sid}:\n    token: ${{OLD}}\n"
    f"    upstream: {{account: AC{sid[3] * 31}f, username: SK{'f' * 32}, password: '${{KEY}}'}}\n"
    for sid in (ACCOUNT, OTHER)
)
IN_MEMORY = "snapshots: {fresh: 5}\n"
IN_REDIS = "snapshots: {fresh: 5, replicas: 2, redis: {url: '${REDIS}', secret: '${SECRET}'}}\n"
RENAME = b"FriendlyName=Bob"
VALIDATE = b"PhoneNumber=%b" % NUMBER.encode()


def asking(sid: str = ACCOUNT) -> Sequence[bytes]:
    """Return a good request of each kind, after which the connection is closed."""
    headers = (HOST, b"Connection: close", b"Authorization: " + basic(sid, CANARY).encode())
    of_list = f"/2008-08-01/Accounts/{sid}/OutgoingCallerIds".encode()
    of_one = of_list + b"/" + BOB.encode()

    def one(start: bytes, body: bytes = b"") -> bytes:
        return request(start + b" HTTP/1.1", *headers, FORM, b"Content-Length: %d" % len(body), body=body)

    return [
        one(b"GET " + of_list),
        one(b"GET " + of_list + b".json?PhoneNumber=" + NUMBER.encode()),
        one(b"GET " + of_one + b".csv"),
        one(b"PUT " + of_one + b".html", RENAME),
        one(b"DELETE " + of_one),
        one(b"POST " + of_list, VALIDATE),
    ]


async def said_to(port: int, data: bytes, within: float = 10, first: float = 10) -> bytes:
    """Return all bytes until the connection is closed, or silent: seconds for the first, and for more."""
    answer = b""
    with suppress(ConnectionError, TimeoutError):
        async with connect(port) as client:
            client.writer.write(data)
            while more := await asyncio.wait_for(client.reader.read(65_536), within if answer else first):
                answer += more
    return answer


async def metrics(port: int) -> bytes:
    return await said_to(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


# The whole log of a run
UNTOLD = re.compile(rf"{CANARY}|{NUMBER}|{CODE}|PhoneNumber|FriendlyName|Basic |Bearer ", re.IGNORECASE)


def assert_nothing_is_told(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    printed = capfd.readouterr()
    for text in (caplog.text, printed.out, printed.err):
        assert UNTOLD.search(text) is None
        assert not shows(text)


Modes = pytest.mark.parametrize("mode", ["", MAPPED], ids=["passed on", "mapped"])


@Modes
async def test_texts_of_clients(
    mode: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)

    def answer(message: Message) -> bytes:
        return refused(
            400, f"{message.start} {message.headers} {message.body!r} makes no sense".replace("\n", " ")
        )

    async with (
        upstream(answer) as url,
        running_listeners(url, mode + METRICS + IN_MEMORY, VARIABLES) as bound,
    ):
        port = bound["address"].port
        answers = await asyncio.gather(
            *(
                said_to(port, data, within=1, first=1 if name == CUT_OFF else 10)
                for name, data in PLACES.items()
            )
        )
        assert [name for name, each in zip(PLACES, answers, strict=True) if shows(each)] == []
        assert [name for name, each in zip(PLACES, answers, strict=True) if not each] == [CUT_OFF]
        assert not shows(await metrics(bound["metrics"].port))
    assert_nothing_is_told(caplog, capfd)


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    with running_valkey() as server:
        yield server


@Modes
@pytest.mark.parametrize("where", [IN_MEMORY, IN_REDIS], ids=["memory", "redis"])
async def test_texts_of_upstreams(
    where: str,
    mode: str,
    valkey: Server,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    valkey.client.flushall()
    kind, heard = "", []

    def answer(message: Message) -> bytes:
        token, header = secrets_of(message)
        heard.append(token)
        return SAID_BACK[kind](header if kind.endswith("sentence") else token)

    variables = {**VARIABLES, "REDIS": valkey.url}
    leaks = []
    async with upstream(answer) as url:
        for kind in SAID_BACK:  # each with a new proxy, which has logged no warning yet
            heard.clear()
            async with running_listeners(url, mode + METRICS + where, variables) as bound:
                port = bound["address"].port
                answers = await asyncio.gather(*(said_to(port, data) for data in asking()))
                assert all(each.startswith(b"HTTP/1.1 ") for each in answers)
                leaks += [(kind, each) for each in answers if shows(each)]
                assert not shows(await metrics(bound["metrics"].port))
            assert set(heard) == {CANARY}
        async with running_listeners(url, mode + where, variables) as bound:
            for _ in range(2):  # from the cache the second time
                answer_of_list = await said_to(bound["address"].port, asking(OTHER)[0])
                assert answer_of_list.startswith(b"HTTP/1.1 200 OK")
    assert leaks == []
    kept = {name: content_of(valkey, name) for name in valkey.client.scan_iter()}
    assert (where == IN_REDIS) == any(b"Bob" in value for value in kept.values())
    assert not any(shows(name) or shows(value) for name, value in kept.items())
    assert_nothing_is_told(caplog, capfd)
    assert mode != MAPPED or ACCOUNT in caplog.text


def content_of(valkey: Server, name: bytes) -> bytes:
    """Return all that is stored under a name."""
    match valkey.client.type(name):
        case b"string":
            return bytes(valkey.client.get(name))
        case b"zset":
            return b" ".join(valkey.client.zrange(name, 0, -1))
        case b"hash":
            return b" ".join(b for pair in valkey.client.hgetall(name).items() for b in pair)
    raise AssertionError(valkey.client.type(name))


CODE_ON_PHONE = f"""\
  profile: telnyx
  validation: code_on_phone
accounts:
  {ACCOUNT}:
    token: ${{OLD}}
    upstream: {{password: "${{KEY}}"}}
"""


async def test_codes_on_the_phone(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [
        reply(200, json.dumps({"phone_number": f"+1{NUMBER}", "more": CANARY})),
        reply(422, json.dumps({"errors": [{"code": 1, "detail": f"{CODE} is wrong for Bearer {CANARY}"}]})),
        reply(401, json.dumps({"errors": [{"code": 1, "detail": f"{CANARY} is wrong"}]})),
        reply(200, json.dumps({"data": {"phone_number": f"+1{NUMBER}", "more": CANARY}})),
    ]
    bringing = f"PhoneNumber={NUMBER}&Code={CODE}&x={CANARY}".encode()
    form = request(
        b"POST /caller-id-code?x=%b HTTP/1.1" % C,
        *(HOST, FORM, b"Connection: close", b"Content-Length: %d" % len(bringing), b"Origin: null"),
        body=bringing,
    )
    own = form.replace(b"Origin: null", b"Origin: http://api.twilio.com")
    async with (
        upstream(lambda _: answers.pop(0)) as url,
        running_listeners(url, CODE_ON_PHONE + METRICS, VARIABLES) as bound,
    ):
        port = bound["address"].port
        said = [await said_to(port, data) for data in (asking()[-1], form, own, own, own)]
        statuses = [each.split(b" ", 2)[1] for each in said]
        assert statuses == [b"200", b"403", b"400", b"502", b"200"]
        assert not any(shows(each) or shows(each, CODE) for each in said)
        assert not shows(await metrics(bound["metrics"].port))
    assert_nothing_is_told(caplog, capfd)


async def test_server_names_in_handshakes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    listen = f"listen: {{tls: {{address: '127.0.0.1:0', certificate: {tmp_path / 'both.pem'}}}}}\n"
    async with running_listeners("http://127.0.0.1:1", listen) as bound:
        port = bound["tls"].port
        trusting = ssl._create_unverified_context()  # noqa: SLF001 - any certificate
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting, server_hostname=f"{CANARY}.example"
        )
        writer.write(get(b"Connection: close", target=b"/" + C))
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert not shows(answer)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=True, server_hostname=f"{CANARY}.example")
        for data in (C, b"\x16\x03\x01\x02\0\x01" + C, PLACES["a path"]):
            assert not shows(await said_to(port, data, within=1, first=1))
    assert_nothing_is_told(caplog, capfd)


ODD = Account(ACCOUNT, ACCOUNT, Credentials(ACCOUNT, "s+cr/t é"))
FORMS = {
    "as it is": "s+cr/t é",
    "in a path": "s%2Bcr%2Ft%20%C3%A9",
    "in a path, in lower case": "s%2bcr%2ft%20%c3%a9",
    "in a query": "s%2Bcr%2Ft+%C3%A9",
    "in a header": coded(f"{ACCOUNT}:s+cr/t é").decode(),
    "in a header, without padding": coded(f"{ACCOUNT}:s+cr/t é").decode().rstrip("="),
}


@pytest.mark.parametrize("how", FORMS)
def test_encoded_tokens(how: str) -> None:
    read = PROFILE.exchange(Fetch(ACCOUNT, BOB), ODD).read
    with pytest.raises(LegacyError) as caught:
        read(Reply(400, json.dumps({"code": 1, "message": f"{FORMS[how]} is wrong"}).encode()))
    assert str(caught.value) == "The upstream API refused the request"
    with pytest.raises(LegacyError, match="Something else is wrong"):
        read(Reply(400, b'{"code": 1, "message": "Something else is wrong"}'))


# The repr of values and exceptions

TOKEN = Credentials(ACCOUNT, CANARY)
CALL = Call("GET", f"http://x/?{CANARY}", {"X-Key": CANARY}, {"key": CANARY}, {"key": CANARY}, "form")
VALUES: Mapping[str, object] = {
    "credentials": TOKEN,
    "credentials the wrong way round": Credentials(CANARY, ""),
    "credentials with an assertion": Credentials(ACCOUNT, "", CANARY),
    "a token": Token(CANARY, 60.0),
    "what a token depends on": TokenGrant(CANARY, lambda: Token(CANARY, 1), lambda call, _: call),
    "what asks for a token": TokenRequest(CALL, lambda _: Token(CANARY, 1)),
    "an account": Account(ACCOUNT, ACCOUNT, TOKEN),
    "an entry of the table": AccountEntry(b"", ACCOUNT, TOKEN, ""),
    "a key": derive_key(Account(ACCOUNT, ACCOUNT, TOKEN)),
    "a request": Request("GET", f"/{CANARY}", (f"Basic {CANARY}",), CANARY, C),
    "a form": parse_query(f"{CANARY}={CANARY}"),
    "a route": route(Request("GET", f"{LIST}?{CANARY}={CANARY}")),
    "a call": CALL,
    "a call with its answer": Exchange(CALL, str),
    "an answer": Reply(200, C, {"link": CANARY}),
    "a validation": ValidationRequest(ACCOUNT, f"+1{NUMBER}", None, CANARY),
    "a validation that was started": StartedValidation(
        ValidationRequest(ACCOUNT, f"+1{NUMBER}", None, CANARY), "VE1"
    ),
    "a code": Verify(ACCOUNT, f"+1{NUMBER}", "VE1", CANARY),
    "a pending call": PendingCall(Account(ACCOUNT, ACCOUNT, TOKEN), "VE1"),
    **{
        f"a call by {auth.scheme}": compile_auth(auth)(Call("GET", "http://x/"), TOKEN)
        for auth in (
            Auth(scheme="caller"),
            Auth(scheme="bearer"),
            Auth(scheme="header", name="X-Key"),
            Auth(scheme="query", name="key", username="user"),
            Auth(scheme="body", name="key", username="user"),
            OAuth2(scheme="oauth2", token_url="/token"),
            Jwt(scheme="jwt"),
            Signed(scheme="signed", string_to_sign="{path}", headers={"X": "{signature}"}),
            AwsSignature(scheme="aws", service="chime", region="us-east-1"),
        )
    },
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value(name: str) -> None:
    value = VALUES[name]
    for text in (repr(value), str(value), f"{value}", repr([value]), repr({"x": value})):
        assert not shows(text)


RIGHT = f"PhoneNumber={NUMBER}"
RAISING: Mapping[str, Callable[[], object]] = {
    "credentials": lambda: read_credentials([f"Basic {CANARY}"]),
    "a path": lambda: route(Request("GET", f"/{CANARY}")),
    "a method": lambda: route(Request(CANARY, LIST)),
    "a number": lambda: route(post_of(f"PhoneNumber={CANARY}")).read(post_of(f"PhoneNumber={CANARY}")),
    "a delay": lambda: route(post_of(RIGHT)).read(post_of(f"{RIGHT}&CallDelay={CANARY}")),
    "a name": lambda: route(post_of(RIGHT)).read(post_of(f"{RIGHT}&FriendlyName={CANARY * 9}")),
    "a type": lambda: parse_body(CANARY, b""),
    "XML": lambda: parse_body("text/xml", b"<a><%b></a>" % C),
    "multipart": lambda: parse_body(f"multipart/form-data; boundary={CANARY}", b"--" + C + b"\r\n" + C),
    "text": lambda: parse_body("text/xml; charset=us-ascii", b"<a>\xff%b</a>" % C),
}


def post_of(form: str) -> Request:
    return Request("POST", LIST, content_type="application/x-www-form-urlencoded", body=form.encode())


@pytest.mark.parametrize("name", RAISING)
def test_refusals_of_clients(name: str) -> None:
    with pytest.raises(LegacyError) as caught:
        RAISING[name]()
    assert_discreet(caught.value)


@pytest.mark.parametrize("kind", SAID_BACK)
async def test_refusals_of_upstreams(kind: str) -> None:
    async with upstream(lambda _: SAID_BACK[kind](CANARY)) as url, Client() as client:
        try:
            assert not shows(repr(await client.send(Call("GET", url, {"X-Key": CANARY}))))
        except LegacyError as error:
            assert_discreet(error)


def assert_discreet(error: BaseException) -> None:
    """Check an exception, and everything that the log shows of its causes."""
    assert not shows(repr(error))
    assert not shows(str(error))
    assert not shows(log.Formatter().formatException((type(error), error, error.__traceback__)))


def test_the_log_omits_exception_messages() -> None:
    caught: BaseException | None = None
    try:
        try:
            int(CANARY)
        except ValueError as error:
            raise KeyError(CANARY) from error
    except KeyError as error:
        caught = error
    assert caught is not None
    record = logging.LogRecord(
        "x", logging.ERROR, "", 0, "failed", None, (KeyError, caught, caught.__traceback__)
    )
    text = log.Formatter().format(record)
    assert not shows(text)
    # Python 3.13 marks a part of a line below it
    lines = [line for line in text.splitlines() if not re.fullmatch(r" +[~^]+", line)]
    assert re.search(
        r"error   x: failed\n.*int\(CANARY\)\nValueError\n.*KeyError\Z", "\n".join(lines), re.DOTALL
    )


def test_a_loops_error_omits_its_context(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(log.Formatter())
    logging.getLogger("proxy").addHandler(handler)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(log.log_unhandled)
        loop.call_soon(int, CANARY)
        runner.run(asyncio.sleep(0))
    logging.getLogger("proxy").removeHandler(handler)
    text = capsys.readouterr().err
    assert not shows(text)
    assert "ValueError" in text


SETTINGS = f"""\
accounts:
  {ACCOUNT}:
    token: ${{OLD}}
    upstream: {{account: AC{"f" * 32}, username: SK{"f" * 32}, password: "${{KEY}}"}}
legacy: {{sid_key: "${{SECRET}}"}}
{IN_REDIS}"""


def configured(folder: Path, text: str, variables: Mapping[str, str]) -> config.Configuration:
    file = folder / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    return config.load(file, variables)


def test_settings(tmp_path: Path) -> None:
    found = configured(tmp_path, SETTINGS, {**VARIABLES, "REDIS": f"redis://:{CANARY}@127.0.0.1:1"})
    for value in (found, found.settings, found.settings.accounts, found.settings.snapshots, found.source):
        assert not shows(repr(value))
        assert not shows(str(value))
    assert not shows(found.settings.model_dump_json())
    assert not shows(repr(create_accounts(found.settings)))


@pytest.mark.parametrize(
    "wrong",
    [
        SETTINGS.replace("${OLD}", f"{CANARY}"),
        SETTINGS.replace("${KEY}", f"x{CANARY}"),
        SETTINGS.replace("token:", "token_sha256:"),
        SETTINGS.replace("token:", "tokens:"),
        SETTINGS.replace("sid_key", "sid_keys"),
        SETTINGS.replace("${REDIS}", f"redis://:{CANARY}@127.0.0.1"),
        SETTINGS.replace("fresh: 5", "fresh: five"),
        "upstream: {profile: '${OLD}'}\n" + SETTINGS,
        "upstream: {profile: '${OLD}.yaml'}\n" + SETTINGS,
        "listen: {tls: {address: ':1', certificate: '${KEY}'}}\n" + SETTINGS,
    ],
)
def test_invalid_settings(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured(tmp_path, wrong, {**VARIABLES, "REDIS": f"http://:{CANARY}@127.0.0.1:1"})
    assert not shows(str(caught.value))
    assert not shows(repr(caught.value))
    assert not shows("".join(traceback.format_exception(caught.value)))
