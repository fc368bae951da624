"""A TCP relay between two programs, which tests cut, mend and slow down."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Relay:
    """Forwards bytes to a port, unless it is cut."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.port = 0
        self.delay = 0.0
        """Seconds by which bytes on the way back are delayed."""
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def lead_to(self, port: int) -> None:
        """Let new connections lead to another port, as a name does that changes; open ones stay."""
        self.to = port

    def cut(self) -> None:
        """Drop every connection, and each new one at once."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if self._is_cut:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.to)
        self._writers |= {writer, back}
        with contextlib.suppress(asyncio.CancelledError):  # when the test ends
            await asyncio.gather(
                self._pass_on(reader, back, late=False), self._pass_on(there, writer, late=True)
            )
        self._writers -= {writer, back}

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


@contextlib.asynccontextmanager
async def relay(to: int) -> AsyncIterator[Relay]:
    """Run a relay to a port of this machine until the block ends."""
    stretch = Relay(to)
    server = await asyncio.start_server(stretch.serve, "127.0.0.1", 0)
    stretch.port = server.sockets[0].getsockname()[1]
    try:
        yield stretch
    finally:
        stretch.cut()
        server.close()
