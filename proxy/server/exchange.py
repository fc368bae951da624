"""What passes between aiohttp's server and a connection: requests, and that they have been answered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter

from proxy.server.reading import RequestHead


class HttpRequest(web.BaseRequest):
    """A request with its head as the parser made it."""

    ATTRS = web.BaseRequest.ATTRS | {"head"}

    def __init__(
        self,
        head: Any,
        body: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> None:
        super().__init__(head, body, protocol, writer, task, task.get_loop())
        self.head: RequestHead = head


class Written(web.StreamResponse):
    """An answer whose bytes are on their way; all that is left to say is whether another may follow."""

    def __init__(self, end: Callable[[], Awaitable[None]] | None = None) -> None:
        """Let the connection close, after `end` if anything is left to be done."""
        super().__init__()
        self.end = end

    @property
    def keep_alive(self) -> bool:
        return False

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write no head."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Write no body."""
        del data
        if self.end:
            await self.end()


class _KeptAlive(Written):
    @property
    def keep_alive(self) -> bool:
        return True


GOES_ON = _KeptAlive()
ENDS = Written()
