"""A TCP relay between two programs, which tests cut, mend and slow down."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from support.streams import Connections, listening


class Relay:
    """Forwards bytes to a port, unless it is cut."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.port = 0
        self.delay = 0.0
        """Seconds by which bytes on the way back are delayed."""
        self.connections = Connections(self._serve)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def lead_to(self, port: int) -> None:
        """Let new connections lead to another port, as a name does that changes; open ones stay."""
        self.to = port

    def cut(self) -> None:
        """Drop every connection, and each new one at once."""
        self.connections.drop()

    def mend(self) -> None:
        """Let connections through again."""
        self.connections.resume()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # nothing listens there
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
            try:
                await asyncio.gather(
                    self._pass_on(reader, back, late=False), self._pass_on(there, writer, late=True)
                )
            finally:
                back.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if late and self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()  # so that what was written is not dropped


@contextlib.asynccontextmanager
async def relay(to: int) -> AsyncIterator[Relay]:
    """Run a relay to a port of this machine until the block ends."""
    stretch = Relay(to)
    async with listening(stretch.connections) as stretch.port:
        yield stretch
