"""Requests that are valid HTTP → the translator, the code page, or 429 after too many failed logins."""

import math
import secrets
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Protocol

from aiohttp import hdrs

from proxy.cache import digest_credentials
from proxy.errors import TOO_MANY_REQUESTS, Fault, LegacyError
from proxy.gateway.concurrency import current_peer
from proxy.gateway.translator import Translator
from proxy.legacy import Answer, Request, read_credentials
from proxy.model import Credentials
from proxy.observe.log import request_id
from proxy.server import code_page
from proxy.server.failed_logins import FailedLogins, LockedOutError, Login
from proxy.server.peers import Network, peer_of
from proxy.server.reading import RequestHead

_MAX_REMEMBERED = 512  # characters of credentials


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
        self._failed = FailedLogins(translator.buckets)
        self._request_ids = map(f"{secrets.token_hex(4)}-{{}}".format, count(1))

    def follow(self, translator: Translator, trusted: Sequence[Network]) -> None:
        self._translator = translator
        self._trusted = trusted

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        return self._translator.refuse(fault, target)

    async def answer(self, head: RequestHead, body: bytes, connected: str) -> Answer:
        """Answer a request; the credentials of a peer that is locked out are not judged."""
        request_id.set(next(self._request_ids))
        peer = self._peer(head, connected)
        current_peer.set(peer)
        if self._translator.takes_codes and head.url.path == code_page.PATH:
            return await code_page.answer(head.method, head.headers, body, self._translator, peer)
        request = _request(head, body, peer)
        if (login := _login(request, peer)) is None:
            return await self._translator.answer(request)
        is_known = self._translator.recognises(login.credentials, login.digest)
        if is_known and not self._failed.may_lock_out():  # as most: to count takes a tenth of a request
            made = await self._translator.answer(request)
            if made.status == 401:
                await self._failed.add(login)
            return made
        try:
            async with self._failed.judging(login, is_known=is_known) as judgement:
                made = await self._translator.answer(request)
                judgement.has_failed = made.status == 401
        except LockedOutError as error:
            self._translator.failures.request_rejected("locked_out")
            fault = TOO_MANY_REQUESTS.with_header("Retry-After", str(math.ceil(error.seconds)))
            return self.refuse(fault, head.path)
        return made

    def from_cache(self, head: RequestHead, connected: str) -> Answer | None:
        request = _request(head)
        if self._failed.may_lock_out():
            login = _login(request, self._peer(head, connected))
            if login is not None and self._failed.seconds_left(login):
                return None
        return self._translator.from_cache(request)

    def _peer(self, head: RequestHead, connected: str) -> str:
        forwarded = head.headers.getall(hdrs.X_FORWARDED_FOR, ()) if self._trusted else ()
        return peer_of(connected, forwarded, self._trusted)


def _request(head: RequestHead, body: bytes = b"", peer: str = "") -> Request:
    credentials = tuple(head.headers.getall(hdrs.AUTHORIZATION, ()))
    return Request(head.method, head.path, credentials, head.headers.get(hdrs.CONTENT_TYPE), body, peer)


def _login(request: Request, peer: str) -> Login | None:
    """Return the attempt of a request to log in; None where it is none, as before a challenge."""
    authorization = tuple(request.authorization)
    is_short = sum(map(len, authorization)) <= _MAX_REMEMBERED
    known = (_read_known if is_short else _read_known.__wrapped__)(authorization)
    return None if known is None else Login(peer, *known)


@lru_cache(maxsize=1024)
def _read_known(authorization: tuple[str, ...]) -> tuple[Credentials, bytes] | None:
    try:
        credentials = read_credentials(authorization)
    except LegacyError:
        return None
    return credentials, digest_credentials(credentials)
