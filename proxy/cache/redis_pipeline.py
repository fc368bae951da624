"""One connection to Redis, and one task that carries everything over it."""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

_log = logging.getLogger("proxy.cache")

# In seconds
_CONNECTING = 1.0
_PAUSE = 1.0  # after a failure

_RUN = re.compile(rb"^run_id:(\w+)", re.MULTILINE)

Command = tuple[bytes | str | int, ...]


class UnavailableError(Exception):
    """Redis does not answer, or not in time, or not what was asked."""


class _Asked(NamedTuple):
    commands: Sequence[Command]
    answer: "asyncio.Future[tuple[bytes, Sequence[Any]]]"


class Line:
    """One connection, and one task that carries everything over it: who is cancelled leaves no reply behind.

    What is asked while a batch is on its way goes together in the next one.
    """

    def __init__(self, connect: Callable[[], AbstractConnection], patience: float) -> None:
        self._connect = connect
        self._patience = patience
        self._connection: AbstractConnection | None = None
        self._run = b""
        self._queue: list[_Asked] = []
        self._courier: asyncio.Task[None] | None = None
        self._pause_until = 0.0
        self._is_well = True

    async def ask(self, *commands: Command, insist: bool = False) -> tuple[bytes, Sequence[Any]]:
        """Return the run of the server and its replies; UnavailableError if there are none in time.

        After a failure only those who `insist` try again for a while.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._pause_until and not insist:
            raise UnavailableError
        asked = _Asked(commands, loop.create_future())
        self._queue.append(asked)
        if self._courier is None:
            self._courier = loop.create_task(self._carry())
        try:
            async with asyncio.timeout(self._patience):
                return await asked.answer
        except TimeoutError:
            raise UnavailableError from None

    async def close(self) -> None:
        """Fail what is still asked, and close the connection."""
        if self._courier:
            self._courier.cancel()
            await asyncio.wait([self._courier])
        await self._hang_up()

    async def _carry(self) -> None:
        batch: Sequence[_Asked] = ()
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                await self._carry_out(batch)
        finally:
            self._courier = None
            for asked in (*batch, *self._queue):
                _fail(asked)
            self._queue.clear()

    async def _carry_out(self, batch: Sequence[_Asked]) -> None:
        try:
            replies = await self._exchange([command for asked in batch for command in asked.commands])
        except (RedisError, OSError, TimeoutError) as error:
            await self._hang_up()
            self._pause_until = asyncio.get_running_loop().time() + _PAUSE
            self._tell(error)
            for asked in batch:
                _fail(asked)
            return
        self._pause_until = 0
        self._tell(None)
        for asked in batch:
            own = [next(replies) for _ in asked.commands]
            if any(isinstance(reply, ResponseError) for reply in own):
                _fail(asked)
            elif not asked.answer.done():
                asked.answer.set_result((self._run, own))

    async def _exchange(self, commands: Sequence[Command]) -> Any:
        if (connection := self._connection) is None:
            async with asyncio.timeout(_CONNECTING):
                connection = await self._call()
        async with asyncio.timeout(self._patience):
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            return iter([await _reply(connection) for _ in commands])

    async def _call(self) -> AbstractConnection:
        connection = self._connection = self._connect()
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command("INFO", "server")
        self._run = _run_of(await connection.read_response())
        return connection

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _tell(self, error: Exception | None) -> None:
        """Log when Redis goes and when it comes back, but not each time that it is missed."""
        if (error is None) != self._is_well:
            self._is_well = error is None
            if error is None:
                _log.warning("Redis answers again")
            else:
                _log.warning("Redis does not answer (%s): lists are not remembered", type(error).__name__)


async def _reply(connection: AbstractConnection) -> Any:
    """Read one reply; where it is an error, those after it still follow."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _fail(asked: _Asked) -> None:
    if not asked.answer.done():
        asked.answer.set_exception(UnavailableError())
        asked.answer.exception()  # whoever was cancelled does not look at it


def _run_of(info: Any) -> bytes:
    """Return what tells one run of a server from another."""
    if isinstance(info, bytes) and (found := _RUN.search(info)):
        return found[1]
    raise RedisError
