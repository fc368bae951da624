"""An upstream whose lists change between pages, and which fails like real ones.

It speaks Twilio's API of today in pages of five. Each name contains the account and the token of the
request and a count of renames, so that a test can tell whose data an answer shows, and how old it is.
"""

import asyncio
import base64
import contextlib
import json
import random
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from support.streams import stream_server
from support.wire import Message, json_answer, read_message

_PAGE = 5
_PATH = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/OutgoingCallerIds(?:/(PN[0-9a-f]{32}))?\.json")
_DATE = "Tue, 01 Apr 2008 18:26:32 +0000"


def first_sids(account: str) -> list[str]:
    """Return the Sids that an account has at first."""
    return [f"PN{account[2:18]}{index:016x}" for index in range(12)]


def number_of(sid: str) -> str:
    """Return the number of a Sid."""
    return f"+1415{int(sid[-7:], 16) % 10_000_000:07}"


@dataclass
class Faults:
    """The probability of each kind of fault."""

    before: float = 0.0
    """It fails and has no effect."""
    after: float = 0.0
    """It takes effect, and its answer is lost."""
    slow: float = 0.0
    """Seconds that it takes at most, before and after its effect."""


@dataclass
class ChangingUpstream:
    """The upstream; an account's state is created at its first request."""

    chance: random.Random
    faults: Faults = field(default_factory=Faults)
    port: int = 0
    calls: int = 0
    validations: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often each number was called for each account."""
    _versions: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while message := await read_message(reader):
                answer = await self._answer(message)
                if answer is None:
                    writer.transport.abort()
                    return
                writer.write(answer.encode())
                await writer.drain()

    async def _answer(self, message: Message) -> Message | None:
        self.calls += 1
        await self._dawdle()
        if self.chance.random() < self.faults.before:
            return self.chance.choice([None, json_answer(503, b"{}"), json_answer(500, b"{}")])
        answer = self._act(message)
        await self._dawdle()
        return None if self.chance.random() < self.faults.after else answer

    async def _dawdle(self) -> None:
        if self.faults.slow:
            await asyncio.sleep(self.chance.random() * self.faults.slow)

    def _act(self, message: Message) -> Message:
        url = urlsplit(message.target)
        found = _PATH.fullmatch(url.path)
        assert found, message.target
        account, sid = found.groups()
        token = base64.b64decode((message.header("Authorization") or "")[6:]).decode().partition(":")[2]
        items = self._versions.setdefault(account, dict.fromkeys(first_sids(account), 0))
        form = {name: values[-1] for name, values in parse_qs(message.body.decode()).items()}
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        match message.start.partition(" ")[0], sid:
            case "GET", None:
                return self._list(account, token, items, query)
            case "POST", None:
                return self._validate(account, items, form)
            case method, _ if sid not in items:
                return json_answer(404, b'{"code": 20404, "status": 404}' if method else b"")
            case "POST", _:
                items[sid] = int(form["FriendlyName"])
            case "DELETE", _:
                del items[sid]
                return Message("HTTP/1.1 204 No Content")
        return _json(200, _item(account, token, sid, items[sid]))

    def _list(self, account: str, token: str, items: Mapping[str, int], query: Mapping[str, str]) -> Message:
        # The page after a Sid does not depend on changes before that Sid
        after = query.get("PageToken", "")
        every = [_item(account, token, sid, items[sid]) for sid in sorted(items) if sid > after]
        for name, key in (("PhoneNumber", "phone_number"), ("FriendlyName", "friendly_name")):
            if name in query:
                every = [item for item in every if item[key] == query[name]]
        shown, next_page = every[:_PAGE], None
        if len(every) > _PAGE:
            more = urlencode({**query, "PageToken": shown[-1]["sid"]})
            next_page = f"/2010-04-01/Accounts/{account}/OutgoingCallerIds.json?{more}"
        return _json(200, {"outgoing_caller_ids": shown, "next_page_uri": next_page})

    def _validate(self, account: str, items: dict[str, int], form: Mapping[str, str]) -> Message:
        number = form["PhoneNumber"]
        called = account, number
        self.validations[called] = self.validations.get(called, 0) + 1
        items[f"PN{account[2:18]}{int(number[5:]):016x}"] = 0
        return _json(200, {"validation_code": "123456", "phone_number": number})


def _item(account: str, token: str, sid: str, version: int) -> dict[str, Any]:
    return {
        "sid": sid,
        "account_sid": account,
        "friendly_name": f"{account} {token} {version}",
        "phone_number": number_of(sid),
        "date_created": _DATE,
        "date_updated": _DATE,
    }


def _json(status: int, document: object) -> Message:
    return json_answer(status, json.dumps(document).encode())


@contextlib.asynccontextmanager
async def changing_upstream(chance: random.Random) -> AsyncIterator[ChangingUpstream]:
    """Run it on a free port."""
    upstream = ChangingUpstream(chance)
    async with stream_server(upstream.serve) as upstream.port:
        yield upstream
