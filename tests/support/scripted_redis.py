"""A server that speaks Redis's protocol and replies as a test wants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hiredis import Reader


class ScriptedRedis:
    """A server that knows ECHO and what else it is told to reply, except while it is silent."""

    def __init__(self) -> None:
        self.replies = {b"INFO": INFO}
        self.port = 0
        self.connections = 0
        self.open = 0
        self.batches: list[list[bytes]] = []
        """What was sent at a time."""
        self._is_silent = False
        self._unsaid: list[tuple[asyncio.StreamWriter, bytes]] = []

    def hush(self) -> None:
        """Say nothing from now on."""
        self._is_silent = True

    def speak(self) -> None:
        """Say what has not been said."""
        self._is_silent = False
        for writer, replies in self._unsaid:
            writer.write(replies)
        self._unsaid.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        read = Reader()
        while data := await reader.read(65_536):
            read.feed(data)
            commands: list[list[bytes]] = list(iter(read.gets, False))
            self.batches.append([b" ".join(command) for command in commands])
            self._unsaid.append((writer, b"".join(map(self._reply, commands))))
            if not self._is_silent:
                self.speak()
        self.open -= 1
        writer.close()

    def _reply(self, command: list[bytes]) -> bytes:
        return bulk(command[1]) if command[0] == b"ECHO" else self.replies.get(command[0], b"-ERR\r\n")


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text), text)


INFO = bulk(b"# Server\r\nredis_version:8.0.0\r\nrun_id:one\r\n")


@asynccontextmanager
async def scripted_redis() -> AsyncIterator[ScriptedRedis]:
    speaker = ScriptedRedis()
    server = await asyncio.start_server(speaker.serve, "127.0.0.1", 0)
    speaker.port = server.sockets[0].getsockname()[1]
    try:
        yield speaker
    finally:
        server.close()
        await asyncio.sleep(0.1)  # until it has heard who hung up
