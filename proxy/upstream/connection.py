"""One connection to an upstream, which carries one request after the other."""

import asyncio
from collections.abc import Callable
from typing import cast

from proxy.errors import UpstreamError
from proxy.profile.calls import Reply
from proxy.upstream.held_answers import HeldAnswers
from proxy.upstream.response import ResponseReader

_GAP = 10.0  # seconds without a byte


class UpstreamConnection(asyncio.Protocol):
    """A connection; whatever arrives while no request waits for an answer closes it."""

    transport: asyncio.Transport
    routes_version = 0
    """Of the routes by which it was made."""
    ends = 0.0
    """When it is too old to carry another request, by the clock of the loop."""

    def __init__(self, on_lost: Callable[["UpstreamConnection"], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._response = ResponseReader()
        self._answer: asyncio.Future[None] | None = None
        self._held: HeldAnswers | None = None
        self._last_byte = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def exchange(
        self, request: bytes, held: HeldAnswers | None = None, *, is_head: bool = False
    ) -> Reply:
        """Send a request once and return the whole answer; the connection has to be closed after an error.

        Raises TimeoutError after 10 s without a byte, OSError where the connection is lost, and UpstreamError
        for an answer that is malformed, too large, or more than may be `held`.
        """
        self._response.begin(is_head=is_head)
        self._held = held
        self._answer = answer = self._loop.create_future()
        self._last_byte = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(_GAP, self._check_gap)
        self.transport.write(request)
        try:
            await answer
        finally:
            self._answer = self._held = None
        # Not before the answer: after a handshake with a client certificate uvloop still has its own to send
        self._is_half_sent = self.transport.get_write_buffer_size() > 0
        return self._response.reply()

    @property
    def may_reuse(self) -> bool:
        """Whether another request may follow the one that has been answered."""
        return self._response.may_reuse and not self._is_half_sent and not self.is_closing

    @property
    def is_closing(self) -> bool:
        return self.transport.is_closing()

    def close(self) -> None:
        """Close at once: nothing that is still to be sent is of use, nor is a farewell in TLS."""
        self.transport.abort()

    def _check_gap(self) -> None:
        """Fail a request that has waited for the next byte too long; one timer serves many requests."""
        self._timer = None
        if self._answer is None:
            return
        left = self._last_byte + _GAP - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_gap)
        else:
            self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():  # it may be another request's answer
            self.close()
            return
        self._last_byte = self._loop.time()
        try:
            if self._held:
                self._held.add(len(data))
            is_complete = self._response.feed(data)
            if self._held and self._response.inflated:
                self._held.add(self._response.inflated)
                self._response.inflated = 0
            if is_complete:
                self._answer.set_result(None)
        except UpstreamError as error:
            self._fail(error)

    def eof_received(self) -> None:
        self._end(None)  # the transport then closes itself

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        if self._timer:
            self._timer.cancel()
        self._on_lost(self)

    def _end(self, error: Exception | None) -> None:
        """Take the end of the connection for that of the answer, where it may be."""
        if self._answer is None or self._answer.done():
            return
        if error is None and self._response.end():
            self._answer.set_result(None)
        else:
            self._fail(error or ConnectionError("closed before the end of the answer"))
