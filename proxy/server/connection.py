"""One connection: its deadlines, and the answers to what never becomes a request."""

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web

from proxy.errors import INTERNAL, MALFORMED, REQUEST_TIMEOUT
from proxy.server.responses import last_words, response
from proxy.translator import Translator

_log = logging.getLogger("proxy.server")

# In seconds
_HEAD_TIMEOUT = 10
_KEEP_ALIVE = 75
_LINGER = 5  # for a client that is still sending what has been refused


class Connection(web.RequestHandler):
    """aiohttp's protocol with our limits; what goes wrong beside the handler gets a legacy answer too."""

    __slots__ = ("_connected", "_head_begun", "_head_deadline", "_translator")

    def __init__(
        self,
        translator: Translator,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        connected: Callable[[str | None], None],
    ) -> None:
        """Serve a connection; tell `connected` the TLS version, if it has one, as soon as it stands."""
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # aiohttp takes None, its annotation does not
            keepalive_timeout=_KEEP_ALIVE,
            lingering_time=_LINGER,
            max_headers=100,
            auto_decompress=False,
        )
        self._translator = translator
        self._connected = connected
        self._head_begun = False
        self._head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a request's head."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self._connected(tls.version() if tls else None)
        self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Expect nothing any more."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse `data`, and see whether a head has come in whole."""
        count = self._request_count
        # Else these bytes belong to the body of a request that is being handled
        between_requests = count == 0 or (self._waiter is not None and not self._waiter.done())
        super().data_received(data)
        if self._request_count != count:
            self._head_is_there()
        elif between_requests and data.strip(b"\r\n"):  # some clients send a line break after a body
            self._head_begun = True
            self._await_head()

    def wait_no_longer(self) -> None:
        """Close without reading what is left of a body, once the answer is out."""
        self._lingering_time = 0

    def _await_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self._loop.call_later(_HEAD_TIMEOUT, self._head_is_late)

    def _head_is_there(self) -> None:
        self._head_begun = False
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_is_late(self) -> None:
        """Close the connection; without a word where none has been said."""
        if self._head_begun and self.transport is not None:
            self.transport.write(last_words(self._translator.refuse(REQUEST_TIMEOUT)))
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it would echo what the client sent
    ) -> web.StreamResponse:
        """Answer a request that is no HTTP or that made the program fail, and close the connection."""
        if status >= 500 and not isinstance(exc, ConnectionError):
            _log.error("a request failed", exc_info=exc)
        fault = INTERNAL if status >= 500 else MALFORMED
        return response(self._translator.refuse(fault, request.raw_path), close=True)
