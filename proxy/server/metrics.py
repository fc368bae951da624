"""A listener of its own for the counters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from proxy.observers import EXPOSITION_TYPE, Observers
from proxy.server.sockets import Opened, accepting, drained


@asynccontextmanager
async def metrics_listening(observers: Observers, opened: Opened) -> AsyncIterator[None]:
    """Serve what `observers` have counted until the block ends."""

    async def answer(request: web.BaseRequest) -> web.Response:
        if (request.method, request.path) != (hdrs.METH_GET, "/metrics"):
            return web.Response(status=404)
        return web.Response(body=observers.exposition(), headers={hdrs.CONTENT_TYPE: EXPOSITION_TYPE})

    server = web.Server(answer, access_log=None, keepalive_timeout=75)
    async with drained(server), accepting(server, opened):
        yield
