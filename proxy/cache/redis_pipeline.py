"""One connection to Redis, and one task that sends every command over it in batches."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

_log = logging.getLogger("proxy.cache")

# In seconds
_CONNECT_TIMEOUT = 1.0
_PAUSE = 1.0  # after a failure

_RUN_ID = re.compile(rb"^run_id:(\w+)", re.MULTILINE)

Command = tuple[bytes | str | int, ...]


class UnavailableError(Exception):
    """Redis has not answered in time, or with something else than was asked."""


class _Pending(NamedTuple):
    commands: Sequence[Command]
    replies: "asyncio.Future[tuple[bytes, Sequence[Any]]]"


class RedisPipeline:
    """One connection, which only one task reads and writes: a cancelled caller leaves no reply behind.

    Commands that arrive while a batch is under way go together in the next one.
    """

    def __init__(self, connect: Callable[[], AbstractConnection], timeout: float) -> None:
        self._connect = connect
        self._timeout = timeout
        self._connection: AbstractConnection | None = None
        self._run_id = b""
        self._queue: list[_Pending] = []
        self._sender: asyncio.Task[None] | None = None
        self._pause_until = 0.0
        self._is_available = True

    async def execute(self, *commands: Command, insist: bool = False) -> tuple[bytes, Sequence[Any]]:
        """Return the run id of the server and its replies; UnavailableError if they do not come in time.

        For a second after a failure only commands that `insist` are tried.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._pause_until and not insist:
            raise UnavailableError
        pending = _Pending(commands, loop.create_future())
        self._queue.append(pending)
        if self._sender is None:
            self._sender = loop.create_task(self._send_batches())
        try:
            async with asyncio.timeout(self._timeout):
                return await pending.replies
        except TimeoutError:
            raise UnavailableError from None

    async def close(self) -> None:
        """Fail what is still pending, and close the connection."""
        if self._sender:
            self._sender.cancel()
            await asyncio.wait([self._sender])
        await self._disconnect()

    async def _send_batches(self) -> None:
        batch: Sequence[_Pending] = ()
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                await self._send(batch)
        finally:
            self._sender = None
            for pending in (*batch, *self._queue):
                _fail(pending)
            self._queue.clear()

    async def _send(self, batch: Sequence[_Pending]) -> None:
        try:
            replies = await self._exchange([command for pending in batch for command in pending.commands])
        except (RedisError, OSError, TimeoutError) as error:
            await self._disconnect()
            self._pause_until = asyncio.get_running_loop().time() + _PAUSE
            self._log_change(error)
            for pending in batch:
                _fail(pending)
            return
        self._pause_until = 0
        self._log_change(None)
        for pending in batch:
            own = [next(replies) for _ in pending.commands]
            if any(isinstance(reply, ResponseError) for reply in own):
                _fail(pending)
            elif not pending.replies.done():
                pending.replies.set_result((self._run_id, own))

    async def _exchange(self, commands: Sequence[Command]) -> Any:
        if (connection := self._connection) is None:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                connection = await self._open()
        async with asyncio.timeout(self._timeout):
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            return iter([await _read_reply(connection) for _ in commands])

    async def _open(self) -> AbstractConnection:
        connection = self._connection = self._connect()
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command("INFO", "server")
        self._run_id = _parse_run_id(await connection.read_response())
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _log_change(self, error: Exception | None) -> None:
        """Log when Redis becomes unavailable and when it is back, but not each call in between."""
        if (error is None) != self._is_available:
            self._is_available = error is None
            if error is None:
                _log.warning("redis: answers again")
            else:
                _log.warning("redis: no answer (%s); lists are not cached meanwhile", type(error).__name__)


async def _read_reply(connection: AbstractConnection) -> Any:
    """Read one reply; those after an error reply still follow."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _fail(pending: _Pending) -> None:
    if not pending.replies.done():
        pending.replies.set_exception(UnavailableError())
        pending.replies.exception()  # a cancelled caller does not retrieve it


def _parse_run_id(info: Any) -> bytes:
    """Return the id that each start of a server has for itself."""
    if isinstance(info, bytes) and (found := _RUN_ID.search(info)):
        return found[1]
    raise RedisError
