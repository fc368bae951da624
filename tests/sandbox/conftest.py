"""A sandbox on a real socket, with a clock that only tests move."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from pytest_aiohttp import AiohttpClient

from proxy.sandbox import Store, make_app
from sandbox.client import EMPTY_ACCOUNT, OTHER_ACCOUNT, Client, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[Store]:
    with closing(Store(clock=clock)) as store:
        store.add_account(OTHER_ACCOUNT, "other-token")
        store.add_account(EMPTY_ACCOUNT, "empty-token")
        yield store


@pytest.fixture
async def client(store: Store, aiohttp_client: AiohttpClient) -> Client:
    return Client(await aiohttp_client(make_app(store)))
