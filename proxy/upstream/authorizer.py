"""Shows credentials that depend on the moment of sending: an access token, or a signature."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from cachetools import LRUCache

from proxy.errors import Reason
from proxy.profile.calls import Call, NoReplyError, Reply, TokenGrant
from proxy.upstream.token_cache import TokenCache

_UNAUTHORIZED = 401
_USELESS = 5.0  # seconds in which a refusal is believed after one of a token that had just been fetched
_MAX_GRANTS = 4096
_SHORTEST_HIDDEN = 16  # characters: a shorter token may be part of anything
_ESCAPES = (("", ""), ("/", "\\/"), ("+", "\\u002B"), ("=", "\\u003d"))
"""How JSON holds a character that common libraries escape: those of PHP, .NET and Java."""


class Authorizer:
    """Sends a call with a token once, and again with another one where the first one is refused."""

    def __init__(self, send: Callable[[Call], Awaitable[Reply]], tokens: TokenCache) -> None:
        self._send = send
        self._tokens = tokens
        self._now = asyncio.get_running_loop().time
        self._useless: LRUCache[str, float] = LRUCache(_MAX_GRANTS)
        """By grant: until when another token would not help."""

    def close(self) -> None:
        self._tokens.close()

    async def send(self, call: Call, grant: TokenGrant) -> Reply:
        """Return the reply to `call` with a token; NoReplyError where there is none, or no token."""
        token = await self._tokens.get(grant)
        reply = await self._send_with(call, token)
        if not _is_refused(call, reply) or self._useless.get(grant.key, 0.0) > self._now():
            return reply
        # Tokens may end before their time; a call whose credentials are refused has changed nothing
        try:
            token = await self._tokens.get(grant, refused=token)
        except NoReplyError as error:
            error.has_no_effect = not reply.is_repeated
            raise
        again = await self._send_with(call, token)
        if _is_refused(call, again):
            self._useless[grant.key] = self._now() + _USELESS
        return again._replace(is_repeated=again.is_repeated or reply.is_repeated)

    async def _send_with(self, call: Call, token: str) -> Reply:
        reply = await self._send(authorize(call, token))
        # No client is shown a token that an upstream writes into its messages
        if len(token) >= _SHORTEST_HIDDEN:
            for hidden in {token.replace(*escape).encode() for escape in _ESCAPES}:
                if hidden in reply.body:
                    reply = reply._replace(body=reply.body.replace(hidden, b"********"))
        return reply


def _is_refused(call: Call, reply: Reply) -> bool:
    return reply.status == _UNAUTHORIZED or (call.is_refusal is not None and call.is_refusal(reply))


def authorize(call: Call, token: str = "") -> Call:
    """Return a call as it is sent at this moment; NoReplyError where the account's key cannot sign it."""
    try:
        return call.authorized(time.time(), token)
    except ValueError as error:
        raise NoReplyError(Reason.REQUEST, was_sent=False).at_key("auth") from error
