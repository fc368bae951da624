"""Access tokens over real sockets: a token server that ends them early, refuses, stalls, answers nonsense."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support import leap
from support.wire import Answer, Drip, End, Message, ScriptedUpstream, Stall, json_answer, scripted_upstream

from proxy.errors import Reason
from proxy.model import Credentials
from proxy.net.deadlines import begin_request
from proxy.profile.auth import compile_auth
from proxy.profile.calls import Call, NoReplyError
from proxy.profile.oauth2 import OAuth2
from proxy.upstream.client import Client
from proxy.upstream.route import UpstreamRoute

SECRET = "client-s3cret/+"
WHO = Credentials("client id", SECRET)


@dataclass
class Vendor:
    """An API and its token server, which issues `token-1`, `token-2` and so on."""

    upstream: ScriptedUpstream
    valid: set[str] = field(default_factory=set)
    lifetime: Any = 3600
    issues: Answer | None = None
    """What the token server answers instead of a token."""
    accepts_none: bool = False
    instead: bytes = b""
    """What the API answers, with 403."""
    numbers: Any = field(default_factory=lambda: count(1))

    def answer(self, message: Message) -> Answer:
        if message.target == "/token":
            return self._issue()
        if self.instead:
            return json_answer(403, self.instead).encode()
        token = (message.header("Authorization") or "").removeprefix("Bearer ")
        if token in self.valid and not self.accepts_none:
            return json_answer(200, b'{"done": true}').encode()
        return json_answer(401, json.dumps({"message": f"{token} is not valid"}).encode()).encode()

    def _issue(self) -> Answer:
        if self.issues is not None:
            return self.issues
        token = f"a-rather-long-token-{next(self.numbers)}"
        self.valid.add(token)
        return answer_of({"access_token": token, "token_type": "bearer", "expires_in": self.lifetime})

    @property
    def fetches(self) -> int:
        return sum(each.target == "/token" for each in self.upstream.received)

    @property
    def calls(self) -> list[Message]:
        return [each for each in self.upstream.received if each.target != "/token"]

    def call(
        self,
        method: str = "GET",
        credentials: Credentials = WHO,
        variables: Mapping[str, str] = MappingProxyType({}),
        **auth: Any,
    ) -> Call:
        settings = OAuth2.model_validate({"scheme": "oauth2", "token_url": "/token", **auth})
        return compile_auth(settings, f"{self.upstream.url}/v1", variables)(
            Call(method, f"{self.upstream.url}/v1/x"), credentials, "AC1", "acme"
        )


def answer_of(document: object, status: int = 200) -> bytes:
    return json_answer(status, json.dumps(document).encode()).encode()


@asynccontextmanager
async def vendor() -> AsyncIterator[Vendor]:
    async with scripted_upstream() as upstream:
        found = Vendor(upstream)
        upstream.otherwise = found.answer
        yield found


async def failure(client: Client, call: Call) -> NoReplyError:
    with pytest.raises(NoReplyError) as raised:
        await client.send(call)
    assert not raised.value.was_sent
    assert raised.value.has_no_effect
    assert SECRET not in repr(raised.value) + str(raised.value)
    assert raised.value.key_path[0] == "auth"
    return raised.value


# A token is fetched once


async def test_many_calls_share_one_token() -> None:
    async with vendor() as it, Client() as client:
        replies = await asyncio.gather(*(client.send(it.call()) for _ in range(50)))
        assert {reply.status for reply in replies} == {200}
        assert it.fetches == 1


async def test_other_credentials_have_tokens_of_their_own() -> None:
    async with vendor() as it, Client() as client:
        others = (WHO, Credentials("client id", "other"), Credentials("other", SECRET))
        for credentials in others * 2:
            assert (await client.send(it.call(credentials=credentials))).status == 200
        await client.send(it.call(scope="more"))
        assert it.fetches == 4
        assert len({each.header("Authorization") for each in it.calls}) == 4


@pytest.mark.parametrize(
    "auth",
    [
        {"scope": "{region}:read"},
        {"audience": "https://{region}.example.com"},
        {"parameters": {"resource": "{region}"}},
        {"grant": "jwt_bearer", "assertion": {"algorithm": "HS256", "claims": {"scope": "{region}"}}},
    ],
    ids=lambda auth: next(iter(auth)),
)
async def test_other_variables_have_tokens_of_their_own(auth: dict[str, Any]) -> None:
    who = Credentials("client id", SECRET, "k" * 32)
    async with vendor() as it, Client() as client:
        for region in ("eu", "us", "eu", "us"):
            call = it.call(credentials=who, variables={"region": region, "unused": region}, **auth)
            assert (await client.send(call)).status == 200
        assert it.fetches == 2
        first, second, *again = (each.header("Authorization") for each in it.calls)
        assert again == [first, second]
        assert first != second
        for unused in ("1", "2"):
            await client.send(it.call(variables={"unused": unused}))
        assert it.fetches == 3


async def test_a_token_is_replaced_before_it_ends() -> None:
    async with vendor() as it, Client() as client:
        it.lifetime = 0.5
        for _ in range(3):
            assert (await client.send(it.call())).status == 200
            it.valid.clear()  # it has ended by the next call
            await asyncio.sleep(0.6)
        assert it.fetches == len(it.calls) == 3  # no call was refused


@pytest.mark.parametrize("lifetime", [None, 0, -1, "soon", True, [], 1e300, 10**18, "3599", 7200.5])
async def test_lifetimes(lifetime: Any) -> None:
    async with vendor() as it, Client() as client:
        it.lifetime = lifetime
        for _ in range(3):
            assert (await client.send(it.call())).status == 200
        assert it.fetches == 1


# A token server that ends tokens early


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_token_that_ended_early_is_replaced_once(method: str) -> None:
    async with vendor() as it, Client() as client:
        for number in range(1, 5):
            assert (await client.send(it.call(method))).body == b'{"done": true}'
            assert it.fetches == number
            it.valid.clear()
        assert len(it.calls) == 1 + 3 * 2


async def test_many_calls_with_an_ended_token() -> None:
    async with vendor() as it, Client() as client:
        await client.send(it.call())
        it.valid.clear()
        replies = await asyncio.gather(*(client.send(it.call()) for _ in range(50)))
        assert {reply.status for reply in replies} == {200}
        assert it.fetches == 2


async def test_an_upstream_that_accepts_no_token() -> None:
    async with vendor() as it, Client() as client:
        it.accepts_none = True
        began = asyncio.get_running_loop().time()
        replies = [await client.send(it.call()) for _ in range(5)]
        assert {reply.status for reply in replies} == {401}
        if asyncio.get_running_loop().time() - began < 5:  # for as long, another token is not tried
            assert it.fetches == 2
            assert len(it.calls) == 6


async def test_a_token_server_that_repeats_a_token() -> None:
    async with vendor() as it, Client() as client:
        it.issues = answer_of({"access_token": "the-same-old-token", "expires_in": 60})
        assert (await client.send(it.call())).status == 401
        assert it.fetches == 2
        it.valid.add("the-same-old-token")
        assert (await client.send(it.call())).status == 200


async def test_no_reply_shows_a_token() -> None:
    async with vendor() as it, Client() as client:
        it.accepts_none = True
        assert (await client.send(it.call())).body == b'{"message": "******** is not valid"}'


@pytest.mark.parametrize("written", ["{}", "Bearer {}!"])
@pytest.mark.parametrize("escape", [("", ""), ("/", "\\/"), ("+", "\\u002B"), ("=", "\\u003d")])
async def test_no_reply_shows_an_escaped_token(written: str, escape: tuple[str, str]) -> None:
    """Some libraries write characters in JSON as escapes that need none."""
    token = "an/opaque+token/of=many+characters=="
    async with vendor() as it, Client() as client:
        it.issues = answer_of({"access_token": token})
        it.instead = b'{"message": "%b"}' % written.format(token.replace(*escape)).encode()
        reply = await client.send(it.call())
        assert json.loads(reply.body) == {"message": written.format("********")}


# A token server that refuses


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (400, "invalid_client", Reason.CREDENTIALS),
        (400, "invalid_grant", Reason.CREDENTIALS),
        (401, "invalid_client", Reason.CREDENTIALS),
        (401, None, Reason.CREDENTIALS),
        (403, None, Reason.CREDENTIALS),
        (400, "invalid_scope", Reason.STATUS),
        (400, f"{SECRET} is wrong", Reason.STATUS),
        (302, None, Reason.STATUS),
        (404, None, Reason.STATUS),
        (500, None, Reason.STATUS),
        (503, None, Reason.DECLINED),
        (429, None, Reason.DECLINED),
    ],
)
async def test_refusals(status: int, error: str | None, reason: Reason) -> None:
    async with vendor() as it, Client() as client:
        it.issues = answer_of({"error": error, "error_description": SECRET}, status)
        began = asyncio.get_running_loop().time()
        raised = await failure(client, it.call("POST"))
        assert raised.reason is reason
        assert raised.details["request"] == "token"
        assert raised.details["status"] == status
        assert raised.details.get("error") == (None if error is None or " " in error else error)
        assert raised.fault.status == (503 if reason is Reason.DECLINED else 502)
        assert it.calls == []
        asked = it.fetches
        await failure(client, it.call("POST"))
        took = asyncio.get_running_loop().time() - began
        assert it.fetches == asked or took >= 1, "a refusal is believed for a second"


async def test_after_a_refusal() -> None:
    async with vendor() as it, Client() as client:
        it.issues = answer_of({"error": "invalid_client"}, 401)
        await failure(client, it.call())
        it.issues = None
        await asyncio.sleep(1.1)
        assert (await client.send(it.call())).status == 200


async def test_a_refusal_while_a_token_is_renewed() -> None:
    async with vendor() as it, Client() as client:
        await client.send(it.call())
        it.valid.clear()
        it.issues = answer_of({"error": "invalid_client"}, 401)
        assert (await failure(client, it.call("POST"))).refuses_credentials


async def test_a_pause_that_the_token_server_asks_for() -> None:
    async with vendor() as it, Client() as client:
        it.issues = json_answer(429, b"{}", [("Retry-After", "60")]).encode()
        await failure(client, it.call())
        await asyncio.sleep(1.1)
        raised = await failure(client, it.call())
        assert int(raised.fault.headers["Retry-After"]) > 50
        assert it.fetches == 1


# A token server that answers nonsense


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.ITEM_TYPE),
        (b"<html>", Reason.NOT_JSON),
        (b"[]", Reason.ITEM_TYPE),
        (b'"token"', Reason.ITEM_TYPE),
        (b"{}", Reason.ITEM_KEY),
        (b'{"access_token": null}', Reason.ITEM_KEY),
        (b'{"access_token": ""}', Reason.ITEM_TYPE),
        (b'{"access_token": 7}', Reason.ITEM_TYPE),
        (b'{"access_token": ["x"]}', Reason.ITEM_TYPE),
        (b'{"access_token": "two words"}', Reason.ITEM_TYPE),
        (b'{"access_token": "x\\r\\nX-Injected: 1"}', Reason.ITEM_TYPE),
        (b'{"access_token": "\xc3\xa9"}', Reason.ITEM_TYPE),
        (b'{"access_token": "%b"}' % (b"x" * 8193), Reason.ITEM_TYPE),
        (b'{"access_token": "one", "access_token": "two"}', Reason.NOT_JSON),
        (b'{"access_token": "x", "token_type": "mac"}', Reason.ITEM_TYPE),
        (b'{"error": "invalid_client"}', Reason.ITEM_KEY),
    ],
)
async def test_nonsense(body: bytes, reason: Reason) -> None:
    async with vendor() as it, Client() as client:
        it.issues = json_answer(200, body).encode() if body else json_answer(204, b"").encode()
        raised = await failure(client, it.call("POST"))
        assert raised.reason is reason
        pointer = raised.details.get("pointer")
        keys: dict[object, str] = {"/access_token": "token", "/token_type": "value", None: "token_url"}
        assert raised.key_path == ("auth", keys[pointer])
        assert it.calls == []


@pytest.mark.parametrize("answer", [End.RST, End.FIN, b"SMTP 220\r\n\r\n"])
async def test_no_http(answer: Any) -> None:
    async with vendor() as it, Client() as client:
        it.issues = answer if isinstance(answer, bytes) else [answer]
        assert (await failure(client, it.call("POST"))).reason in (Reason.RESET, Reason.HEADERS)
        assert it.calls == []


async def test_no_token_server() -> None:
    async with vendor() as it, Client() as client:
        call = it.call("POST", token_url="http://127.0.0.1:1/token")
        assert (await failure(client, call)).reason is Reason.CONNECT
        assert it.calls == []


async def test_a_token_server_of_another_origin(tmp_path: Path) -> None:
    """The socket of the API is not the way to it."""
    route = UpstreamRoute(unix_path=str(tmp_path / "api.sock"), origin="http://api.localhost")
    async with vendor() as it, Client({"api": route}) as client:
        settings = OAuth2(scheme="oauth2", token_url=f"{it.upstream.url}/token")
        authorize = compile_auth(settings, "http://api.localhost/v1")
        call = Call("GET", "http://api.localhost/v1/x", route="api")
        with pytest.raises(NoReplyError) as raised:
            await client.send(authorize(call, WHO, "AC1", "acme"))
        assert "api.sock" in str(raised.value.details["socket"])
        assert "request" not in raised.value.details  # it is the API that is not reached
        assert (it.fetches, it.calls) == (1, [])


# A token server that stalls


async def test_a_stall_ends_with_the_request() -> None:
    async with vendor() as it, Client() as client:
        it.issues = [Stall()]

        async def ask() -> NoReplyError:
            begin_request(0.2)
            return await failure(client, it.call("POST"))

        errors = await asyncio.gather(*(ask() for _ in range(10)))
        assert {(error.reason, error.fault.status) for error in errors} == {(Reason.TIMEOUT, 504)}
        assert it.fetches == 1
        assert it.calls == []


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"


STALLS: dict[str, Answer] = {
    "no answer": [Stall()],
    "half an answer": [HALF, Stall()],
    "an answer in drips": [HALF, Drip(b" " * 8, 8)],
}


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stall_is_remembered(stall: Answer, method: str) -> None:
    """The clock is virtual: the first request waits for ten seconds or more, and the next ones do not."""

    async def play() -> None:
        async with vendor() as it, Client() as client:
            it.issues = stall
            assert 9 < await waited(client, it.call(method)) < 26
            assert await waited(client, it.call(method)) < 0.5  # nothing is asked
            assert it.fetches == 1
            for _ in range(20):  # in which the token server is asked again, by one request at a time
                await asyncio.sleep(1)
                assert await waited(client, it.call(method)) < 1.5
            assert 2 <= it.fetches <= 5
            assert it.calls == []

    leap.run(play())


def test_after_a_stall_a_slow_token_is_kept() -> None:
    async def play() -> None:
        async with vendor() as it, Client() as client:
            it.issues = [Stall()]
            await waited(client, it.call())
            token = answer_of({"access_token": "a-slow-token-1"})
            it.issues = [Stall(5), token]
            it.valid.add("a-slow-token-1")
            await asyncio.sleep(2)
            assert await waited(client, it.call()) < 1.5
            await asyncio.sleep(6)
            assert (await client.send(it.call())).status == 200
            assert it.fetches == 2

    leap.run(play())


def test_long_after_a_stall_a_request_waits_again() -> None:
    async def play() -> None:
        async with vendor() as it, Client() as client:
            it.issues = [Stall()]
            await waited(client, it.call())
            await asyncio.sleep(120)
            it.issues = [Stall(5), answer_of({"access_token": "a-slow-token-1"})]
            it.valid.add("a-slow-token-1")
            assert (await client.send(it.call())).status == 200

    leap.run(play())


async def waited(client: Client, call: Call) -> float:
    """Return for how many seconds a request waits in vain, by the clock of the loop."""

    async def ask() -> float:
        begin_request()
        now = asyncio.get_running_loop().time
        began = now()
        error = await failure(client, call)
        assert (error.reason, error.fault.status) == (Reason.TIMEOUT, 504)
        assert error.details["request"] == "token"
        return now() - began

    return await asyncio.create_task(ask())


async def test_a_token_outlives_the_request_that_wanted_it() -> None:
    """The first request is gone; another one gets the token without asking anew."""
    async with vendor() as it, Client() as client:
        it.upstream.released.clear()
        first = asyncio.create_task(client.send(it.call()))
        await it.upstream.is_asked(1)
        first.cancel()
        second = asyncio.create_task(client.send(it.call()))
        await asyncio.sleep(0)
        it.upstream.released.set()
        assert (await second).status == 200
        assert it.fetches == 1
        with pytest.raises(asyncio.CancelledError):
            await first


# What a token server is asked


async def asked(it: Vendor, by: Client, **auth: Any) -> Message:
    assert (await by.send(it.call(**auth))).status == 200
    return next(each for each in it.upstream.received if each.target == "/token")


async def test_client_credentials() -> None:
    async with vendor() as it, Client() as client:
        message = await asked(it, client, scope="a b", audience="https://x.example")
    assert message.start == "POST /token HTTP/1.1"
    # RFC 6749 section 2.3.1: encoded as in a form before they are joined
    name, _, secret = base64.b64decode((message.header("Authorization") or "")[6:]).decode().partition(":")
    assert (name, secret) == ("client+id", "client-s3cret%2F%2B")
    assert dict(parse_qsl(message.body.decode())) == {
        "grant_type": "client_credentials",
        "scope": "a b",
        "audience": "https://x.example",
    }


async def test_credentials_in_json() -> None:
    async with vendor() as it, Client() as client:
        more = {"grant_type": "account_credentials", "account_id": "{account}", "/nested/by": "{username}"}
        message = await asked(it, client, client="body", body="json", parameters=more)
    assert message.header("Authorization") is None
    assert json.loads(message.body) == {
        "grant_type": "account_credentials",
        "client_id": "client id",
        "client_secret": SECRET,
        "account_id": "acme",
        "nested": {"by": "client id"},
    }


KEYS: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
}


@pytest.mark.parametrize("algorithm", KEYS)
async def test_an_assertion_is_signed(algorithm: str) -> None:
    key = KEYS[algorithm]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assertion = {"algorithm": algorithm, "key_id": "k1", "claims": {"scope": "x {account}", "level": 2}}
    auth: dict[str, Any] = {"grant": "jwt_bearer", "client": "none", "assertion": assertion}
    async with vendor() as it, Client() as client:
        message = await asked(it, client, credentials=Credentials("me", "", pem), **auth)
        url = f"{it.upstream.url}/token"
    form = dict(parse_qsl(message.body.decode()))
    assert form.keys() == {"grant_type", "assertion"}
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert jwt.get_unverified_header(form["assertion"])["kid"] == "k1"
    claims = jwt.decode(form["assertion"], key.public_key(), [algorithm], audience=url, issuer="me")
    assert (claims["sub"], claims["scope"], claims["level"]) == ("me", "x acme", 2)
    assert claims["exp"] - claims["iat"] == 300
    assert len(claims["jti"]) == 32


async def test_each_assertion_is_another_one() -> None:
    auth: dict[str, Any] = {"grant": "jwt_bearer", "client": "none", "assertion": {"algorithm": "HS256"}}
    who = Credentials("me", "", "k" * 32)
    async with vendor() as it, Client() as client:
        for _ in range(2):
            await client.send(it.call(credentials=who, **auth))
            it.valid.clear()
        first, second = (each.body for each in it.upstream.received if each.target == "/token")
    assert first != second


async def test_an_assertion_of_the_vendor() -> None:
    async with vendor() as it, Client() as client:
        who = Credentials("id", "secret", "eyJ.eyJ.sig")
        message = await asked(it, client, credentials=who, grant="jwt_bearer")
    assert dict(parse_qsl(message.body.decode()))["assertion"] == "eyJ.eyJ.sig"
    assert message.header("Authorization") == "Basic aWQ6c2VjcmV0"


async def test_a_key_that_does_not_sign() -> None:
    auth: dict[str, Any] = {"grant": "jwt_bearer", "client": "none", "assertion": {}}
    async with vendor() as it, Client() as client:
        call = it.call(credentials=Credentials("me", "", SECRET), **auth)
        assert (await failure(client, call)).reason is Reason.REQUEST
        assert it.upstream.received == []


async def test_a_token_elsewhere_in_the_answer() -> None:
    async with vendor() as it, Client() as client:
        it.issues = answer_of({"session": {"id": "other-token-1", "seconds": "900"}})
        it.valid.add("other-token-1")
        call = it.call(token="/session/id", lifetime="/session/seconds")
        assert (await client.send(call)).status == 200


def test_nothing_shows_a_secret() -> None:
    settings = OAuth2(scheme="oauth2", token_url="/token")
    call = compile_auth(settings, "https://x.example", {})(Call("GET", "https://x.example"), WHO)
    for text in (repr(call), repr(call.authorization), repr(tuple(call))):
        assert SECRET not in text
