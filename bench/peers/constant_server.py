"""aiohttp answering a constant of the right size, as a low-level web.Server."""

import sys

from aiohttp import web

from bench.peers.constant import INSTANCE, LIST
from bench.peers.serving import serve_low_level


async def _answer(request: web.BaseRequest) -> web.Response:
    body = INSTANCE if "/PN" in request.raw_path else LIST
    return web.Response(body=body, content_type="application/xml")


if __name__ == "__main__":
    serve_low_level(_answer, int(sys.argv[1]))
