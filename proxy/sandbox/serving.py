"""A sandbox that listens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from proxy.sandbox.app import make_app
from proxy.sandbox.store import Store


@asynccontextmanager
async def listening(store: Store, host: str, port: int) -> AsyncIterator[int]:
    """Serve `store` until the block ends; yields the port. OSError where it cannot be listened on."""
    runner = web.AppRunner(make_app(store), handle_signals=False, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host or None, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
