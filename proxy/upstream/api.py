"""The modern API as two coroutines: ask about one number, or walk a whole list."""

from collections.abc import Sequence

from proxy.errors import BAD_UPSTREAM, LIST_TOO_LARGE, LegacyError
from proxy.model import Account, CallerId, Delete, Fetch, List, Rename, Result, Validate
from proxy.upstream.client import Client
from proxy.upstream.profile import Exchange, Listing, Profile


class Upstream:
    """A profile and the client that carries out its calls."""

    def __init__(self, profile: Profile, client: Client) -> None:
        """Bind the two together."""
        self._profile = profile
        self._client = client

    async def perform(self, operation: Fetch | Rename | Delete | Validate, account: Account) -> Result:
        """Ask once and read the answer; LegacyError for whatever stands in the way."""
        exchange = self._profile.exchange(operation, account)
        return exchange.read(await self._client.send(exchange.call))

    async def walk(self, operation: List, account: Account) -> Sequence[CallerId]:
        """Follow a list to its end, as far narrowed down as the upstream can; each Sid once, the first wins.

        A list without end, or one that leads back to where it has been, is a LegacyError: a walk that was cut
        short would give a wrong total.
        """
        found: dict[str, CallerId] = {}
        asked: set[str] = set()
        limits = self._profile.limits
        exchange: Exchange[Listing] | None = self._profile.list(operation, account)
        while exchange is not None:
            if exchange.call.url in asked:
                raise LegacyError(BAD_UPSTREAM)
            asked.add(exchange.call.url)
            listing = exchange.read(await self._client.send(exchange.call))
            for caller_id in listing.caller_ids:
                found.setdefault(caller_id.sid, caller_id)
            if (listing.next and len(asked) == limits.pages) or len(found) > limits.items:
                raise LegacyError(LIST_TOO_LARGE)
            exchange = listing.next
        return tuple(found.values())
