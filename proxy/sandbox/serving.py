"""A sandbox that listens."""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from proxy.sandbox.app import make_app
from proxy.sandbox.store import Store


@asynccontextmanager
async def listening(store: Store, sockets: Iterable[socket.socket]) -> AsyncIterator[None]:
    """Serve `store` over sockets that listen until the block ends."""
    runner = web.AppRunner(make_app(store), handle_signals=False, access_log=None)
    await runner.setup()
    try:
        for each in sockets:
            await web.SockSite(runner, each).start()
        yield
    finally:
        await runner.cleanup()
