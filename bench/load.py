"""A small load generator: persistent connections, one request in flight on each, every answer checked."""

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, cast

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_END = b"\r\n\r\n"


class Asked(NamedTuple):
    """A request and, if known, the expected body."""

    request: bytes
    body: bytes | None = None


class Outcome(NamedTuple):
    """The results of a number of requests."""

    seconds: float
    latencies: Sequence[float]
    """In seconds, the shortest first."""

    @property
    def throughput(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Return the latency in seconds that this share of the requests did not exceed."""
        return self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)]


class WrongAnswerError(Exception):
    """An answer is not the expected one; nothing was measured."""


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def carry_out(
        self, todo: Iterator[Asked], latencies: list[float], status: bytes
    ) -> asyncio.Future[bytes]:
        """Send requests until none is left; the result is the last body."""
        self._todo, self._latencies, self._status = todo, latencies, status
        self._done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._next(b"")
        return self._done

    def _next(self, body: bytes) -> None:
        asked = next(self._todo, None)
        if asked is None:
            if not self._done.done():  # the request may have been cancelled meanwhile
                self._done.set_result(body)
            return
        self._asked, self._since = asked, time.perf_counter()
        self.transport.write(asked.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._needed:
            head = self._buffer.find(_END)
            if head < 0:
                return
            length = _LENGTH.search(self._buffer, 0, head)
            if not length or self._buffer[9:12] != self._status:
                self._fail(bytes(self._buffer[:1000]))
                return
            self._head = head + len(_END)
            self._needed = self._head + int(length[1])
        if len(self._buffer) >= self._needed:
            self._latencies.append(time.perf_counter() - self._since)
            body = bytes(self._buffer[self._head : self._needed])
            del self._buffer[: self._needed]
            self._needed = 0
            if self._asked.body not in (None, body):
                self._fail(body)
            else:
                self._next(body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(b"the connection was closed" if exc is None else str(exc).encode())

    def _fail(self, answer: bytes) -> None:
        if hasattr(self, "_done") and not self._done.done():
            self._done.set_exception(WrongAnswerError(f"{self._asked.request!r}: {answer!r}"))


class Pool:
    """Connections to one server."""

    def __init__(self, connections: Sequence[_Connection]) -> None:
        """Use these."""
        self._connections = connections

    async def run(self, requests: Sequence[Asked], total: int) -> Outcome:
        """Send `total` requests in all, cycling through `requests`."""
        todo = itertools.islice(itertools.cycle(requests), total)
        latencies: list[float] = []
        since = time.perf_counter()
        await asyncio.gather(*(each.carry_out(todo, latencies, b"200") for each in self._connections))
        return Outcome(time.perf_counter() - since, sorted(latencies))

    async def ask(self, request: bytes, status: bytes = b"200") -> bytes:
        """Send one request; return the body."""
        return await self._connections[0].carry_out(iter([Asked(request)]), [], status)


@asynccontextmanager
async def connected(port: int, connections: int = 32) -> AsyncIterator[Pool]:
    """Open connections to a server on this machine, and close them when the block ends."""
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(_Connection, "127.0.0.1", port) for _ in range(connections)]
    try:
        yield Pool([protocol for _, protocol in opened])
    finally:
        for transport, _ in opened:
            transport.close()
