"""One suite over every store: memory, memory that two workers share, and Redis beside that."""

import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from support.valkey import Server, running_valkey

from proxy.cache import (
    CachePolicy,
    GenerationTable,
    ListCache,
    Loaded,
    Loader,
    SharedMemoryStore,
    Store,
    derive_key,
    derive_owner,
)
from proxy.cache.redis_store import RedisStore
from proxy.model import Account


@dataclass(frozen=True)
class Value:
    """Something to remember."""

    text: str = ""
    nbytes: int = 10

    def to_bytes(self) -> bytes:
        return self.text.encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Value":
        return cls(content.decode())


Lists = ListCache[Value, None]
Load = Callable[[Value | None], Coroutine[Any, Any, Value]]
"""Loads a value; it is given the last one."""


def loader(load: Load) -> Loader[Value, None]:
    """Return `load` as a cache wants it."""

    async def loaded(last: Loaded[Value, None] | None) -> Loaded[Value, None]:
        return Loaded(await load(last.value if last else None))

    return loaded


async def get_or_load(lists: Lists, account: Account, *query: str, load: Load) -> Value:
    """Return what `account` gets, as of now."""
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
    """Two who remember and share a store; where there is only one, both are the same."""

    stores: list[Store]
    pass_on: Callable[[float], None]
    clock: Clock = field(default_factory=Clock)

    def snapshots(self, which: int = 0, *, fresh: float = 5, stale: float = 0, size: int = 100_000) -> Lists:
        return ListCache(
            Value, CachePolicy(fresh, stale, size), self.stores[which % len(self.stores)], self.clock
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.pass_on(seconds)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    with running_valkey() as server:
        yield server


def patient_store(url: str, secret: bytes, counters: GenerationTable | None = None) -> RedisStore:
    """Return a store for tests that are not about how long Redis is waited for: machines may be busy."""
    return RedisStore.at(url, secret, counters, timeouts=(2, 2))


@asynccontextmanager
async def _shared(kind: str, valkey: Server) -> AsyncIterator[Shared]:
    clock, counters = Clock(), GenerationTable(workers=2)
    match kind:
        case "memory":
            yield Shared([SharedMemoryStore(clock=clock)], lambda _: None, clock)
        case "workers":
            yield Shared([SharedMemoryStore(counters, each, clock) for each in (0, 1)], lambda _: None, clock)
        case "redis":
            secret = secrets.token_bytes()  # its names are nobody else's
            async with AsyncExitStack() as stack:
                stores: list[Store] = []
                for _ in range(2):
                    stores.append(patient_store(valkey.url, secret, counters))
                    stack.push_async_callback(stores[-1].close)
                yield Shared(stores, valkey.pass_time, clock)


KINDS = ("memory", "workers", "redis")


@pytest_asyncio.fixture(params=KINDS)
async def shared(request: pytest.FixtureRequest, valkey: Server) -> AsyncIterator[Shared]:
    async with _shared(request.param, valkey) as shared:
        yield shared
