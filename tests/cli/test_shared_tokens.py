"""Access tokens that the workers of a host share: real processes, and a token server that may stall."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

from support.processes import Running, running, workers_of
from support.seed import ACCOUNT, LIST, TOKEN, basic
from support.wire import Answer, Message, ScriptedUpstream, Stall, ask, json_answer, scripted_upstream

PORT = r"legacy API +http://127\.0\.0\.1:(\d+)/2008-08-01"
SECRET = "a-secret-of-the-client"
PROFILE = """\
name: my-api
checked_against: nothing
base_url: {url}
auth: {{scheme: oauth2, token_url: /token}}
operations:
  list: {{path: /numbers, items: /items, paging: {{strategy: none}}, total: {{strategy: length}}}}
  fetch: {{unsupported: not here}}
  rename: {{unsupported: not here}}
  delete: {{unsupported: not here}}
  validate: {{method: POST, path: /calls, json: {{number: phone_number}}, code: /code}}
caller_id: {{id: /id, phone_number: /number}}
"""
WORKERS = 4


@asynccontextmanager
async def vendor(*first: Answer) -> AsyncIterator[ScriptedUpstream]:
    """Run an API and its token server, which gives the `first` answers and then tokens."""
    numbers, tokens = count(1), iter(first)

    def answer(message: Message) -> Answer:
        if message.target == "/token":
            token = {"access_token": f"a-token-of-the-vendor-{next(numbers)}", "expires_in": 3600}
            return next(tokens, json_answer(200, json.dumps(token).encode()).encode())
        return json_answer(200, b'{"items": [], "code": "123456"}').encode()

    async with scripted_upstream() as upstream:
        upstream.otherwise = answer
        yield upstream


def serving(stack: ExitStack, folder: Path, upstream: str, workers: int = WORKERS) -> tuple[Running, int]:
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    (folder / "secret").write_text(SECRET, encoding="utf-8")
    (folder / "my-api.yaml").write_text(PROFILE.format(url=upstream), encoding="utf-8")
    (folder / "proxy.yaml").write_text(
        "listen: {address: 127.0.0.1:0, drain: 0}\n"
        "upstream: {profile: ./my-api.yaml}\n"
        "snapshots: {fresh: 0}\n"
        "log: {level: debug}\n"
        f"accounts: {{{ACCOUNT}: {{token: {{file: token}}, upstream: "
        "{username: me, password: {file: secret}}}}\n",
        encoding="utf-8",
    )
    config = folder / "proxy.yaml"
    server = stack.enter_context(
        running("serve", "--config", config, "--workers", str(workers), shows_log=True)
    )
    port = int(server.until(PORT))
    if workers > 1:
        workers_of(server, workers)
    return server, port


async def get(port: int, method: str = "GET", body: bytes = b"") -> Message:
    headers = (("Host", "x"), ("Authorization", basic()), ("Connection", "close"))
    return await ask(port, Message(f"{method} {LIST} HTTP/1.1", headers, body).encode())


def fetches(upstream: ScriptedUpstream) -> int:
    return sum(each.target == "/token" for each in upstream.received)


async def test_workers_fetch_a_token_once(tmp_path: Path) -> None:
    async with vendor() as upstream:
        with ExitStack() as stack:
            _, port = serving(stack, tmp_path, upstream.url)
            answers = await asyncio.gather(*(get(port) for _ in range(40)))
            assert {answer.status for answer in answers} == {200}
            assert fetches(upstream) == 1


async def test_a_worker_that_is_killed_leaves_no_lock(tmp_path: Path) -> None:
    """One worker fetches, the others wait for it; when all are killed, others fetch."""
    async with vendor([Stall()]) as upstream:
        with ExitStack() as stack:
            server, port = serving(stack, tmp_path, upstream.url)
            waiting = [asyncio.create_task(get(port)) for _ in range(16)]
            await upstream.is_asked(1)
            killed = workers_of(server, WORKERS)
            for worker in killed:
                os.kill(worker, signal.SIGKILL)
            await asyncio.gather(*waiting, return_exceptions=True)
            workers_of(server, WORKERS, other_than=killed)
            answers = await asyncio.gather(*(get(port) for _ in range(16)))
            assert {answer.status for answer in answers} == {200}
            assert fetches(upstream) == 2


CANARIES = SECRET, "a-token-of-the-vendor", "bWU6YS1zZWNyZXQ"


async def test_the_log_and_answers_show_no_secret(tmp_path: Path) -> None:
    refusal = json_answer(401, b'{"error": "invalid_client", "error_description": "%b"}' % SECRET.encode())
    async with vendor(refusal.encode()) as upstream:
        with ExitStack() as stack:
            server, port = serving(stack, tmp_path, upstream.url, workers=1)
            refused = await get(port, "POST", b"PhoneNumber=4158675309")
            assert (refused.status, b"may have been placed" in refused.body) == (502, False)
            await asyncio.sleep(1.1)
            upstream.otherwise = token_then_refusals(upstream)
            shown = [await get(port), await get(port)]
            assert {answer.status for answer in shown} == {502}
            assert server.stop(signal.SIGTERM) == 0
            log = server.output.read()
    assert "credentials: the upstream refuses the configured credentials" in log
    assert "request token" in log
    texts = [log, *(answer.body.decode() for answer in (refused, *shown))]
    assert [text for text in texts for canary in CANARIES if canary in text] == []


def token_then_refusals(upstream: ScriptedUpstream) -> Callable[[Message], Answer]:
    before = upstream.otherwise

    def answer(message: Message) -> Answer:
        if message.target == "/token":
            return before(message)
        said = {"error": {"message": f"{message.header('Authorization')} is not valid"}}
        return json_answer(401, json.dumps(said).encode()).encode()

    return answer
