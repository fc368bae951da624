"""One connection: its requests in turn, its deadlines, and the answers to what never becomes a request.

A request costs no task and hardly an object of its own: the one task of its connection answers it, or nobody
but who reads it off the socket, where it is alone and asks for what is remembered.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.tcp_helpers import tcp_keepalive

from proxy.errors import INTERNAL, MALFORMED, REQUEST_TIMEOUT, Fault, LegacyError
from proxy.server.handlers import Handler
from proxy.server.parsing import (
    EMPTY_PAYLOAD,
    MOST_WAITING,
    HttpProcessingError,
    RawRequestMessage,
    StreamReader,
    request_parser,
)
from proxy.server.reading import is_without_version, objection, read, waits_for_leave
from proxy.server.responses import last_words, response
from proxy.server.stalls import StallTimer, give_up, has_gone, untaken

_log = logging.getLogger("proxy.server")

# In seconds
_HEAD_TIMEOUT = 10
_KEEP_ALIVE = 75
_LINGER = 5  # for a client that is still sending what has been refused
_LISTENING = 0.05  # between two looks at whether anybody still waits for an answer
_STALL = 30  # for a client that takes nothing of what is sent
_LOOKS = 5  # between two looks at whether it does

_READING = (hdrs.METH_GET, hdrs.METH_HEAD)

_OPENING = b"HTTP/1."

_Received = tuple[RawRequestMessage | None, StreamReader]
"""A request's head, None where there is no HTTP, and its body."""


class Connection(BaseProtocol):
    """aiohttp's parser and its flow control with a loop and limits of ours."""

    __slots__ = (
        "_answering",
        "_begun",
        "_body",
        "_closes_at",
        "_connected",
        "_has_asked_all",
        "_head_begun",
        "_http",
        "_is_ending",
        "_is_leaving",
        "_lost",
        "_next",
        "_owes_answer",
        "_peer",
        "_requests",
        "_stall",
        "_timer",
        "_works_for_client",
        "task",
    )

    task: asyncio.Task[None]
    """Done when everything has been said and the connection is closed."""

    def __init__(
        self,
        answering: Handler,
        loop: asyncio.AbstractEventLoop,
        connected: Callable[["Connection", str | None], None],
    ) -> None:
        """Serve a connection; tell `connected` about it and its TLS version, if any, as soon as it stands."""
        self._http = request_parser(self, loop)
        super().__init__(loop, self._http)
        self._answering = answering
        self._connected = connected
        self._requests: deque[_Received] = deque()
        self._next: asyncio.Future[None] | None = None  # while the connection is idle
        self._body: StreamReader = EMPTY_PAYLOAD  # of the request that is being answered
        self._lost: asyncio.Future[None] = loop.create_future()
        self._peer = ""  # its address
        self._owes_answer = False
        self._works_for_client = False  # and for nobody else: what is done has no effect
        self._has_asked_all = False
        self._begun = b""  # what has been written of the next answer
        self._is_leaving = False
        self._is_ending = False
        self._head_begun = False
        self._closes_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None  # while something waits to be taken

    # What happens to it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a request's head."""
        super().connection_made(transport)
        tcp_keepalive(cast(asyncio.Transport, transport))
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._next = self._loop.create_future()
        self._close_within(_HEAD_TIMEOUT)
        self.task = self._loop.create_task(self._serve())
        tls = transport.get_extra_info("ssl_object")
        self._connected(self, tls.version() if tls else None)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Expect nothing any more; what is being carried out goes on, if it is more than to read."""
        del exc  # it and who waits, which it would be given to, would hold each other and what was to be sent
        super().connection_lost(None)
        self._head_begun = False  # no more of it comes
        self.end()
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()
        if self._works_for_client:
            self.task.cancel()
        if not self._lost.done():
            self._lost.set_result(None)
        self._body.set_exception(web.RequestPayloadError())
        self._body = EMPTY_PAYLOAD
        self._parser = None
        del self._http  # which holds this connection in turn

    def leave(self) -> None:
        """Let the next answer be the last, whenever it is asked for."""
        self._is_leaving = True

    def end(self) -> None:
        """Close the connection, now if nothing is being asked, or else after the next answer.

        Whoever is sending a head or a body goes on, within its deadline.
        """
        self._is_leaving = True
        if self._next is not None and not self._head_begun:
            self._is_ending = True
            self._go_on()

    def abort(self) -> None:
        """Close the connection, whatever is left to say."""
        self.task.cancel()
        if self.transport is not None:
            self.transport.abort()

    def eof_received(self) -> bool:
        """Answer what has been asked for: some old clients close their own side behind a request.

        Who has gone altogether looks the same until something is sent to it: an answer that is owed begins.
        """
        is_waited_for = self._owes_answer or (self._requests and not self._is_ending)
        if not is_waited_for or not self._can_half_close():
            return False
        self._has_asked_all = True
        self._cut_short()
        if self._owes_answer:
            self._write(_OPENING)
            self._begun = _OPENING
            self._look_whether_anybody_listens()
        return True

    def _can_half_close(self) -> bool:
        """Whether one side can be closed without the other, which asyncio's TLS cannot do."""
        return self.transport is not None and self.transport.can_write_eof()

    def _look_whether_anybody_listens(self) -> None:
        if self._owes_answer and self.transport is not None and not self.transport.is_closing():
            if has_gone(self.transport):
                self.transport.abort()
            else:
                self._loop.call_later(_LISTENING, self._look_whether_anybody_listens)

    def data_received(self, data: bytes) -> None:
        """Take note of the requests whose heads have come in, or answer at once."""
        if self._is_ending or self._upgraded:
            return
        received: Sequence[_Received]
        try:
            received, self._upgraded, _ = self._http.feed_data(data)
        except HttpProcessingError:
            received = () if self._cut_short() else [(None, EMPTY_PAYLOAD)]
        if not received:
            # Some clients send a line break after a body
            if self._next is None or self._head_begun or not data.strip(b"\r\n"):
                return
            self._head_begun = True
            self._close_within(_HEAD_TIMEOUT)
            if not is_without_version(data):
                return
            received = [(None, EMPTY_PAYLOAD)]
        self._head_begun = False
        if self._next is not None and len(received) == 1 and self._answers_at_once(*received[0]):
            return
        self._requests.extend(received)
        self._go_on()
        if len(self._requests) >= MOST_WAITING and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def _cut_short(self) -> bool:
        """Let nobody wait for the rest of the last body, which does not come; return whether there is one."""
        body = self._requests[-1][1] if self._requests else self._body
        if body.is_eof():
            return False
        body.set_exception(web.RequestPayloadError())
        return True

    # Its deadlines: they count while it is idle

    def _close_within(self, seconds: float) -> None:
        """Close in `seconds`; the beginning of a head is no reason to close any later than without it."""
        due = self._loop.time() + seconds
        self._closes_at = min(due, self._closes_at) if self._head_begun else due
        if self._timer is None or self._timer.when() > self._closes_at:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._closes_at, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        """Close the connection if it is idle and its time has come; silently where nothing has been said."""
        self._timer = None
        if self._next is None:
            return
        if self._loop.time() < self._closes_at:
            self._set_timer()
            return
        if self._head_begun:
            self._write(last_words(self._answering.refuse(REQUEST_TIMEOUT), HttpVersion11))
            self._head_begun = False
        self.end()

    # Its requests

    def _answers_at_once(self, head: RawRequestMessage | None, body: StreamReader) -> bool:
        """Answer the only request of an idle connection, if nothing stands against it; return whether it did.

        What is no plain success is left to the task of the connection.
        """
        if (
            head is None
            or body is not EMPTY_PAYLOAD
            or self._paused
            or self._is_leaving
            or head.should_close
            or head.upgrade
            or objection(head)
        ):
            return False
        try:
            made = self._answering.from_cache(head, self._peer)
            if made is None:
                return False
            data = response(made, head, close=False)
        except Exception:  # noqa: BLE001 - it will happen again where it is told
            return False
        self._http.message_consumed()
        self._write(data)
        self._closes_at = self._loop.time() + _KEEP_ALIVE
        return True

    async def _serve(self) -> None:
        """Answer one request after the other, until one is the last."""
        try:
            while await self._is_there_another() and not await self._carry_out(*self._taken()):
                pass
        except ConnectionError:
            pass  # the client has gone
        except asyncio.CancelledError:
            if self.transport is not None:
                raise  # it has not: nobody wants to wait for it
        finally:
            self._is_ending = True
            self._next = None
            if self.transport is not None:
                self.transport.close()
        await self._lost

    async def _is_there_another(self) -> bool:
        if not self._requests and not (self._is_ending or self._has_asked_all):
            if self._next is None:
                self._next = self._loop.create_future()
                self._close_within(_KEEP_ALIVE)
            await self._next
        return bool(self._requests) and self.transport is not None

    def _go_on(self) -> None:
        if self._next is not None:
            self._next.set_result(None)
            self._next = None

    def _taken(self) -> _Received:
        """Take the next request, and let the parser go on where it had to stop."""
        received = self._requests.popleft()
        self._http.message_consumed()
        if self._buffer_paused and len(self._requests) <= MOST_WAITING // 2:
            self.data_received(b"")
            if len(self._requests) < MOST_WAITING:
                self._resume_reading_for_buffer()
        return received

    async def _carry_out(self, head: RawRequestMessage | None, body: StreamReader) -> bool:
        """Answer a request, or what is none; return whether it is the last."""
        if head is None:
            self._write(last_words(self._answering.refuse(MALFORMED), HttpVersion10))
            await self._hear_out(body)
            return True
        self._body = body
        self._owes_answer = True
        fault, is_last = None, head.should_close or head.upgrade
        try:
            is_bare = body.at_eof() and not objection(head)
            whole = b"" if is_bare else await self._whole(body, head)
            self._works_for_client = head.method in _READING
            made = await self._answering.answer(head, whole, self._peer)
            self._works_for_client = False
            if self.transport is None and not 400 <= made.status < 500:
                _log.info("the client had gone before its %s was answered: %d", head.method, made.status)
            data = response(made, head, close=is_last or self._is_leaving)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and answered
            fault, is_last = _fault(error), True
            data = response(self._answering.refuse(fault, head.path), head, close=True)
        self._write(data)
        self._owes_answer = False
        if self._paused:
            await self._drain_helper()
        if head.upgrade or fault not in (None, REQUEST_TIMEOUT):
            await self._hear_out(body)
        return is_last or self._is_leaving

    async def _whole(self, body: StreamReader, head: RawRequestMessage) -> bytes:
        """Read a body; LegacyError where a request is refused without its body or for it."""
        if fault := objection(head):
            raise LegacyError(fault)
        if waits_for_leave(head):
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return await read(body)

    def _write(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError
        self.transport.write(data.removeprefix(self._begun))
        self._begun = b""
        if self._stall is None and self.transport.get_write_buffer_size():
            self._look_whether_it_is_taken(StallTimer(_STALL))

    async def _hear_out(self, body: StreamReader) -> None:
        """Take what a client still sends: a connection that is closed before takes the answer with it."""
        if self.transport is None or self._has_asked_all:
            return
        if not self._can_half_close():
            await _linger(body)
            return
        self._is_ending = True
        self.transport.write_eof()
        self._reading_paused = False
        self._resume_reading_for_buffer()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                await asyncio.shield(self._lost)

    def _look_whether_it_is_taken(self, patience: StallTimer) -> None:
        """Close the connection if nothing of what was written is taken for too long."""
        self._stall = None
        if self.transport is None:
            return
        left = untaken(self.transport)
        if patience.is_over(left, self._loop.time()):
            give_up(self.transport)
        elif left.here:
            self._stall = self._loop.call_later(_LOOKS, self._look_whether_it_is_taken, patience)


def _fault(error: Exception) -> Fault:
    """Return what a client is told where no answer was made."""
    if isinstance(error, LegacyError):
        return error.fault
    if not isinstance(error, ConnectionError):  # with which a client goes
        _log.error("a request failed", exc_info=error)
    return INTERNAL


async def _linger(body: StreamReader) -> None:
    """Read on where the connection can only be closed as a whole."""
    with suppress(TimeoutError, web.RequestPayloadError):
        async with asyncio.timeout(_LINGER):
            while not body.is_eof():
                await body.readany()
