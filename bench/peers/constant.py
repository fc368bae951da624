"""aiohttp answering a constant of the right size, as a web.Application."""

import sys

import orjson
from aiohttp import web

from bench.data import Owner, item, page
from bench.peers.naive import translate
from bench.peers.serving import serve

_OWNER = Owner(50)
LIST = translate(orjson.dumps(page(_OWNER, 0, 50)))
INSTANCE = translate(orjson.dumps(item(_OWNER, 0)))


async def _list(request: web.Request) -> web.Response:  # noqa: ARG001 - aiohttp's signature
    return web.Response(body=LIST, content_type="application/xml")


async def _instance(request: web.Request) -> web.Response:  # noqa: ARG001
    return web.Response(body=INSTANCE, content_type="application/xml")


def make_app() -> web.Application:
    """Return an application with the two routes."""
    app = web.Application()
    app.router.add_get("/2008-08-01/Accounts/{account}/OutgoingCallerIds", _list)
    app.router.add_get("/2008-08-01/Accounts/{account}/OutgoingCallerIds/{sid}", _instance)
    return app


if __name__ == "__main__":
    serve(make_app(), int(sys.argv[1]))
