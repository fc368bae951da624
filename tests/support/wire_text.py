"""Prints what the proxy and the sandbox send, as JSON, to compare one version of Python with another.

As a program: python tests/support/wire_text.py
"""

import json
import logging
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":  # in another environment, without pytest's paths
    sys.path[:0] = [str(folder) for folder in Path(__file__).parents[1:3]]

from proxy.sandbox import Store
from support import leap
from support.proxied import CODE, LISTED, error, item, ok, page
from support.raw import get, post, request
from support.refused_requests import REFUSED
from support.running import running_proxy, running_sandbox
from support.seed import UPSTREAM_LIST
from support.served_requests import SERVED
from support.wire import Message, connect, json_answer, scripted_upstream

NEWER = "ೳ\U0001fae8⿼\U0001cc00"
"""A character of each version of Unicode from 15.0 to 16.0; Python 3.11 has 14.0."""


def nested(depth: int, innermost: str = "") -> bytes:
    """Return a list with an unknown key whose value is nested so deep."""
    return page(item(x=0)).replace(
        b'"x": 0', b'"x": %b%b%b' % (b"[" * depth, innermost.encode(), b"]" * depth)
    )


def dated(date: str) -> bytes:
    return page(item(date_created=date, date_updated=date))


def refused(message: str) -> bytes:
    body = json.dumps({"code": 20001, "message": message, "status": 400}).encode()
    return json_answer(400, body).encode()


REPLIES: Mapping[str, bytes] = {
    **{f"status {status}": error(status) for status in (*range(400, 432), 451, *range(500, 512), 599)},
    **{f"{depth} levels": ok(nested(depth)) for depth in (250, 300, 490, 500, 900, 1000, 5000)},
    **{
        f"{depth} levels, half a character": ok(nested(depth, r'"\ud800"')) for depth in (490, 500, 900, 1200)
    },
    **{
        f"dated {date}": ok(dated(date))
        for date in (
            "Tue, 01 Apr 2008 24:00:00 +0000",
            "Tue, 01 Apr 2008 23:59:60 +0000",
            "01 Apr 08 18:26 GMT",
            "Tue, 01 Apr 2008 18:26:32 -0000",
            "Tue, 01 Apr 2008 18:26:32 +9999",
            "2008-04-01T24:00:00Z",
        )
    },
    **{f"message with {character!a}": refused(f"a {character}") for character in NEWER},
    **{
        f"next {target!r}": ok(page(item(), following=target))
        for target in (
            f" {UPSTREAM_LIST}.json?p=1",
            "http://[x]/",
            "//[::1]",
            "\x1fx",
            "x[y]",
            "http://x[::1]",
        )
    },
}
"""Answers of an upstream."""

_SANDBOX_LIST = f"{UPSTREAM_LIST}.json".encode()
TO_SANDBOX: Mapping[str, bytes] = {
    "a body that is too large": post(b"Content-Length: 65537", target=_SANDBOX_LIST, body=bytes(65537)),
    "a body of another type": post(b"Content-Length: 1", target=_SANDBOX_LIST, body=b"x").replace(
        b"x-www-form-urlencoded", b"json"
    ),
    "another path": get(target=b"/"),
    "another method": request(b"PATCH %b HTTP/1.1" % _SANDBOX_LIST, b"Host: x"),
    "a list": get(target=_SANDBOX_LIST),
}


async def answer(port: int, data: bytes) -> str:
    """Send a request, and return its answer without the date."""
    async with connect(port) as client:
        await client.send(data)
        found = await client.receive(within=60)
    assert found
    shown = replace(found, headers=tuple(header for header in found.headers if header[0] != "Date"))
    return shown.encode().decode("latin-1")


async def texts() -> Mapping[str, str]:
    """Return every answer, by what it answers."""
    found: dict[str, str] = {}
    async with scripted_upstream() as upstream, running_proxy(upstream.url) as port:

        def by_method(message: Message) -> bytes:
            return CODE if message.start.startswith("POST") else LISTED

        upstream.otherwise = by_method
        for refused_or_served in (REFUSED, SERVED):
            for name, (data, *_) in refused_or_served.items():
                found[name] = await answer(port, data)
    for name, reply in REPLIES.items():
        async with scripted_upstream(reply) as upstream, running_proxy(upstream.url) as port:
            found[name] = await answer(port, get())
            found[f"{name}, upstream"] = " ".join(each.start for each in upstream.received)
    with closing(Store(clock=lambda: 1_226_000_000)) as store:
        async with running_sandbox(store) as url:
            for name, data in TO_SANDBOX.items():
                found[f"sandbox: {name}"] = await answer(int(url.rpartition(":")[2]), data)
    return found


if __name__ == "__main__":
    logging.disable()
    json.dump(leap.run(texts()), sys.stdout)
