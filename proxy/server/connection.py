"""One connection: its requests in turn, its states and its deadlines.

aiohttp reads requests and asks for their answers one after the other (http_server.py). What it does not know
is here: how long anything may take, what happens when the client goes, and how a connection ends.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import ClassVar

from aiohttp import EMPTY_PAYLOAD, HttpVersion, HttpVersion10, HttpVersion11, StreamReader, hdrs, web

from proxy.errors import BODY_TOO_LARGE, INTERNAL, MALFORMED, OVERLOADED, REQUEST_TIMEOUT, Fault, LegacyError
from proxy.net.byte_budget import ByteBudget
from proxy.net.connection_limit import Peer
from proxy.server import reading
from proxy.server.exchanges import ForwardedExchange
from proxy.server.handlers import ForwardHandler, Handler
from proxy.server.intake import Intake
from proxy.server.responses import ENDS, GOES_ON, Written, fault_of, response
from proxy.server.stalls import is_peer_gone, reset, unacknowledged_bytes
from proxy.server.states import Reactions, State

_log = logging.getLogger("proxy.server")

# In seconds
_HEAD_TIMEOUT = 10
_KEEP_ALIVE = 75
_LINGER = 5  # for a client that is still sending what has been refused
_PROBE = 0.05  # between two looks at whether the peer still waits for an answer
_SETTLE = 0.01  # in which aiohttp hands over what it has parsed; it takes one turn of the loop
_PAUSE_PROBE = 0.2  # for which a connection is not read before a look at whether the peer has closed it
_STALL = 30  # for a client that takes nothing of what is sent
_STALL_CHECK = 5  # between two looks at whether it does
_TLS_CHECK = 0.25  # the same with TLS, whose transport does not tell when it has sent everything

# In bytes
_MAX_HELD = 16 * 1024  # that wait behind a request; with more of them no others are read
_MAX_GIVEN = 64 * 1024  # of a stream; with more of them the parser is given no others until they are taken
_SMALL = 16 * 1024  # an answer that no memory is asked for before it is written
_NO_PEER = Peer()
_OPENING = b"HTTP/1."
_RECEIVING = frozenset({State.BODY, State.FORWARDING})
_AWAITING = frozenset({State.SILENT, State.IDLE, State.HEAD, State.SENDING, State.CLOSING})
_DISCONNECTED = "server: the client disconnected before its %s was answered (%d)"


@dataclass(slots=True, eq=False, repr=False, weakref_slot=True)
class Connection:
    """A connection to a client, from its first byte until all that it asked for has been carried out."""

    _handler: Handler
    _on_closed: Callable[["Connection"], None]  # called when nothing is left to do
    _on_idle: Callable[["Connection"], None]  # called when it begins to wait for its client
    _budget: ByteBudget
    _intake: Intake = field(default_factory=Intake)
    _forwarding: ForwardHandler | None = None
    _parse: Callable[[bytes], object] = bytes  # gives a piece to aiohttp's parser, once that is open
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _state: State = State.SILENT
    _transport: asyncio.Transport | None = None  # as long as it stands, even while it is closing
    peer: Peer = _NO_PEER  # until it is admitted
    _address: str = ""
    _body: StreamReader = EMPTY_PAYLOAD  # of the request that is being answered
    _task: "asyncio.Task[None] | None" = None  # which answers it
    _exchange: ForwardedExchange | None = None  # where it is handed on
    _begun: bytes = b""  # what has been written of the next answer
    _is_paused: bool = False  # whether too much is held to read on
    _is_shed: bool = False  # whether there is no memory for what the client sends
    _is_tls: bool = False
    _given: int = 0  # bytes of the present request that the parser has been given; of a stream, not taken yet
    _lent: int = 0  # bytes of a stream that are on their way
    _untaken: int = 0  # bytes of answers that the client has yet to take
    _counted: int = 0  # bytes that the budget knows of
    _peer_is_done: bool = False
    _closes_after_response: bool = False
    _closes_at: float = inf
    _timer: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None  # while bytes wait to be taken
    _lost: "asyncio.Future[None] | None" = None  # while the connection lingers

    # What happens to it

    def open(self, transport: asyncio.Transport, parse: Callable[[bytes], object]) -> None:
        self._transport, self._parse = transport, parse
        self._address = str((transport.get_extra_info("peername") or ("",))[0])
        self._is_tls = transport.get_extra_info("ssl_object") is not None
        transport.set_write_buffer_limits(1, 0)  # to be told when everything has been sent
        if limit_reading := getattr(transport, "set_read_buffer_limits", None):  # has TLS, for 256 KiB
            limit_reading(_MAX_HELD)
        self._close_within(_HEAD_TIMEOUT)

    def receive(self, data: bytes) -> None:
        self._REACTIONS[self._state].data(self, data)

    def begin_request(self, head: reading.RequestHead, body: StreamReader) -> None:
        self._body = body
        self._closes_at = inf
        self._state = State.BODY
        if self._intake.has_begun or body is not EMPTY_PAYLOAD:
            if is_stream := self._forwards(head):
                self._state, self._given = State.FORWARDING, 0
            self._intake.begin_body(reading.body_length(head), is_stream=is_stream)
            self._on_idle(self)
            if self._is_shed:
                self._shed()
        if self._intake.held:
            self._release()

    def half_close(self) -> bool:
        """Answer what has been asked for: some old clients close their own side behind a request.

        Where a connection cannot be closed on one side alone, as with TLS, it is closed.
        """
        return self._can_half_close() and self._REACTIONS[self._state].half_close(self)

    def close_after_response(self) -> None:
        self._closes_after_response = True

    def close_when_idle(self) -> None:
        """Close the connection, now if nothing is being asked, or else after the next answer.

        A client that is sending a head or a body may go on, within its deadline.
        """
        self._closes_after_response = True
        self._REACTIONS[self._state].drain(self)

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def lose(self) -> None:
        """Expect nothing any more; what is being carried out goes on, if it is more than to read."""
        self._transport, self._parse = None, bytes
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        self._drop_held()
        self._REACTIONS[self._state].loss(self)

    @property
    def awaits_client(self) -> bool:
        """Whether the client has to do something before anything is carried out."""
        if self._state is State.BODY:
            return not self._body.is_eof()
        if self._state is State.FORWARDING:
            return self._untaken > 0 or not (self._given or self._lent or self._body.is_eof())
        return self._state in _AWAITING

    def give_way(self) -> None:
        """Close at once, and hold nothing any more."""
        if self._transport is not None:
            if self._untaken:
                reset(self._transport)
            else:
                self._transport.abort()
        self._drop_held()

    # Its requests

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; what is cached is answered without more ado."""
        try:
            head = request[reading.HEAD]
            rejection = reading.rejection(head)
            data = None if rejection else self._cached_response(head)
            if data is None:
                await self._carry_out(request, rejection)
            else:
                await self._send(data, request)
            if self._intake.held:  # aiohttp would go on at once, and keep other connections waiting
                await self.peer.turns.wait(self.peer)
            if self._state is State.ABANDONED or self._closes_after_response:
                return ENDS
            if self._is_shed:
                return self._end_with(OVERLOADED, HttpVersion11)
            self._await_request()
        except ConnectionError:  # the client has gone
            return ENDS
        else:
            return GOES_ON
        finally:
            self._body, self._task = EMPTY_PAYLOAD, None
            if self._given:
                self._given = 0
                self._count()
            if self._state is not State.IDLE:
                self._end()
            elif self._intake.held:
                self._release()

    def _cached_response(self, head: reading.RequestHead) -> bytes | None:
        """Return the whole response to a request that is cached."""
        is_last = self._closes_after_response or head.should_close or head.upgrade
        if is_last or self._body is not EMPTY_PAYLOAD:
            return None
        try:
            made = self._handler.from_cache(head, self._address)
            if made is None:
                return None
            data = response(made, head.version, head.method, close=False)
            return data if self._has_room(data) else self._overload(head, close=False)
        except Exception:  # noqa: BLE001 - it will happen again where it is told
            return None

    async def _carry_out(self, request: web.BaseRequest, rejection: Fault | None) -> None:
        """Answer a request; ConnectionError where the client has gone."""
        head, fault = request[reading.HEAD], None
        if self._forwards(head):
            await self._forward(request, head)
            return
        try:
            content = await self._read_body(head, rejection)
            self._begin(request)
            made = await self._handler.answer(head, content, self._address)
            if self._state is State.ABANDONED and not 400 <= made.status < 500:
                _log.info(_DISCONNECTED, head.method, made.status)
            is_last = head.should_close or head.upgrade or self._closes_after_response
            data = response(made, head.version, head.method, close=is_last)
            if self._state is State.READING and not self._has_room(data):
                data = self._overload(head, close=is_last)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and answered
            fault, is_last = fault_of(error), True
            data = response(self._handler.refuse(fault, head.path), head.version, head.method)
        await self._send(data, request)
        if is_last:
            self._closes_after_response = True
        if head.upgrade or fault not in (None, REQUEST_TIMEOUT):
            await self._lingering_close(self._body)

    def _assert_connected(self) -> None:
        """ConnectionError where the client has gone."""
        if self._state is State.ABANDONED or self._transport is None or self._transport.is_closing():
            raise ConnectionResetError

    async def _read_body(self, head: reading.RequestHead, rejection: Fault | None) -> bytes:
        """Read a body; LegacyError where a request is refused without its body or for it."""
        if rejection:
            raise LegacyError(rejection)
        if self._body.at_eof():
            return b""
        if self._transport is None:  # aiohttp takes a body of which nothing comes any more for a mistake
            raise ConnectionResetError
        if self._peer_is_done and not self._body.is_eof():
            raise LegacyError(MALFORMED)
        if reading.expects_continue(head):
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return await reading.read(self._body)

    def _begin(self, request: web.BaseRequest) -> None:
        self._assert_connected()
        is_read = request.method in (hdrs.METH_GET, hdrs.METH_HEAD)
        self._state = State.READING if is_read else State.WRITING
        self._task = request.task

    # Requests that are handed on

    def _forwards(self, head: reading.RequestHead) -> bool:
        return self._forwarding is not None and self._forwarding.forwards(head)

    async def _forward(self, request: web.BaseRequest, head: reading.RequestHead) -> None:
        """Hand a request on; ConnectionError where the client has gone, or its answer cannot be ended."""
        self._assert_connected()
        exchange = ForwardedExchange(head, self._body, self, request.writer.drain)
        self._state, self._task, self._exchange = State.FORWARDING, request.task, exchange
        is_refused = False
        try:
            if fault := reading.rejection(head, is_forwarded=True):
                raise LegacyError(fault)  # noqa: TRY301 - there is one way out
            if self._forwarding is not None:
                await self._forwarding.forward(exchange, self._address)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and answered
            fault, is_last = fault_of(error), exchange.is_last
            if exchange.has_begun:
                self._cut()
            data = response(self._handler.refuse(fault, head.path), head.version, head.method, close=is_last)
            await self._send(data, request)
            is_refused = is_last
        finally:
            self._exchange, self._lent = None, 0
            self._count()
        self._closes_after_response |= exchange.is_last
        if is_refused or head.upgrade or not self._body.is_eof():
            self._state = State.BODY
            self._release()
            await self._lingering_close(self._body)

    def _cut(self) -> None:
        """Let the client see that an answer has not come to its end, and raise ConnectionError."""
        if self._transport is not None:
            reset(self._transport)
        raise ConnectionResetError

    @property
    def is_last(self) -> bool:
        return self._closes_after_response

    async def read_piece(self) -> bytes:
        piece = await reading.read(self._body, is_stream=True)
        self._given, self._lent = 0, len(piece)
        self._intake.restart_chunks()
        self._release()
        self._count()
        return piece

    def send_interim(self, data: bytes) -> None:
        self._write(data)

    def send_piece(self, data: bytes) -> bool:
        self._forget_untaken()  # what was sent before has been taken, or else this would not be sent
        if not self._has_room(data):
            raise LegacyError(OVERLOADED)
        self._write(data)
        if self._untaken:
            self._on_idle(self)
        return self._untaken > 0

    # Its bytes

    async def _send(self, data: bytes, request: web.BaseRequest) -> None:
        """Write a response, and wait until there is room for the next one."""
        self._write(data)
        if self._untaken:
            self._state = State.SENDING
            self._on_idle(self)
            await request.writer.drain()

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        transport.write(data.removeprefix(self._begun) if self._begun else data)
        self._begun = b""
        if self._has_untaken(transport):
            self._untaken += len(data)
            self._count()
            self._budget.add_slow_reader(self)
            if self._stall is None:
                self._check_write_stall()

    def _has_untaken(self, transport: asyncio.Transport) -> bool:
        """Whether the client has yet to take something for which the kernel has no room.

        What TLS has encrypted waits where it is not seen. It waits only while much waits in the kernel.
        """
        if transport.get_write_buffer_size():
            return True
        return self._is_tls and unacknowledged_bytes(transport)[1] > _SMALL

    def note_taken(self) -> None:
        """Take note that everything has been sent, as far as the transport can tell."""
        if self._transport is not None and not self._is_tls:
            self._forget_untaken()

    def reject(self, status: int) -> web.StreamResponse:
        return self._end_with(MALFORMED if status < 500 else INTERNAL, HttpVersion10)

    def _end_with(self, fault: Fault, version: HttpVersion) -> web.StreamResponse:
        self._end()
        self._write(response(self._handler.refuse(fault), version))
        return Written(partial(self._lingering_close, EMPTY_PAYLOAD))

    # Its memory

    def _count(self) -> None:
        held = self._intake.size + self._given + self._lent + self._untaken
        if held != self._counted:
            self._budget.hold(self.peer, held - self._counted)
            self._counted = held

    def _has_room(self, data: bytes) -> bool:
        return len(data) <= _SMALL or self._budget.has_room(self.peer, len(data))

    def _overload(self, head: reading.RequestHead, *, close: bool) -> bytes:
        return response(self._handler.refuse(OVERLOADED, head.path), head.version, head.method, close=close)

    def _shed(self) -> None:
        """Take no more from a client: a request that is not whole is refused, and so is what follows one."""
        self._is_shed = True
        self._intake.drop()
        if self._state in _RECEIVING:
            if not self._body.is_eof():
                self._body.set_exception(LegacyError(OVERLOADED))
        elif self._state in (State.SILENT, State.IDLE, State.HEAD):
            with suppress(ConnectionError):
                self._write(response(self._handler.refuse(OVERLOADED), HttpVersion11))
            self._close_lingering()
        self._count()

    def _close_lingering(self) -> None:
        """Close one side, and take what a client still sends for a while."""
        if self._transport is None or not self._can_half_close():
            self._close()
            return
        self._state = State.CLOSING
        self._transport.write_eof()
        self._transport.resume_reading()
        self._close_within(_LINGER)

    def _forget_untaken(self) -> None:
        self._untaken = 0
        self._count()
        self._budget.remove_slow_reader(self)

    def _drop_held(self) -> None:
        self._intake.drop()
        self._forget_untaken()

    def _await_request(self) -> None:
        self._state = State.IDLE
        self._on_idle(self)
        self._closes_at = self._loop.time() + _KEEP_ALIVE
        if self._peer_is_done:
            self._close_within(_SETTLE)

    def _end(self) -> None:
        if self._state is State.ABANDONED:
            self._retire()
        elif self._state is not State.CLOSED:
            self._state = State.CLOSING

    def _retire(self) -> None:
        self._state = State.CLOSED
        self._given = self._lent = 0
        self._count()
        self._on_closed(self)

    async def _lingering_close(self, body: StreamReader) -> None:
        """Take what a client still sends: a connection that is closed before takes the answer with it."""
        if self._transport is None or self._peer_is_done:
            return
        if not self._can_half_close():
            await reading.discard(body, _LINGER)
            return
        self._state = State.CLOSING
        self._transport.write_eof()
        self._transport.resume_reading()
        self._lost = self._loop.create_future()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                await self._lost

    def _can_half_close(self) -> bool:
        """Whether one side can be closed without the other, which asyncio's TLS cannot do."""
        return self._transport is not None and self._transport.can_write_eof()

    def _release(self) -> None:
        """Give the parser what it may have; leave with the client what it sends while much waits."""
        if self._transport is None or self._transport.is_closing():
            return  # what is parsed, and is not handed over any more, would keep its connection
        while piece := self._next_piece():
            self._given += len(piece)
            self._parse(piece)
        if self._peer_is_done and self._state is State.FORWARDING and not self._has_given_enough():
            self._cut_short()
        is_full = self._intake.size > _MAX_HELD
        if is_full or self._is_paused:
            if is_full and not self._is_paused:
                self._loop.call_later(_PAUSE_PROBE, self._probe_paused)
            self._is_paused = is_full
            (self._transport.pause_reading if is_full else self._transport.resume_reading)()

    def _next_piece(self) -> bytes:
        if self._state in _RECEIVING:
            is_stream = self._state is State.FORWARDING
            if self._body.is_eof() or self._transport is None or (is_stream and self._has_given_enough()):
                return b""
            # Of a stream, the parser is never given so much that it would delay something
            piece = self._intake.take_body(is_delayed=not (is_stream or self._transport.is_reading()))
            if self._intake.is_excessive:
                too_many = self._intake.has_too_many_chunks
                self._body.set_exception(
                    LegacyError(BODY_TOO_LARGE) if too_many else web.RequestPayloadError()
                )
                self._intake.drop()
                return b""
            return piece
        if self._state not in (State.SILENT, State.IDLE, State.HEAD):
            return b""
        piece, is_end = self._intake.take_head()
        if is_end:
            self._state = State.PARSED
        elif self._intake.has_begun and self._state is not State.HEAD:
            self._state = State.HEAD
            self._on_idle(self)
            self._closes_at = min(self._closes_at, self._loop.time() + _HEAD_TIMEOUT)
        return piece

    def _has_given_enough(self) -> bool:
        """Whether the parser is given no more of a stream until what it has been given is taken."""
        return self._given >= _MAX_GIVEN or self._intake.has_many_chunks

    # Its timers

    def _close_within(self, seconds: float) -> None:
        self._closes_at = self._loop.time() + seconds
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._closes_at, self._check_deadline)

    def _check_deadline(self) -> None:
        """Look at the deadline at least as often as a head may take: so no request moves the timer."""
        if (now := self._loop.time()) >= self._closes_at:
            self._REACTIONS[self._state].deadline(self)
        else:
            due = min(self._closes_at, now + _HEAD_TIMEOUT)
            self._timer = self._loop.call_at(due, self._check_deadline)

    def _probe_peer(self) -> None:
        """Abort the connection if its peer has closed more than its own side, until it is answered."""
        if self._begun and self._transport is not None and not self._transport.is_closing():
            if is_peer_gone(self._transport):
                self._transport.abort()
            else:
                self._loop.call_later(_PROBE, self._probe_peer)

    def _probe_paused(self) -> None:
        """Find out whether the peer has closed a connection on which nothing is read: the end is not seen."""
        if self._transport is None or self._transport.is_closing() or not self._is_paused:
            return
        if self._state in (State.READING, State.WRITING) and not self._begun:
            self._open_response()
        self._loop.call_later(_PAUSE_PROBE, self._probe_paused)

    def _check_write_stall(self, before: tuple[int, int] | None = None, since: float = 0) -> None:
        """Reset the connection if nothing has been taken `since`, when `before` was left, for too long."""
        self._stall = None
        if self._transport is None:
            return
        left, now = unacknowledged_bytes(self._transport), self._loop.time()
        since = now if left != before else since
        if now - since >= _STALL:
            reset(self._transport)
        elif self._has_untaken(self._transport):
            seconds = _TLS_CHECK if self._is_tls else _STALL_CHECK
            self._stall = self._loop.call_later(seconds, self._check_write_stall, left, since)
        else:
            self._forget_untaken()

    # Reactions

    def _begin_head(self, data: bytes) -> None:
        if self._intake.is_plain(data):
            self._state = State.PARSED
            self._parse(data)
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Give the parser the rest of a head or a body; what comes behind it waits for its answer."""
        if self._is_shed:
            return
        if not self._budget.has_room(self.peer, len(data), goes_on=self._counted > 0):
            self._shed()
            return
        self._intake.add(data)
        self._release()
        self._count()

    def _drop(self, data: bytes) -> None:
        """Do not look at what comes behind the last answer."""

    def _ignore(self) -> None: ...

    def _close(self) -> None:
        self._state = State.CLOSING
        if self._transport is not None:
            self._transport.close()

    def _time_out(self) -> None:
        """Refuse a head that has not become whole."""
        if not self._peer_is_done:
            self._write(response(self._handler.refuse(REQUEST_TIMEOUT), HttpVersion11))
        self._close()

    def _close_settled(self) -> None:
        """Close an idle connection, unless aiohttp has parsed a request that it has yet to hand over."""
        self._close_within(max(0, self._closes_at - _KEEP_ALIVE + _SETTLE - self._loop.time()))

    def _note_end(self) -> bool:
        self._peer_is_done = True
        return True

    def _stop_reading(self) -> bool:
        """Answer what may have been asked for just before."""
        self._close_within(_SETTLE)
        return self._note_end()

    def _cut_short(self) -> bool:
        """Let nothing wait for the rest of a body, which does not come."""
        if not self._body.is_eof():
            self._body.set_exception(web.RequestPayloadError())
        return self._note_end()

    def _end_stream(self) -> bool:
        """Expect no more of a body than has arrived; a client that has sent all of it may have gone."""
        is_whole = self._body.is_eof()
        if is_whole and self._exchange is not None and not self._exchange.has_begun:
            return self._begin_response()
        self._note_end()
        if not is_whole:
            self._release()
        return True

    def _begin_response(self) -> bool:
        if not self._begun:
            self._open_response()
        return self._note_end()

    def _open_response(self) -> None:
        """Begin the answer: a peer that has closed both sides shows it only by refusing what is sent."""
        self._write(_OPENING)
        self._begun = _OPENING
        self._probe_peer()

    def _hang_up(self) -> bool:
        return False

    def _cancel_read(self) -> None:
        self._state = State.ABANDONED
        if self._task is not None:
            self._task.cancel()

    def _abandon(self) -> None:
        self._state = State.ABANDONED

    def _end_exchange(self) -> None:
        """Cancel what is handed on, but for a write that has arrived and has no answer yet."""
        exchange = self._exchange
        if exchange is None or exchange.is_read or exchange.has_begun or not exchange.is_whole:
            self._cancel_read()
        else:
            self._abandon()

    # fmt: off
    _REACTIONS: ClassVar[Mapping[State, Reactions["Connection"]]] = {
        #                           data         half_close       deadline   drain           loss
        State.SILENT:     Reactions(_begin_head, _hang_up,        _close,    _close,         _retire),
        State.IDLE:       Reactions(_begin_head, _stop_reading,   _close,    _close_settled, _retire),
        State.HEAD:       Reactions(_take,       _stop_reading,   _time_out, _ignore,        _retire),
        State.PARSED:     Reactions(_take,       _stop_reading,   _time_out, _ignore,        _retire),
        State.BODY:       Reactions(_take,       _cut_short,      _ignore,   _ignore,        _abandon),
        State.FORWARDING: Reactions(_take,       _end_stream,     _ignore,   _ignore,        _end_exchange),
        State.READING:    Reactions(_take,       _begin_response, _ignore,   _ignore,        _cancel_read),
        State.WRITING:    Reactions(_take,       _begin_response, _ignore,   _ignore,        _abandon),
        State.SENDING:    Reactions(_take,       _note_end,       _ignore,   _ignore,        _abandon),
        State.CLOSING:    Reactions(_drop,       _hang_up,        _ignore,   _ignore,        _retire),
        State.ABANDONED:  Reactions(_drop,       _hang_up,        _ignore,   _ignore,        _ignore),
        State.CLOSED:     Reactions(_drop,       _hang_up,        _ignore,   _ignore,        _ignore),
    }
    # fmt: on
