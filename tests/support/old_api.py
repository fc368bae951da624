"""A server of the 2008 API: calls, messages, recordings, and caller IDs of its own.

As a program, it serves until it is interrupted: python tests/support/old_api.py [PORT].
"""

import asyncio
import base64
import hashlib
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web

ACCOUNT = "AC309475e5fede1b49e100272a8640f438"
TOKEN = "demo-token"
HERE = f"/2008-08-01/Accounts/{ACCOUNT}"
PORT = 9008
_STEP = 64 * 1024  # bytes
_DATE = "Tue, 01 Apr 2008 11:26:32 -0700"
_CALLER_IDS = (
    ("PNe536dfda7c6184afab78d980cb8cdf43", "Bob Cell Phone", "4158675309"),
    ("PNe536dfda7c6DDd455fed980cb83345FF", "Company Main Line", "4158675310"),
)


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came: the target undecoded, names and values of headers as bytes."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]

    def values(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == wanted]


@dataclass
class OldApi:
    """What the server was asked, and how far it has come with bodies."""

    received: list[Received] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    """Transports over which requests came."""
    uploaded: int = 0
    """Bytes of bodies, those that were cut included."""
    sent: int = 0
    """Bytes of recordings that were given to the kernel."""
    cut: int = 0
    """Bodies of requests that did not come to their end."""
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, bodies of requests are not read."""

    def __post_init__(self) -> None:
        self.reads.set()

    def app(self) -> web.Application:
        """Return the application that serves the API."""
        app = web.Application(middlewares=[self._receive], client_max_size=2**40)
        app.add_routes(
            [
                web.post(f"{HERE}/Calls", self._call),
                web.get(f"{HERE}/Calls", self._list_calls),
                web.post(f"{HERE}/SMS/Messages", self._send_message),
                web.get(f"{HERE}/OutgoingCallerIds", self._list_caller_ids),
                web.get(f"{HERE}/Recordings/{{name}}", self._play),
                web.put(f"{HERE}/Recordings/{{name}}", self._store),
                web.post(f"{HERE}/Recordings/{{name}}", self._store),
                web.delete(f"{HERE}/Recordings/{{name}}", self._delete),
                web.get(f"{HERE}/Moved", self._move),
            ]
        )
        return app

    @web.middleware
    async def _receive(self, request: web.Request, handler: Any) -> web.StreamResponse:
        message = request._message  # noqa: SLF001 - the only place that has the target undecoded
        self.received.append(Received(request.method, message.path, message.raw_headers))
        self.connections.add(request.transport)
        if request.headers.get("Authorization") != _basic():
            answer = _exception(401, "Authenticate", 20003)
            answer.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
            return answer
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPNotFound:
            return _exception(404, "The requested resource was not found")
        return response

    async def _call(self, request: web.Request) -> web.Response:
        form = await request.post()
        call = _elements(
            Sid=f"CA{'1' * 32}", AccountSid=ACCOUNT, To=form.get("Called"), From=form.get("Caller")
        )
        return _document(f"<Call>{call}<Status>0</Status></Call>")

    async def _list_calls(self, request: web.Request) -> web.Response:
        del request
        return _document('<Calls page="0" numpages="0" pagesize="50" total="0" start="0" end="0"/>')

    async def _send_message(self, request: web.Request) -> web.Response:
        form = await request.post()
        message = _elements(
            Sid=f"SM{'2' * 32}", To=form.get("To"), From=form.get("From"), Body=form.get("Body")
        )
        return _document(f"<SMSMessage>{message}<Status>queued</Status></SMSMessage>")

    async def _list_caller_ids(self, request: web.Request) -> web.Response:
        del request
        items = "".join(
            "<OutgoingCallerId>"
            + _elements(
                Sid=sid,
                AccountSid=ACCOUNT,
                FriendlyName=name,
                PhoneNumber=number,
                DateCreated=_DATE,
                DateUpdated=_DATE,
            )
            + "</OutgoingCallerId>"
            for sid, name, number in _CALLER_IDS
        )
        paging = 'page="0" numpages="1" pagesize="50" total="2" start="0" end="1"'
        return _document(f"<OutgoingCallerIds {paging}>{items}</OutgoingCallerIds>")

    async def _play(self, request: web.Request) -> web.StreamResponse:
        """Send so many `bytes`, `chunked` or with their length; `cut` ends the connection after as many."""
        size, cut = int(request.query["bytes"]), int(request.query.get("cut", -1))
        response = web.StreamResponse(headers={"Content-Type": "audio/x-wav", "X-Kept": "yes"})
        if "chunked" in request.query:
            response.enable_chunked_encoding()
        else:
            response.content_length = size
        await response.prepare(request)
        for at in range(0, size, _STEP):
            if 0 <= cut <= at and request.transport is not None:
                request.transport.close()
                break
            piece = recording(at, min(_STEP, size - at))
            await response.write(piece)
            self.sent += len(piece)
        return response

    async def _store(self, request: web.Request) -> web.Response:
        """Read the body; say how many bytes it had, and their digest."""
        digest, size = hashlib.sha256(), 0
        try:
            await self.reads.wait()
            async for piece in request.content.iter_any():
                digest.update(piece)
                size += len(piece)
                self.uploaded += len(piece)
                await self.reads.wait()
        except Exception:
            self.cut += 1
            raise
        return _document(f"<Recording>{_elements(Size=size, Digest=digest.hexdigest())}</Recording>")

    async def _delete(self, request: web.Request) -> web.Response:
        del request
        return web.Response(status=204)

    async def _move(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["to"]})


def recording(start: int, size: int) -> bytes:
    """Return `size` bytes of an endless recording, from a place on."""
    period = bytes(range(251))
    offset = start % len(period)
    return (period * (size // len(period) + 2))[offset : offset + size]


def digest_of(size: int) -> str:
    """Return the SHA-256 of the first bytes of the recording."""
    digest = hashlib.sha256()
    for at in range(0, size, _STEP):
        digest.update(recording(at, min(_STEP, size - at)))
    return digest.hexdigest()


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()


def _elements(**values: Any) -> str:
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items())


def _exception(status: int, message: str, code: int | None = None) -> web.Response:
    named: Mapping[str, Any] = {"Code": code} if code else {}
    inner = _elements(Status=status, Message=message, **named)
    return _document(f"<RestException>{inner}</RestException>", status)


def _document(content: str, status: int = 200) -> web.Response:
    text = f'<?xml version="1.0"?>\n<TwilioResponse>{content}</TwilioResponse>'
    return web.Response(status=status, text=text, content_type="application/xml", charset="utf-8")


@asynccontextmanager
async def running_old_api() -> AsyncIterator[tuple[OldApi, str]]:
    """Run the server on a free port of this machine; yields it and its URL."""
    api = OldApi()
    runner = web.AppRunner(api.app(), shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield api, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        api.reads.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await runner.cleanup()


if __name__ == "__main__":
    port = int(sys.argv[1]) if sys.argv[1:] else PORT
    ready = f"old API      http://127.0.0.1:{port}/2008-08-01"
    web.run_app(
        OldApi().app(),
        host="127.0.0.1",
        port=port,
        print=lambda _: print(ready, flush=True),  # noqa: T201
        access_log=None,
    )
