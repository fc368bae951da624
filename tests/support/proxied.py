"""A proxy with a scripted upstream, on a loop with virtual time, and the answers to its client."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pytest
from lxml import etree

from support import leap
from support.running import running_proxy
from support.seed import ACCOUNT, BOB, LIST, TOKEN, UPSTREAM_LIST, basic
from support.wire import Answer, Message, ScriptedUpstream, connect, json_answer, scripted_upstream

T = TypeVar("T")

_PATIENCE = 60  # seconds, for there are tests of deadlines

AN_INSTANCE = f"{LIST}/{BOB}"
PAGES = f"{UPSTREAM_LIST}.json"
NONSENSE = "The upstream API returned an unexpected response"
PERHAPS = "The validation call may have been placed"
PROFILE = Path(__file__).parents[2] / "config" / "upstreams" / "twilio-2010-04-01.yaml"

MAPPED = f"""\
accounts:
  {ACCOUNT}:
    token_sha256: {sha256(TOKEN.encode()).hexdigest()}
    upstream: {{account: {ACCOUNT}, password: "${{SECRET}}"}}
"""


@dataclass
class Proxied:
    """The client side and the upstream side of a proxy."""

    port: int
    upstream: ScriptedUpstream

    async def ask(
        self,
        method: str = "GET",
        target: str = LIST,
        form: str | None = None,
        token: str = TOKEN,
    ) -> Message:
        """Send a request over a connection of its own; an error is a RestException that says its status."""
        headers = [("Host", "x"), ("Authorization", basic(password=token))]
        if form is None and method in ("POST", "PUT"):
            form = "PhoneNumber=4158675309" if method == "POST" else "FriendlyName=New"
        if form is not None:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        request = Message(f"{method} {target} HTTP/1.1", tuple(headers), (form or "").encode())
        async with connect(self.port) as client:
            await client.send(request.encode())
            answer = await client.receive(within=_PATIENCE)
        assert answer is not None
        if answer.status >= 400:
            assert etree.fromstring(answer.body).findtext(".//Status") == str(answer.status)
        return answer


@contextlib.asynccontextmanager
async def proxied(*answers: Message | Answer, configuration: str = "") -> AsyncIterator[Proxied]:
    """Run a proxy before an upstream with this script."""
    async with (
        scripted_upstream(*answers) as upstream,
        running_proxy(upstream.url, configuration, {"SECRET": "s3cret"}) as port,
    ):
        yield Proxied(port, upstream)


def timed(work: Callable[[Proxied], Awaitable[T]], *script: Message | Answer, configuration: str = "") -> T:
    """Do something with a proxy on a loop with virtual time."""

    async def run() -> T:
        async with proxied(*script, configuration=configuration) as between:
            return await work(between)

    return leap.run(run())


def asked_once(
    *script: Message | Answer,
    method: str = "GET",
    target: str = LIST,
    configuration: str = "",
) -> tuple[Message, ScriptedUpstream]:
    """Return the answer to one request, and the upstream after that."""

    async def work(between: Proxied) -> tuple[Message, ScriptedUpstream]:
        return await between.ask(method, target), between.upstream

    return timed(work, *script, configuration=configuration)


def about(seconds: float, within: float = 1) -> Any:
    """Return a value equal to `seconds`, give or take `within`."""
    return pytest.approx(seconds, abs=within)


def now() -> float:
    """Return the time on the loop."""
    return asyncio.get_running_loop().time()


def message_of(answer: Message) -> str:
    """Return the message of an error."""
    return etree.fromstring(answer.body).findtext(".//Message") or ""


def told(answer: Message) -> tuple[int, str, str | None]:
    """Return the status, message and Retry-After of an error."""
    return answer.status, message_of(answer), answer.header("Retry-After")


def shown(answer: Message) -> list[str]:
    """Return the names in a list, after checking its length."""
    assert answer.status == 200, answer.body
    listed = etree.fromstring(answer.body).find("OutgoingCallerIds")
    assert listed is not None
    names = [each.findtext("FriendlyName") or "" for each in listed]
    said: Mapping[str, str] = {str(name): str(value) for name, value in listed.attrib.items()}
    assert int(said["total"]) == len(names)
    assert int(said["end"]) == max(0, int(said["start"]) + len(names) - 1)
    return names


# Answers of an upstream


def item(name: object = "Bob", sid: object = BOB, **other: object) -> dict[str, object]:
    """Return a caller ID as Twilio writes it."""
    at = "Tue, 01 Apr 2008 18:26:32 +0000"
    written = {"sid": sid, "account_sid": ACCOUNT, "friendly_name": name, "phone_number": "+14158675309"}
    return {**written, "date_created": at, "date_updated": at, **other}


def page(*items: object, following: object = None) -> bytes:
    """Return a page as JSON."""
    return json.dumps({"outgoing_caller_ids": items, "next_page_uri": following}).encode()


def one(name: str = "Bob", **other: object) -> bytes:
    """Return an instance as JSON."""
    return json.dumps(item(name, **other)).encode()


def ok(body: bytes, *headers: tuple[str, str]) -> bytes:
    """Return an answer of 200."""
    return json_answer(200, body, headers if body else (*headers, ("Content-Length", "0"))).encode()


def error(status: int, *headers: tuple[str, str]) -> bytes:
    """Return an answer without a body."""
    return json_answer(status, b"", (*headers, ("Content-Length", "0"))).encode()


BOBS = page(item())
LISTED = ok(BOBS)
CODE = ok(b'{"validation_code": "123456", "phone_number": "+14158675309", "friendly_name": "Bob"}')


def profile_with(folder: Path, *changes: tuple[str, str]) -> str:
    """Return a configuration with a changed copy of Twilio's profile."""
    text = PROFILE.read_text(encoding="utf-8")
    for before, after in changes:
        assert text.count(before) == 1
        text = text.replace(before, after)
    (folder / "profile.yaml").write_text(text, encoding="utf-8")
    return f"  profile: {folder / 'profile.yaml'}\n"
