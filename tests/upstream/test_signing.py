"""Signed calls over real sockets: a vendor that refuses a nonce that it has seen, and fails at first."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.wire import Answer, End, Message, ScriptedUpstream, json_answer, scripted_upstream

from proxy.errors import Reason
from proxy.model import Credentials
from proxy.profile.auth import compile_auth
from proxy.profile.calls import Call, NoReplyError, Reply
from proxy.profile.signing import AwsSignature, Signed
from proxy.upstream.client import Client

WHO = Credentials("me", "s3cret-key")
SIGNED = {"string_to_sign": "{method} {path} {nonce} {milliseconds}", "signature_encoding": "hex"}
SHOWN = {"X-Nonce": "{nonce}", "X-At": "{milliseconds}", "X-Signature": "{signature}"}
FAILURES: dict[str, Answer] = {
    "a status": json_answer(503, b"{}").encode(),
    "another status": json_answer(500, b"{}").encode(),
    "a lost answer": [End.RST],
    "a closed connection": [End.FIN],
}


@dataclass
class Vendor:
    """An API that takes each nonce once, in headers, in the query or in the body."""

    upstream: ScriptedUpstream
    failures: list[Answer] = field(default_factory=list)
    """What it answers to the first calls, though it takes their nonces."""
    nonces: list[str] = field(default_factory=list)

    def answer(self, message: Message) -> Answer:
        shown = {name: message.header(name) for name in SHOWN}
        shown |= dict(parse_qsl(urlsplit(message.target).query))
        if message.body:
            shown |= json.loads(message.body)
        path = urlsplit(message.target).path
        signed = f"{message.start.split()[0]} {path} {shown['X-Nonce']} {shown['X-At']}".encode()
        is_right = shown["X-Signature"] == hmac.new(WHO.password.encode(), signed, hashlib.sha256).hexdigest()
        if not is_right or shown["X-Nonce"] in self.nonces:
            return json_answer(401, b'{"message": "replayed"}').encode()
        self.nonces.append(shown["X-Nonce"] or "")
        return self.failures.pop(0) if self.failures else json_answer(200, b"{}").encode()

    def call(self, method: str = "GET", retries: int = 1, **auth: Any) -> Call:
        settings = Signed.model_validate({"scheme": "signed", **SIGNED, **(auth or {"headers": SHOWN})})
        body_type: Any = None if method == "GET" else "json"
        call = Call(method, f"{self.upstream.url}/v1/x", body_type=body_type, retries=retries)
        return compile_auth(settings, f"{self.upstream.url}/v1")(call, WHO)


@asynccontextmanager
async def vendor(*failures: Answer) -> AsyncIterator[Vendor]:
    async with scripted_upstream() as upstream:
        found = Vendor(upstream, [*failures])
        upstream.otherwise = found.answer
        yield found


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize(("method", "part"), [("GET", "headers"), ("GET", "query"), ("PUT", "body")])
async def test_each_attempt_has_a_signature_of_its_own(failure: Answer, method: str, part: str) -> None:
    async with vendor(failure) as it, Client() as client:
        tables: dict[str, Any] = {part: SHOWN}
        reply = await client.send(it.call(method, **tables))
        assert (reply.status, reply.is_repeated) == (200, True)
        assert len(set(it.nonces)) == len(it.upstream.received) == 2


async def test_every_one_of_several_attempts() -> None:
    async with vendor(*[*FAILURES.values()][:3]) as it, Client() as client:
        assert (await client.send(it.call(retries=3))).status == 200
        assert len(set(it.nonces)) == len(it.upstream.received) == 4


async def test_calls_without_failures_are_sent_once() -> None:
    async with vendor() as it, Client() as client:
        for _ in range(3):
            assert await client.send(it.call()) == Reply(200, b"{}", {"content-type": "application/json"})
        assert len(set(it.nonces)) == len(it.upstream.received) == 3


async def test_the_time_of_an_aws_signature_is_that_of_its_attempt() -> None:
    async with scripted_upstream() as upstream, Client() as client:
        upstream.then(json_answer(503, b"{}", [("Retry-After", "1")]), json_answer(200, b"{}"))
        settings = AwsSignature(scheme="aws", service="execute-api", region="eu-west-1")
        call = Call("GET", f"{upstream.url}/x", query={"a": "b c"}, retries=1)
        assert (await client.send(compile_auth(settings)(call, WHO))).status == 200
        first, second = upstream.received
        assert first.header("X-Amz-Date") != second.header("X-Amz-Date")
        assert first.header("Authorization") != second.header("Authorization")
        assert first.start == second.start == "GET /x?a=b%20c HTTP/1.1"


async def test_a_key_that_does_not_sign_is_sent_nowhere() -> None:
    async with vendor() as it, Client() as client:
        with pytest.raises(NoReplyError) as raised:
            await client.send(it.call(key_encoding="hex", headers=SHOWN))
        error = raised.value
        assert (error.reason, error.key_path, error.was_sent) == (Reason.REQUEST, ("auth",), False)
        assert it.upstream.received == []
        assert WHO.password not in repr(error) + str(error)
