"""A server that speaks Redis's protocol and replies as a test wants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hiredis import Reader
from redis.asyncio.connection import Connection

from proxy.cache.redis_pipeline import RedisPipeline
from support.streams import stream_server


class ScriptedRedis:
    """A server that replies to ECHO and from `replies`, or holds its replies back."""

    def __init__(self) -> None:
        self.replies = {b"INFO": INFO}
        self.first_replies: dict[bytes, bytes] = {}
        """Instead of the others, as long as there has been one connection only."""
        self.port = 0
        self.connections = 0
        self.open = 0
        self.batches: list[list[bytes]] = []
        """The commands of each batch."""
        self._is_silent = False
        self._held_back: list[tuple[asyncio.StreamWriter, bytes]] = []

    def stop_replying(self) -> None:
        """Hold replies back from now on."""
        self._is_silent = True

    def resume(self) -> None:
        """Send the replies that were held back."""
        self._is_silent = False
        for writer, replies in self._held_back:
            writer.write(replies)
        self._held_back.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        read = Reader()
        while data := await reader.read(65_536):
            read.feed(data)
            commands: list[list[bytes]] = list(iter(read.gets, False))
            self.batches.append([b" ".join(command) for command in commands])
            self._held_back.append((writer, b"".join(map(self._reply, commands))))
            if not self._is_silent:
                self.resume()
        self.open -= 1

    def _reply(self, command: list[bytes]) -> bytes:
        echo = {b"ECHO": bulk(command[-1])}
        replies = {**echo, **self.replies, **(self.first_replies if self.connections == 1 else {})}
        return replies.get(command[0], b"-ERR\r\n")


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text), text)


INFO = bulk(b"# Server\r\nredis_mode:standalone\r\n# Replication\r\nrole:master\r\nmaster_replid:one\r\n")
"""Of both sections that are asked for."""
ROLE = b"INFO replication"
"""The command at the end of every batch."""


@asynccontextmanager
async def scripted_redis() -> AsyncIterator[ScriptedRedis]:
    scripted = ScriptedRedis()
    async with stream_server(scripted.serve) as scripted.port:
        yield scripted


@asynccontextmanager
async def pipeline_to(port: int, timeout: float = 10) -> AsyncIterator[RedisPipeline]:  # noqa: ASYNC109 - its setting
    """Run a pipeline to an address: a name is looked up in a thread, for which virtual time does not wait."""

    def connect() -> Connection:
        return Connection(host="127.0.0.1", port=port, protocol=2, driver_info=None, socket_timeout=None)

    pipeline = RedisPipeline(connect, timeout)
    try:
        yield pipeline
    finally:
        await pipeline.close()
