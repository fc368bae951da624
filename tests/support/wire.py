"""HTTP/1.1 as bytes: the client of conversations, and an upstream that answers step by step."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from proxy.conversations.endpoints import RawClient as Client
from proxy.conversations.endpoints import open_stream, read_message
from proxy.conversations.messages import Message
from support.streams import stream_server

__all__ = [
    "Answer",
    "Drip",
    "End",
    "Message",
    "RawClient",
    "ScriptedUpstream",
    "Stall",
    "Step",
    "ask",
    "connect",
    "json_answer",
    "no_more",
    "read_message",
    "reset",
    "scripted_upstream",
]

_TIMEOUT = 10  # seconds; a test that waits longer than this has failed


class RawClient(Client):
    """One connection, over which any bytes go."""

    async def ask(self, data: bytes) -> Message:
        """Send a request and return its response; interim responses are passed over."""
        await self.send(data)
        answer = await self.receive(body=not data.startswith(b"HEAD "))
        assert answer is not None, "the connection was closed without an answer"
        return answer


@contextlib.asynccontextmanager
async def connect(port: int, address: str = "127.0.0.1") -> AsyncIterator[RawClient]:
    """Open a connection from an address of this machine to a server on it."""
    async with open_stream(port, address) as stream:
        yield RawClient(*stream)


async def ask(port: int, data: bytes) -> Message:
    """Send one request over a connection of its own."""
    async with connect(port) as client:
        return await client.ask(data)


class End(Enum):
    """How an upstream ends a connection."""

    FIN = "fin"
    RST = "rst"
    RST_EARLY = "rst early"
    """After the first byte of the request, whose rest is not read; it stands alone."""


@dataclass(frozen=True, slots=True)
class Drip:
    """Bytes that are sent one at a time."""

    data: bytes
    seconds: float = 1
    """Before each of them."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A pause."""

    seconds: float = 3600


Step = bytes | Drip | Stall | asyncio.Event | End
"""A part of an answer; an event is waited for."""
Answer = bytes | Sequence[Step]


def no_more(_: Message) -> Answer:
    """Answer 599: the script has ended."""
    return json_answer(599, b"{}").encode()


@dataclass
class ScriptedUpstream:
    """An upstream that gives the scripted answers in turn and keeps what it was asked.

    An answer is sent as it stands, byte for byte, or step by step; in the place of one without bytes the
    connection is closed. After the last one it answers `otherwise`: 599, unless a script has something else.
    """

    answers: list[Answer] = field(default_factory=list)
    received: list[Message] = field(default_factory=list)
    port: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """While it is not set, every answer waits."""
    otherwise: Callable[[Message], Answer] = no_more
    accepted: int = 0
    """Connections."""
    first_bytes: bytearray = field(default_factory=bytearray)
    """Of every request, be the rest of it never read."""
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def begun(self) -> int:
        """Count the requests of which at least one byte arrived."""
        return len(self.first_bytes)

    async def is_asked(self, times: int) -> None:
        """Wait until it has been asked so often."""
        async with asyncio.timeout(_TIMEOUT):
            while len(self.received) < times:
                await asyncio.sleep(0.01)

    def then(self, *answers: Message | Answer) -> Self:
        """Add to the script."""
        for answer in answers:
            if isinstance(answer, Message):
                self.answers.append(answer.encode() if answer.start else b"")
            else:
                self.answers.append(answer)
        return self

    def hits(self, method: str = "", path: str = "") -> int:
        """Count the requests with this method and for this path, whatever its query; all if none is given."""
        return sum(
            message.start.startswith(f"{method} " if method else "")
            and path in ("", message.target.partition("?")[0])
            for message in self.received
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.accepted += 1
        over = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)
        with contextlib.suppress(*over):
            while first := await reader.read(1):
                self.first_bytes += first
                if self.answers and self.answers[0] == (End.RST_EARLY,):
                    self.answers.pop(0)
                    reset(writer)
                    return
                message = await read_message(reader, after=first)
                assert message is not None
                self.received.append(message)
                await self.released.wait()
                answer = self.answers.pop(0) if self.answers else self.otherwise(message)
                if not answer:
                    return
                for step in (answer,) if isinstance(answer, bytes) else answer:
                    if not await _take(step, writer):
                        return


async def _take(step: Step, writer: asyncio.StreamWriter) -> bool:
    """Take a step of an answer; return whether the connection goes on."""
    match step:
        case bytes():
            writer.write(step)
            await writer.drain()
        case Drip():
            for byte in step.data:
                await asyncio.sleep(step.seconds)
                writer.write(bytes([byte]))
                await writer.drain()
        case Stall():
            await asyncio.sleep(step.seconds)
        case asyncio.Event():
            await step.wait()
        case End.FIN:
            return False
        case _:
            reset(writer)
            return False
    return True


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST instead of FIN."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def json_answer(status: int, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> Message:
    """Return an upstream's answer in JSON."""
    return Message(f"HTTP/1.1 {status} X", (("Content-Type", "application/json"), *headers), body)


@contextlib.asynccontextmanager
async def scripted_upstream(
    *answers: Message | Answer, tls: ssl.SSLContext | None = None, on: socket.socket | None = None
) -> AsyncIterator[ScriptedUpstream]:
    """Run a scripted upstream on a free port, or `on` a socket that is bound to one."""
    upstream = ScriptedUpstream(scheme="https" if tls else "http").then(*answers)
    upstream.released.set()
    async with stream_server(upstream.serve, tls=tls, on=on) as upstream.port:
        yield upstream
