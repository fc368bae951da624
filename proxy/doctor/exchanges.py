"""A record of what is sent to an upstream and what comes back, on the wire and as values."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time
from typing import NamedTuple

from proxy.profile.calls import Call, Reply
from proxy.upstream.api import Sender
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.held_answers import HeldAnswers

_MAX_HEAD = 64 * 1024  # bytes of an answer that are kept; the client refuses longer heads


class WireAnswer(NamedTuple):
    """The head of an answer, with all of its headers."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; several of one name are joined with a comma."""
    sent_at: float
    """Seconds since the epoch."""
    seconds: float
    """Until the whole answer had come."""


class RecordedCall(NamedTuple):
    """A call and its reply."""

    call: Call
    reply: Reply


@dataclass(slots=True)
class Record:
    """What has been sent and received, in order."""

    answers: list[WireAnswer] = field(default_factory=list)
    calls: list[RecordedCall] = field(default_factory=list)


class RecordingConnection(UpstreamConnection):
    """A connection that keeps the heads of answers."""

    def __init__(self, record: Record, on_lost: Callable[[UpstreamConnection], None]) -> None:
        super().__init__(on_lost)
        self._record = record
        self._raw = bytearray()

    async def exchange(
        self, request: bytes, held: HeldAnswers | None = None, *, is_head: bool = False
    ) -> Reply:
        self._raw.clear()
        loop, sent_at = asyncio.get_running_loop(), time()
        began = loop.time()
        reply = await super().exchange(request, held, is_head=is_head)
        if not request.startswith(b"CONNECT "):  # which a proxy answers
            headers = _read_headers(bytes(self._raw))
            self._record.answers.append(WireAnswer(reply.status, headers, sent_at, loop.time() - began))
        return reply

    def data_received(self, data: bytes) -> None:
        if len(self._raw) < _MAX_HEAD:
            self._raw += data[:_MAX_HEAD]
        super().data_received(data)


def _read_headers(raw: bytes) -> Mapping[str, str]:
    """Return the headers of the final answer; those before it (1xx) are skipped."""
    headers: dict[str, str] = {}
    is_final = True
    for line in raw.decode("latin-1").replace("\r\n", "\n").split("\n"):
        if line.startswith("HTTP/1."):
            headers.clear()
            is_final = line[9:10] != "1"
        elif not line and is_final:
            break
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return headers


class ForbiddenCallError(Exception):
    """A call would change something without having been asked for: a mistake of this program."""


class RecordingSender:
    """Sends calls and keeps them with their replies; one that changes something needs `may_write`."""

    def __init__(self, sender: Sender, record: Record) -> None:
        self._sender = sender
        self._record = record
        self.may_write = False

    async def send(self, call: Call) -> Reply:
        if not (call.is_safe or self.may_write):
            raise ForbiddenCallError(call.method)
        reply = await self._sender.send(call)
        self._record.calls.append(RecordedCall(call, reply))
        return reply
