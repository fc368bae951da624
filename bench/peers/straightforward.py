"""The proxy as one would write it first: aiohttp on both sides and the naive translation between them."""

import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, web

from bench.peers.naive import modern_path, translate
from bench.peers.serving import serve

_SESSION = web.AppKey("session", ClientSession)


def make_app(upstream: str) -> web.Application:
    """Return a proxy before `upstream`."""

    async def handle(request: web.Request) -> web.Response:
        headers = {"Authorization": request.headers["Authorization"]}
        url = upstream + modern_path(request.path)
        async with request.app[_SESSION].get(url, headers=headers) as answer:
            body = await answer.read()
            if answer.status != 200:
                return web.Response(status=answer.status)
            return web.Response(body=translate(body), content_type="application/xml")

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with ClientSession() as app[_SESSION]:
            yield

    app = web.Application()
    app.router.add_get("/2008-08-01/Accounts/{account}/OutgoingCallerIds", handle)
    app.router.add_get("/2008-08-01/Accounts/{account}/OutgoingCallerIds/{sid}", handle)
    app.cleanup_ctx.append(session)
    return app


if __name__ == "__main__":
    serve(make_app(f"http://127.0.0.1:{sys.argv[2]}"), int(sys.argv[1]))
