"""One suite over every store: memory, memory that two workers share, and Redis beside that."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import pytest_asyncio
from support.cached import Clock, Shared, tolerant_store
from support.valkey import Server, running_pair, running_valkey

from proxy.cache import (
    GenerationTable,
    SharedMemoryStore,
    Store,
)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    with running_valkey() as server:
        yield server


@pytest.fixture
def pair() -> Iterator[list[Server]]:
    """Run a master and its replica, in this order, which only this test uses."""
    with running_pair() as pair:
        yield pair


@asynccontextmanager
async def _shared(kind: str, valkey: Server) -> AsyncIterator[Shared]:
    clock, counters = Clock(), GenerationTable(workers=2)
    match kind:
        case "memory":
            yield Shared([SharedMemoryStore(clock=clock)], lambda _: None, clock)
        case "workers":
            yield Shared([SharedMemoryStore(counters, each, clock) for each in (0, 1)], lambda _: None, clock)
        case "redis":
            secret = secrets.token_bytes()  # keys that no other test has
            async with AsyncExitStack() as stack:
                stores: list[Store] = []
                for _ in range(2):
                    stores.append(tolerant_store(valkey.url, secret, counters))
                    stack.push_async_callback(stores[-1].close)
                yield Shared(stores, valkey.pass_time, clock)


KINDS = ("memory", "workers", "redis")


@pytest_asyncio.fixture(params=KINDS)
async def shared(request: pytest.FixtureRequest, valkey: Server) -> AsyncIterator[Shared]:
    async with _shared(request.param, valkey) as shared:
        yield shared
