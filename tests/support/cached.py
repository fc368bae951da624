"""Cached lists over any store: callers, a clock that tests move, and an upstream that counts listings."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from proxy.cache import (
    CachePolicy,
    GenerationTable,
    ListCache,
    Loaded,
    Loader,
    Store,
    derive_key,
    derive_owner,
)
from proxy.cache.redis_store import RedisStore
from proxy.model import Account, Credentials


@dataclass(frozen=True)
class Value:
    """A cached value."""

    text: str = ""
    nbytes: int = 10

    def to_bytes(self) -> bytes:
        return self.text.encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Value":
        return cls(content.decode())


Lists = ListCache[Value, None]
Load = Callable[[Value | None], Coroutine[Any, Any, Value]]
"""Loads a value; its argument is the previous one."""


def loader(load: Load) -> Loader[Value, None]:
    """Adapt `load` to the cache."""

    async def loaded(last: Loaded[Value, None] | None) -> Loaded[Value, None]:
        return Loaded(await load(last.value if last else None))

    return loaded


async def get_or_load(lists: Lists, account: Account, *query: str, load: Load) -> Value:
    """Return the value that `account` gets now."""
    view = await lists.view(derive_owner(account))
    return await view.get_or_load(derive_key(account, *query), loader(load))


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Shared:
    """The stores of two workers or replicas; for one store alone, both are the same."""

    stores: list[Store]
    pass_on: Callable[[float], None]
    clock: Clock = field(default_factory=Clock)

    def open_cache(self, which: int = 0, *, fresh: float = 5, stale: float = 0, size: int = 100_000) -> Lists:
        return ListCache(
            Value, CachePolicy(fresh, stale, size), self.stores[which % len(self.stores)], self.clock
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.pass_on(seconds)


def tolerant_store(url: str, secret: bytes, counters: GenerationTable | None = None) -> RedisStore:
    """Return a store with long timeouts, for tests that are not about timeouts."""
    return RedisStore.at(url, secret, counters, timeouts=(2, 2))


ALICE = Account("AC1", "up1", Credentials("AC1", "token"), "vendor")
OTHER_TOKEN = replace(ALICE, credentials=Credentials("AC1", "other"))
OTHER_NAME = replace(ALICE, credentials=Credentials("AC1t", "oken"))
OTHER_ACCOUNT = replace(ALICE, upstream_id="up2")
OTHER_UPSTREAM = replace(ALICE, upstream="another")
OTHER_SID = replace(ALICE, sid="AC2")
OTHERS = (OTHER_TOKEN, OTHER_NAME, OTHER_ACCOUNT, OTHER_UPSTREAM)
"""Accounts with other credentials, which may consist of the same characters."""


class Upstream:
    """Counts listings, which end when they are released."""

    def __init__(self) -> None:
        self.text = "old"
        self.listings = 0
        self.ended = 0
        self.released = asyncio.Event()
        self.released.set()

    async def read_list(self, _: Value | None = None) -> Value:
        self.listings += 1
        try:
            text = self.text
            await self.released.wait()
            return Value(text)
        finally:
            self.ended += 1

    async def wait_for_listings(self, number: int) -> None:
        """Wait until so many listings have begun."""
        async with asyncio.timeout(5):
            while self.listings < number:
                await asyncio.sleep(0)


async def ask(lists: Lists, caller: Account, upstream: Upstream, *what: str) -> Value:
    return await get_or_load(lists, caller, *what, load=upstream.read_list)


async def known(lists: Lists, caller: Account, *what: str) -> str | None:
    found = await (await lists.view(derive_owner(caller))).find(derive_key(caller, *what))
    return None if found is None else found.text


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
