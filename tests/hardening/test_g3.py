"""G3: no answer holds bytes of another credential's data, even if an upstream answers twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
from support.proxied import error, item, ok, page
from support.running import running_proxy
from support.seed import ACCOUNT, LIST, basic
from support.streams import stream_server
from support.wire import Message, ScriptedUpstream, ask, read_message

SECOND = ACCOUNT.replace("AC3", "AC4")
SHARED = "accounts:\n" + "".join(
    f"  {sid}:\n    token_sha256: {sha256(token.encode()).hexdigest()}\n"
    f"    upstream: {{account: {sid}, username: SK, password: '${{SECRET}}'}}\n"
    for sid, token in ((ACCOUNT, "one"), (SECOND, "two"))
)


@contextlib.asynccontextmanager
async def answering_twice() -> AsyncIterator[ScriptedUpstream]:
    """Run an upstream that repeats its last answer when the head of the next request has arrived."""
    upstream = ScriptedUpstream()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.accepted += 1
        answer = b""
        with contextlib.suppress(ConnectionError):
            while request := await read_message(reader):
                upstream.received.append(request)
                writer.write(answer)
                answer = to(request)
                writer.write(answer)
                await writer.drain()

    async with stream_server(serve) as upstream.port:
        yield upstream


def to(request: Message) -> bytes:
    """Answer with a name that tells the credentials and the account of the request."""
    credentials = request.header("Authorization") or ""
    if credentials == basic(password="wrong"):
        return error(401)
    account = request.target.split("/")[3]
    return ok(page(item(f"{account} of {credentials}", account_sid=account)))


async def shown(port: int, account: str, token: str) -> Message:
    """Ask for a list."""
    headers = (("Host", "x"), ("Authorization", basic(account, token)))
    target = LIST.replace(ACCOUNT, account)
    return await ask(port, Message(f"GET {target} HTTP/1.1", headers).encode())


@pytest.mark.parametrize("first", ["one", "two"])
async def test_g3_a_late_second_answer_is_not_for_the_next_caller(first: str) -> None:
    async with answering_twice() as upstream, running_proxy(upstream.url) as port:
        for token in (first, "wrong", "one", "wrong", "two", "one", "wrong", "two"):
            answer = await shown(port, ACCOUNT, token)
            if token == "wrong":
                assert answer.status == 401
            else:
                assert f"{ACCOUNT} of {basic(password=token)}".encode() in answer.body
    assert upstream.accepted < len(upstream.received)  # a caller keeps its connection


async def test_g3_a_late_answer_is_not_for_another_account() -> None:
    """Not every API has a field with the account, by which the proxy could tell."""
    async with (
        answering_twice() as upstream,
        running_proxy(upstream.url, SHARED, {"SECRET": "s3cret"}) as port,
    ):
        for account, token in ((ACCOUNT, "one"), (SECOND, "two"), (ACCOUNT, "one"), (SECOND, "two")):
            answer = await shown(port, account, token)
            assert f"{account} of {basic('SK', 's3cret')}".encode() in answer.body
    assert upstream.accepted == 2
