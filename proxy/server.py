"""The listening side: sockets, limits and the shortest way from an HTTP request to the bridge and back.

aiohttp's low-level server is used, without its application and router: every request takes the same way, and
every answer, those to bytes that are no HTTP included, is made by the legacy shore.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage

from proxy import __version__
from proxy.config import Address
from proxy.errors import BODY_TOO_LARGE, INTERNAL, MALFORMED
from proxy.legacy import Answer, Request
from proxy.translator import Translator

_log = logging.getLogger("proxy.server")

_MAX_BODY = 64 * 1024
_KEEP_ALIVE = 75  # seconds
_DRAIN = 30  # seconds


@asynccontextmanager
async def listening(translator: Translator, address: Address) -> AsyncIterator[Address]:
    """Serve until the block ends, then let requests in flight finish; yields the address with its true port.

    OSError where the address cannot be listened on.
    """
    runner = web.ServerRunner(_Server(translator), handle_signals=False, shutdown_timeout=_DRAIN)
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host or None, address.port).start()
        yield Address(address.host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


class _Server(web.Server):
    """Gives each connection its protocol."""

    def __init__(self, translator: Translator) -> None:
        super().__init__(self._answer, request_factory=self._request)
        self.translator = translator

    def __call__(self) -> web.RequestHandler:
        # Not aiohttp's own: that one drops every limit, with a mere warning, where one is misspelt
        return _Protocol(
            self.translator,
            self,
            loop=self._loop,
            access_log=None,  # aiohttp's costs more than all the rest of the server
            keepalive_timeout=_KEEP_ALIVE,
            max_headers=100,
            auto_decompress=False,
        )

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: Any,
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=_MAX_BODY
        )

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        try:
            body = await request.read() if request.can_read_body else b""
        except web.HTTPRequestEntityTooLarge:
            return _response(self.translator.refuse(BODY_TOO_LARGE, request.raw_path))
        asked = Request(
            request.method,
            request.raw_path,
            request.headers.getall(hdrs.AUTHORIZATION, ()),
            request.headers.get(hdrs.CONTENT_TYPE),
            body,
        )
        return _response(await self.translator.answer(asked))


class _Protocol(web.RequestHandler):
    """One connection; what goes wrong before or beside the handler is answered in the legacy form too."""

    __slots__ = ("_translator",)

    def __init__(self, translator: Translator, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._translator = translator

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Answer a request that is no HTTP or that made the program fail, and close the connection."""
        if status >= 500:
            _log.error("a request failed", exc_info=exc)
        fault = INTERNAL if status >= 500 else MALFORMED
        response = _response(self._translator.refuse(fault, request.raw_path))
        response.force_close()
        return response


def _response(answer: Answer) -> web.Response:
    headers = {hdrs.SERVER: f"callerid-proxy/{__version__}", **answer.headers}
    if answer.content_type:
        headers[hdrs.CONTENT_TYPE] = answer.content_type
    return web.Response(status=answer.status, body=answer.body, headers=headers)
