"""A request line of any bytes, given to the server over a connection in memory."""

import asyncio
import re
from typing import Any

from proxy.errors import Fault
from proxy.legacy import Answer
from proxy.server.reading import RequestHead
from proxy.server.startup_checks import exchange

_STATUSES = (200, 400, 413, 415, 417, 505)


class _Recorder:
    """Answers every request, and keeps its method and its target."""

    def __init__(self) -> None:
        self.heads: list[tuple[str, str]] = []

    async def answer(self, head: RequestHead, body: bytes, connected: str) -> Answer:
        self.heads.append((head.method, head.path))
        return Answer(200)

    def from_cache(self, head: RequestHead, connected: str) -> None:
        """Leave everything to `answer`."""

    def refuse(self, fault: Fault, target: str = "") -> Answer:
        return Answer(fault.status)


def request_line(data: bytes) -> None:
    """Send a request line; what comes of it is one answer, and what is carried out stood in it."""
    recorder, unhandled = _Recorder(), list[dict[str, Any]]()

    async def send() -> bytes:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        return (await exchange(data + b"\r\nHost: x\r\n\r\n", recorder)).written

    written = asyncio.run(send())
    assert not unhandled, unhandled
    if not written:
        assert b"\n" in data or b"\r" in data, "a request line was not answered"
        return
    assert int(written.split(b" ")[1]) in _STATUSES
    data = re.sub(rb"[\x80-\xff]", lambda found: b"%%%02X" % found[0][0], data)
    for method, target in recorder.heads:
        assert method.isupper()
        assert method.encode() in data
        assert target.encode("utf-8", "surrogateescape") in data
