"""How the aiohttp peers listen: on uvloop, without an access log."""

import asyncio
from collections.abc import Awaitable, Callable

import uvloop
from aiohttp import web


def serve(app: web.Application, port: int) -> None:
    """Serve an application until the process is told to end."""
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=uvloop.new_event_loop())


def serve_low_level(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], port: int) -> None:
    """Serve a handler without an application around it."""

    async def forever() -> None:
        runner = web.ServerRunner(web.Server(handler, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    uvloop.run(forever())
