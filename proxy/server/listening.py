"""Everything that listens, and the handler that every request goes through."""

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from ssl import SSLContext
from typing import Any

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage

from proxy.config import Address, Listen
from proxy.errors import REQUEST_TIMEOUT, LegacyError
from proxy.legacy import Request
from proxy.observers import Observers
from proxy.server import codes
from proxy.server.connection import Connection
from proxy.server.metrics import metrics_listening
from proxy.server.reading import MAX_BODY, SUPPORTED_HTTP, VERSION_SENT, read_body, wants_upgrade
from proxy.server.responses import response
from proxy.server.sockets import drained, listening_socket
from proxy.translator import Translator

_log = logging.getLogger("proxy.server")


@asynccontextmanager
async def listening(
    translator: Translator, listen: Listen, observers: Observers
) -> AsyncIterator[Mapping[str, Address]]:
    """Serve until the block ends, then let requests in flight finish; yields the true address under each key.

    OSError, with the address as its filename, where one cannot be listened on.
    """
    server = _Server(translator, observers)
    bound: dict[str, Address] = {}
    async with AsyncExitStack() as stack:
        if listen.metrics:
            bound["metrics"] = await stack.enter_async_context(metrics_listening(observers, listen.metrics))
        await stack.enter_async_context(drained(server))
        for name, address, terms in _sockets(listen):
            bound[name] = await stack.enter_async_context(
                listening_socket(partial(server.connection, name), address, terms)
            )
        if listen.legacy_tls:
            _log.warning(_RISK, bound["legacy_tls"])
        yield bound


_RISK = (
    "%s accepts TLS 1.0 and 1.1, which no longer protect: whoever is on the way may read or change what is "
    "said, tokens included, so only clients that speak nothing newer should reach it"
)


def _sockets(listen: Listen) -> Iterator[tuple[str, Address, SSLContext | None]]:
    if listen.address:
        yield "address", listen.address, None
    if listen.tls:
        yield "tls", listen.tls.address, listen.tls.terms()
    if listen.legacy_tls:
        yield "legacy_tls", listen.legacy_tls.address, listen.legacy_tls.terms()


class _Server(web.Server):
    """Gives each connection its protocol, and each request the same handler."""

    def __init__(self, translator: Translator, observers: Observers) -> None:
        super().__init__(self._answer, request_factory=self._request)
        self._translator = translator
        self._observers = observers

    def connection(self, listener: str) -> web.RequestHandler:
        # Not aiohttp's own: that one drops every limit, with a mere warning, where one is misspelt
        connected = partial(self._observers.connected, listener)
        return Connection(self._translator, self, self._loop, connected)

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
            if error.fault is REQUEST_TIMEOUT and isinstance(request.protocol, Connection):
                request.protocol.wait_no_longer()
            # What else comes over this connection cannot be told apart from what is left of the body
            return response(self._translator.refuse(error.fault, request.raw_path), close=True)
        if request.path == codes.PATH and self._translator.takes_codes:
            return await codes.answer(request, body, self._translator)
        asked = Request(
            request.method,
            request.raw_path,
            request.headers.getall(hdrs.AUTHORIZATION, ()),
            request.headers.get(hdrs.CONTENT_TYPE),
            body,
        )
        answer = await self._translator.answer(asked)
        return response(answer, close=wants_upgrade(request))  # to which the answer is no, and then the end
