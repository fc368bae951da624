"""Requests that are valid HTTP → the translator, the code page, or 429 after too many failed logins."""

import math
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from itertools import count
from typing import Protocol

from aiohttp import hdrs

from proxy.cache import digest_credentials
from proxy.errors import OTHER_RESOURCE, TOO_MANY_REQUESTS, Fault, LegacyError, UpstreamError
from proxy.gateway.concurrency import current_peer
from proxy.gateway.translator import Translator
from proxy.legacy import Answer, Request, account_of, is_other_resource, read_credentials
from proxy.model import Credentials
from proxy.observe.counters import FORWARDED_REQUESTS
from proxy.observe.failures import UpstreamFailure
from proxy.observe.log import request_id
from proxy.server import code_page
from proxy.server.exchanges import ForwardedExchange
from proxy.server.failed_logins import FailedLogins, Judgement, LockedOutError, Login
from proxy.server.forwarding import Forwarder
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


class ForwardHandler(Protocol):
    """Hands requests on whose answers others have."""

    def forwards(self, head: RequestHead) -> bool:
        """Whether a request is handed on."""

    async def forward(self, exchange: ForwardedExchange, connected: str) -> None:
        """Carry out an exchange; LegacyError where there is no answer, or not all of it."""


class LegacyHandler:
    """Answers requests to the 2008 API, unless their peer has guessed at tokens too often."""

    forwarder: Forwarder | None = None
    """Hands on what is no OutgoingCallerIds; without it, that is a 404."""

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
            return self.refuse(self._refuse_login(error), head.path)
        return made

    def forwards(self, head: RequestHead) -> bool:
        forwarder = self.forwarder
        return forwarder is not None and is_other_resource(head.path, everything=forwarder.options.everything)

    async def forward(self, exchange: ForwardedExchange, connected: str) -> None:
        """Carry out an exchange; where credentials go on, a 401 of the target is a failed login."""
        request_id.set(next(self._request_ids))
        head, forwarder, failures = exchange.head, self.forwarder, self._translator.failures
        peer = self._peer(head, connected)
        if forwarder is None:  # since a moment ago
            raise LegacyError(OTHER_RESOURCE)
        answer, outcome = None, "failed"
        try:
            async with self._judging(head, peer, forwarder) as judgement:
                answer = await forwarder.ask(exchange, peer)
                judgement.has_failed = answer.status == 401
            await answer.send()
            outcome = f"{answer.status // 100}xx"
        except LockedOutError as error:
            raise LegacyError(self._refuse_login(error)) from None
        except UpstreamError as error:
            failures.upstream_failed(
                UpstreamFailure(forwarder.place, "forward", account_of(head.path) or "no account", error)
            )
            raise
        finally:
            failures.counters.count(FORWARDED_REQUESTS, outcome)
            if answer is not None:
                answer.close()

    @asynccontextmanager
    async def _judging(self, head: RequestHead, peer: str, forwarder: Forwarder) -> AsyncIterator[Judgement]:
        """Count a login at the target while the block finds out whether it fails, as one to this proxy."""
        login = _login(_request(head), peer) if forwarder.options.credentials else None
        if login is None:
            yield Judgement()
            return
        is_known = self._translator.recognises(login.credentials, login.digest)
        async with self._failed.judging(login, is_known=is_known) as judgement:
            yield Judgement() if is_known else judgement  # right here, whatever the target says

    def _refuse_login(self, error: LockedOutError) -> Fault:
        self._translator.failures.request_rejected("locked_out")
        return TOO_MANY_REQUESTS.with_header("Retry-After", str(math.ceil(error.seconds)))

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
    is_short = sum(map(len, request.authorization)) <= _MAX_REMEMBERED
    known = (_read_known if is_short else _read_known.__wrapped__)(request.authorization)
    return None if known is None else Login(peer, *known)


@lru_cache(maxsize=1024)
def _read_known(authorization: tuple[str, ...]) -> tuple[Credentials, bytes] | None:
    try:
        credentials = read_credentials(authorization)
    except LegacyError:
        return None
    return credentials, digest_credentials(credentials)
