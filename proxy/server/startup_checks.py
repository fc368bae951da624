"""What is checked at start: that the libraries are recent enough, and that the server keeps to its limits."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

import aiohttp

from proxy.errors import Fault
from proxy.legacy import Answer
from proxy.net.accept_share import AcceptShare
from proxy.net.connection_limit import ConnectionLimit
from proxy.observe.counters import Counters
from proxy.server.handlers import Handler
from proxy.server.http_server import LIMITS, HttpServer
from proxy.server.reading import RequestHead

_FOUND: Mapping[str, Sequence[int]] = {
    library: [int(number) for number in re.findall("[0-9]+", version(library))]
    for library in ("aiohttp", "lxml")
}
LEAST: Mapping[str, Sequence[int]] = {"aiohttp": (3, 14, 5), "lxml": (6, 1)}
"""In older ones are holes that let requests be smuggled in, fill the memory, or read files."""
_TURNS = 100  # of the loop, in which a probe is answered
_PIPELINED = 1000  # requests


def assert_versions(found: Mapping[str, Sequence[int]] = _FOUND) -> None:
    """RuntimeError where a library that reads what strangers send is older than it may be."""
    for library, least in LEAST.items():
        if tuple(found[library]) < tuple(least):
            raise RuntimeError(f"{library} is too old: {'.'.join(map(str, least))} is needed")


async def assert_limits() -> None:
    """RuntimeError where a connection as it is built does not serve requests, or not within its limits.

    It is asked, not believed: each limit with a request that just keeps to it and with one that does not.
    """
    for what, within, beyond in _probes():
        if await _status(within) != 200:
            raise RuntimeError(f"aiohttp {aiohttp.__version__} does not serve requests within its {what}")
        if await _status(beyond) != 400:
            raise RuntimeError(f"aiohttp {aiohttp.__version__} does not limit {what} as it was told to")
    memory = await exchange(_request(b"/waits") * _PIPELINED)
    if not memory.is_paused:
        raise RuntimeError(f"aiohttp {aiohttp.__version__} does not limit requests that wait")


class MemoryTransport(asyncio.Transport):
    """A connection without a socket."""

    written = b""
    is_paused = False
    _is_closing = False

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_reading(self) -> bool:
        return not self.is_paused

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class _Probed:
    """Answers every request with 200, but for one that waits."""

    async def answer(self, head: RequestHead, body: bytes, connected: str) -> Answer:
        del body, connected
        if head.path == "/waits":
            await asyncio.Event().wait()
        return Answer(200)

    def from_cache(self, head: RequestHead, connected: str) -> None: ...

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        del target
        return Answer(fault.status)


async def _status(data: bytes) -> int:
    memory = await exchange(data)
    return int(memory.written.split(b" ")[1]) if memory.written else 0


async def exchange(data: bytes, handler: Handler | None = None) -> MemoryTransport:
    """Send `data` over a connection as it is built, and give the answer some turns of the loop.

    Nothing is real but the protocol: the connection is in memory, and has gone when this returns.
    """
    server = HttpServer(handler or _Probed(), Counters(), AcceptShare(), ConnectionLimit(1))
    connection, memory = server(), MemoryTransport()
    connection.connection_made(memory)
    await asyncio.sleep(0)
    connection.data_received(data)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        if memory.written or memory.is_paused:
            break
    connection.connection_lost(None)
    return memory


def _request(target: bytes = b"/", *headers: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join((b"%b %b HTTP/1.1" % (method, target), *headers, b"Host: x", b"", b""))


def _probes() -> Iterator[tuple[str, bytes, bytes]]:
    """Yield what is limited, with a request within the limit and one beyond it."""
    line, field, headers = LIMITS["max_line_size"], LIMITS["max_field_size"], LIMITS["max_headers"]
    # aiohttp's parser in Python, which stands in where the one in C is missing, takes any
    yield "methods", _request(), _request(method=b"UNKNOWN")
    yield "request lines", _request(b"/".ljust(line, b"x")), _request(b"/".ljust(line + 1, b"x"))
    header = b"X:".ljust(field + 1, b"x")  # the colon does not count
    yield "headers' lengths", _request(b"/", header), _request(b"/", header + b"x")
    most = [b"X: x"] * (headers - 1)  # and Host
    yield "headers' number", _request(b"/", *most), _request(b"/", *most, b"X: x")
