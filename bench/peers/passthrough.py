"""The yardstick: aiohttp hands every request on and every answer back, headers copied, bodies untouched."""

import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

from bench.peers.serving import serve

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
_SESSION = web.AppKey("session", ClientSession)


def make_app(upstream: str) -> web.Application:
    """Return a proxy before `upstream`."""

    async def handle(request: web.Request) -> web.Response:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _OF_ONE_CONNECTION}
        body = await request.read() if request.body_exists else None
        async with request.app[_SESSION].request(
            request.method, upstream + request.raw_path, headers=headers, data=body, allow_redirects=False
        ) as answer:
            content = await answer.read()
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _OF_ONE_CONNECTION}
            return web.Response(status=answer.status, body=content, headers=kept)

    async def session(app: web.Application) -> AsyncIterator[None]:
        connector = TCPConnector(limit=100)
        async with ClientSession(
            connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False
        ) as app[_SESSION]:
            yield

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    app.cleanup_ctx.append(session)
    return app


if __name__ == "__main__":
    serve(make_app(f"http://127.0.0.1:{sys.argv[2]}"), int(sys.argv[1]))
