"""Requests that are valid HTTP → the translator, the code page, or 429 after too many failed logins."""

import asyncio
import math
import secrets
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Protocol

from aiohttp import hdrs

from proxy.errors import TOO_MANY_REQUESTS, Fault, LegacyError
from proxy.gateway.concurrency import current_peer
from proxy.gateway.translator import Translator
from proxy.legacy import Answer, Request, read_credentials
from proxy.observe.log import request_id
from proxy.server import code_page
from proxy.server.failed_logins import FailedLogins
from proxy.server.peers import Network, peer_of
from proxy.server.reading import RequestHead


class Handler(Protocol):
    """Answers the requests that come in over connections; `connected` is the address of the peer."""

    async def answer(self, head: RequestHead, body: bytes, connected: str) -> Answer: ...

    def from_cache(self, head: RequestHead, connected: str) -> Answer | None:
        """Answer a request without a body from the cache; None where more is needed."""

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        """Render a fault; the `target` is empty where there was no request."""


class LegacyHandler:
    """Answers requests to the 2008 API, unless their peer has guessed at tokens too often."""

    def __init__(self, translator: Translator, trusted: Sequence[Network] = ()) -> None:
        """Let a `translator` answer; X-Forwarded-For of `trusted` proxies is believed."""
        self._translator = translator
        self._trusted = trusted
        self._failed = FailedLogins(asyncio.get_running_loop().time)
        self._request_ids = map(f"{secrets.token_hex(4)}-{{}}".format, count(1))

    def follow(self, translator: Translator, trusted: Sequence[Network]) -> None:
        self._translator = translator
        self._trusted = trusted

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        return self._translator.refuse(fault, target)

    async def answer(self, head: RequestHead, body: bytes, connected: str) -> Answer:
        """Answer a request; the credentials of a peer that is locked out are not judged."""
        request_id.set(next(self._request_ids))
        current_peer.set(partial(self._peer, head, connected))
        if self._translator.takes_codes and head.url.path == code_page.PATH:
            return await code_page.answer(head.method, head.headers, body, self._translator)
        if self._failed.has_locked_out and (seconds := self._seconds_locked_out(head, connected)):
            self._translator.failures.request_rejected("locked_out")
            fault = TOO_MANY_REQUESTS.with_header("Retry-After", str(math.ceil(seconds)))
            return self.refuse(fault, head.path)
        made = await self._translator.answer(_request(head, body))
        if made.status == 401 and (account := _account(head)) is not None:
            self._failed.add(self._peer(head, connected), account)
        return made

    def from_cache(self, head: RequestHead, connected: str) -> Answer | None:
        if self._failed.has_locked_out and self._seconds_locked_out(head, connected):
            return None
        return self._translator.from_cache(_request(head))

    def _seconds_locked_out(self, head: RequestHead, connected: str) -> float:
        account = _account(head)
        return 0 if account is None else self._failed.seconds_left(self._peer(head, connected), account)

    def _peer(self, head: RequestHead, connected: str) -> str:
        return peer_of(connected, head.headers.getall(hdrs.X_FORWARDED_FOR, ()), self._trusted)


def _request(head: RequestHead, body: bytes = b"") -> Request:
    credentials = tuple(head.headers.getall(hdrs.AUTHORIZATION, ()))
    return Request(head.method, head.path, credentials, head.headers.get(hdrs.CONTENT_TYPE), body)


def _account(head: RequestHead) -> str | None:
    """Return the user name of a request's credentials; None where it has none, as before a challenge."""
    try:
        return read_credentials(head.headers.getall(hdrs.AUTHORIZATION, ())).username
    except LegacyError:
        return None
