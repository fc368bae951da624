"""A server that listens, and the handler that every request goes through."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage

from proxy.config import Address
from proxy.errors import LegacyError
from proxy.legacy import Request
from proxy.server.connection import Connection
from proxy.server.reading import MAX_BODY, SUPPORTED_HTTP, VERSION_SENT, read_body
from proxy.server.responses import response
from proxy.translator import Translator

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
    """Gives each connection its protocol, and each request the same handler."""

    def __init__(self, translator: Translator) -> None:
        super().__init__(self._answer, request_factory=self._request)
        self._translator = translator

    def __call__(self) -> web.RequestHandler:
        # Not aiohttp's own: that one drops every limit, with a mere warning, where one is misspelt
        return Connection(self._translator, self, self._loop)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: Any,
    ) -> web.BaseRequest:
        version = message.version
        if version not in SUPPORTED_HTTP:
            message = message._replace(version=HttpVersion11)  # the version that the answer will have
        request = web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=MAX_BODY
        )
        request[VERSION_SENT] = version
        return request

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        try:
            body = await read_body(request)
        except LegacyError as error:
            # What else comes over this connection cannot be told apart from what is left of the body
            return response(self._translator.refuse(error.fault, request.raw_path), close=True)
        asked = Request(
            request.method,
            request.raw_path,
            request.headers.getall(hdrs.AUTHORIZATION, ()),
            request.headers.get(hdrs.CONTENT_TYPE),
            body,
        )
        return response(await self._translator.answer(asked))
