"""The same with Starlette and httpx; runs in the environment of bench/requirements.txt."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.peers.naive import modern_path, translate


def make_app(upstream: str) -> Starlette:
    """Return a proxy before `upstream`."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=upstream) as app.state.client:
            yield

    async def handle(request: Request) -> Response:
        headers = {"Authorization": request.headers["Authorization"]}
        answer = await request.app.state.client.get(modern_path(request.url.path), headers=headers)
        if answer.status_code != 200:
            return Response(status_code=answer.status_code)
        return Response(translate(answer.content), media_type="application/xml")

    paths = (
        "/2008-08-01/Accounts/{account}/OutgoingCallerIds",
        "/2008-08-01/Accounts/{account}/OutgoingCallerIds/{sid}",
    )
    return Starlette(routes=[Route(path, handle) for path in paths], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        make_app(f"http://127.0.0.1:{sys.argv[2]}"),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
