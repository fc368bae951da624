"""A canned upstream with little CPU time: each answer is built once, and then only written.

Behaves as Twilio's 2010-04-01 does for lists, with PageSize and next_page_uri, and for instances. It counts:
GET /_calls answers with the number of calls so far, itself not among them.
"""

import asyncio
import re
import sys
from functools import lru_cache
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import orjson
import uvloop

from bench.data import CHANGING, Owner, item, page

_PATH = re.compile(
    r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/OutgoingCallerIds(?:/PN[0-9a-f]{8}([0-9a-f]{24}))?\.json"
)
_LARGEST_PAGE = 1000


@lru_cache(maxsize=16_384)
def answer(target: str) -> tuple[bytes, float]:
    """Return the answer to a target, and its delay in seconds."""
    url = urlsplit(target)
    found = _PATH.fullmatch(url.path)
    if not found:
        return _response("404 Not Found", {"code": 20404, "message": "Not found", "status": 404}), 0
    owner = Owner.of(found[1])
    if found[2]:
        return _response("200 OK", item(owner, int(found[2], 16))), owner.delay / 1000
    query = parse_qs(url.query)
    size = min(int(query.get("PageSize", ["50"])[0]), _LARGEST_PAGE)
    return _response("200 OK", page(owner, int(query.get("Page", ["0"])[0]), size)), owner.delay / 1000


def _response(status: str, document: Any) -> bytes:
    body = orjson.dumps(document)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Connection(asyncio.Protocol):
    calls = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        *requests, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for request in requests:
            self._answer(request.split(b" ", 2)[1].decode("ascii"))

    def _answer(self, target: str) -> None:
        if target == "/_calls":
            self._transport.write(_response("200 OK", _Connection.calls))
            return
        _Connection.calls += 1
        written, delay = answer(target)
        if Owner.changes_at(target):
            written = written.replace(CHANGING.encode(), b"%08d" % _Connection.calls)
        if delay:
            asyncio.get_running_loop().call_later(delay, self._transport.write, written)
        else:
            self._transport.write(written)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
