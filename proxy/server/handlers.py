"""Requests that HTTP has nothing against → whoever answers them, unless they guess too often."""

import asyncio
import math
from collections.abc import Sequence
from typing import Protocol

from aiohttp import hdrs

from proxy.errors import TOO_MANY_REQUESTS, Fault, LegacyError
from proxy.gateway.translator import Translator
from proxy.legacy import Answer, Request, read_credentials
from proxy.server import code_page
from proxy.server.failed_logins import FailedLogins
from proxy.server.peers import Network, peer_of
from proxy.server.reading import RequestHead


class Handler(Protocol):
    """What answers the requests that come in over connections."""

    async def answer(self, head: RequestHead, body: bytes, connected: str) -> Answer:
        """Answer a request that came from the address that is `connected`."""

    def from_cache(self, head: RequestHead, connected: str) -> Answer | None:
        """Answer a request without a body if that takes no time; None if it may."""

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        """Answer what cannot be carried out; a `target` is known where it is a request at all."""


class LegacyHandler:
    """Answers requests to the 2008 API, but for who guesses at tokens."""

    def __init__(self, translator: Translator, trusted: Sequence[Network] = ()) -> None:
        """Let a `translator` answer; `trusted` proxies say whom they speak for."""
        self._translator = translator
        self._trusted = trusted
        self._failed = FailedLogins(asyncio.get_running_loop().time)

    def follow(self, translator: Translator, trusted: Sequence[Network]) -> None:
        """Let another translator answer from now on."""
        self._translator = translator
        self._trusted = trusted

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        """Answer as every other answer looks."""
        return self._translator.refuse(fault, target)

    async def answer(self, head: RequestHead, body: bytes, connected: str) -> Answer:
        """Answer a request; who has guessed too often is not judged."""
        if self._translator.takes_codes and head.url.path == code_page.PATH:
            return await code_page.answer(head.method, head.headers, body, self._translator)
        if self._failed.has_locked_out and (seconds := self._seconds_locked_out(head, connected)):
            fault = TOO_MANY_REQUESTS.with_header("Retry-After", str(math.ceil(seconds)))
            return self.refuse(fault, head.path)
        made = await self._translator.answer(_request(head, body))
        if made.status == 401 and (account := _account(head)) is not None:
            self._failed.add(self._peer(head, connected), account)
        return made

    def from_cache(self, head: RequestHead, connected: str) -> Answer | None:
        """Answer what is remembered."""
        if self._failed.has_locked_out and self._seconds_locked_out(head, connected):
            return None
        return self._translator.from_cache(_request(head))

    def _seconds_locked_out(self, head: RequestHead, connected: str) -> float:
        account = _account(head)
        return 0 if account is None else self._failed.seconds_left(self._peer(head, connected), account)

    def _peer(self, head: RequestHead, connected: str) -> str:
        return peer_of(connected, head.headers.getall(hdrs.X_FORWARDED_FOR, ()), self._trusted)


def _request(head: RequestHead, body: bytes = b"") -> Request:
    return Request(
        head.method,
        head.path,
        tuple(head.headers.getall(hdrs.AUTHORIZATION, ())),
        head.headers.get(hdrs.CONTENT_TYPE),
        body,
    )


def _account(head: RequestHead) -> str | None:
    """Return whose token a request claims to know; None where it claims nothing, as before a challenge."""
    try:
        return read_credentials(head.headers.getall(hdrs.AUTHORIZATION, ())).username
    except LegacyError:
        return None
