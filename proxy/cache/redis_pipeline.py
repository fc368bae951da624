"""One connection to Redis, and one task that sends every command over it in batches."""

import asyncio
import logging
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from redis import exceptions
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

_log = logging.getLogger("proxy.cache")

# In seconds
_CONNECT_TIMEOUT = 1.0
_PAUSE = 1.0  # after a failure

_MAX_INFO = 64 * 1024  # bytes that are looked at: a line for each of some hundred replicas
_MAX_WORD = 64  # characters

_IS_CLUSTER = re.compile(rb"^(?:redis|server)_mode:cluster", re.MULTILINE)
_IS_MASTER = re.compile(rb"^role:master\b", re.MULTILINE)
_REPLICATION_ID = re.compile(rb"^master_replid:(\w+)", re.MULTILINE)

Command = tuple[bytes | str | int, ...]

_WORDS: Mapping[type[RedisError], str] = {
    exceptions.AskError: "ASK",
    exceptions.AuthenticationError: "NOAUTH",
    exceptions.BusyLoadingError: "LOADING",
    exceptions.ClusterCrossSlotError: "CROSSSLOT",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.MovedError: "MOVED",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.TryAgainError: "TRYAGAIN",
}
"""First words of error replies, which redis-py removes from those that it knows."""

_CLUSTER = "a Redis Cluster, which is not supported"
_REASONS: Mapping[str, str] = {
    "READONLY": "it is a replica",
    "MASTERDOWN": "it is a replica",
    "LOADING": "it is loading its data",
    **dict.fromkeys(("ASK", "CLUSTERDOWN", "CROSSSLOT", "MOVED", "TRYAGAIN"), f"it is {_CLUSTER}"),
}
"""Replies of a server that cannot serve any command here, so that the name may lead to another one by now."""
_OF_ONE_NAME = "WRONGTYPE"
"""The reply where another program has written a name of ours."""


_CONSEQUENCE = "lists may not be cached, and writes may take longer, meanwhile"
_CONSEQUENCES: Mapping[str, str] = {
    "EVAL": "each replica limits calls, logins and codes by itself, to its share, meanwhile",
    "HSET": "codes have to come back to the host that placed the call, meanwhile",
}


class UnavailableError(Exception):
    """Redis has not answered in time, or with something else than was asked."""


class _WrongServerError(RedisError):
    """The server is no master by itself; the message is the first word of its reply."""


class RedisHealth:
    """Logs each kind of failure once when it begins, and once when it has ended, for several connections."""

    def __init__(self) -> None:
        self._failures: dict[Hashable, set[str]] = {}
        """By what fails, a connection or a command: in which ways it has failed since it last worked."""

    def fail(self, what: Hashable, word: str, message: str) -> None:
        """Take note of a failure of `what`; log `message`, unless this word is known."""
        if not any(word in words for words in self._failures.values()):
            _log.warning("redis: %s", message)
        self._failures.setdefault(what, set()).add(word)

    def recover(self, what: Hashable, message: str) -> None:
        """Take note that `what` works; log `message` if nothing else fails in the same way."""
        if words := self._failures.pop(what, None):
            left = set[str]().union(*self._failures.values())
            if not words & left:
                _log.warning("redis: %s", message)


class _Pending(NamedTuple):
    commands: Sequence[Command]
    replies: "asyncio.Future[tuple[bytes, Sequence[Any]]]"


class RedisPipeline:
    """One connection, which only one task reads and writes: a cancelled caller leaves no reply behind.

    Commands that arrive during a batch go together in the next one. Any command may be sent twice. The last
    one of a batch asks for the role: after a fail-over the connection to the demoted master stays open, and
    reads are answered without the writes since. The replication id changes with each promotion and restart,
    so that two equal ids mean that the server was the master in between.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractConnection],
        timeout: float,
        health: RedisHealth | None = None,
    ) -> None:
        self._connect = connect
        self._timeout = timeout
        self._health = health or RedisHealth()
        self._connection: AbstractConnection | None = None
        self._is_cluster = False
        self._queue: list[_Pending] = []
        self._sender: asyncio.Task[None] | None = None
        self._pause_until = 0.0
        self._is_closed = False

    async def execute(self, *commands: Command, insist: bool = False) -> tuple[bytes, Sequence[Any]]:
        """Return the replication id of the master, and its replies; UnavailableError if none come in time.

        For a second after a failure only commands that `insist` are tried, and none once it is closed.
        """
        loop = asyncio.get_running_loop()
        if self._is_closed or (loop.time() < self._pause_until and not insist):
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
        """Fail what is still pending, and close the connection; another one would never be closed."""
        self._is_closed = True
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
        commands = [command for pending in batch for command in pending.commands]
        try:
            replication_id, replies = await self._exchange_or_reconnect(commands)
        except (RedisError, OSError, ValueError) as error:  # the last is redis-py's for an odd MOVED
            await self._disconnect()
            self._pause_until = asyncio.get_running_loop().time() + _PAUSE
            self._report(error)
            for pending in batch:
                _fail(pending)
            return
        self._pause_until = 0
        self._health.recover(self, "answers again")
        for command, reply in zip(commands, replies, strict=True):
            self._report_command(str(command[0]), reply)
        following = iter(replies)
        for pending in batch:
            own = [next(following) for _ in pending.commands]
            if any(isinstance(reply, ResponseError) for reply in own):
                _fail(pending)
            elif not pending.replies.done():
                pending.replies.set_result((replication_id, own))

    async def _exchange_or_reconnect(self, commands: Sequence[Command]) -> tuple[bytes, Sequence[Any]]:
        """Send commands; if the kept connection leads to a wrong server, again over a new one, by name."""
        is_new = self._connection is None
        try:
            return await self._exchange(commands)
        except (_WrongServerError, exceptions.ConnectionError, OSError) as error:
            if is_new or isinstance(error, TimeoutError):
                raise
            if isinstance(error, _WrongServerError):
                self._report(error)
            await self._disconnect()
            return await self._exchange(commands)

    async def _exchange(self, commands: Sequence[Command]) -> tuple[bytes, Sequence[Any]]:
        if (connection := self._connection) is None:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                connection = await self._open()
        async with asyncio.timeout(self._timeout):
            packed = connection.pack_commands([*commands, ("INFO", "replication")])
            await connection.send_packed_command(packed, check_health=False)
            *replies, info = [await _read_reply(connection) for _ in (*commands, None)]
        words = [_first_word(reply) for reply in replies if isinstance(reply, ResponseError)]
        if wrong := next((word for word in words if word in _REASONS), None):
            raise _WrongServerError(wrong)
        if self._is_cluster:
            raise _WrongServerError("MOVED")
        return _parse_replication_id(info), replies

    async def _open(self) -> AbstractConnection:
        connection = self._connection = self._connect()
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command("INFO", "server")
        info = await connection.read_response()
        self._is_cluster = isinstance(info, bytes) and _IS_CLUSTER.search(info[:_MAX_INFO]) is not None
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _report(self, error: Exception) -> None:
        """Take note of what failed for every command."""
        word = _first_word(error)
        said = f"replies {word}" if word.isupper() else f"no answer ({word})"
        reason = f": {_REASONS[word]}" if word in _REASONS else ""
        self._health.fail(self, word, f"{said}{reason}; lists are not cached meanwhile")

    def _report_command(self, command: str, reply: Any) -> None:
        """Take note of whether the server carries out this command: a full one refuses some of them."""
        if not isinstance(reply, ResponseError):
            self._health.recover(command, f"{command} works again")
        elif (word := _first_word(reply)) != _OF_ONE_NAME:
            consequence = _CONSEQUENCES.get(command, _CONSEQUENCE)
            self._health.fail(command, word, f"replies {word} to {command}; {consequence}")


def to_milliseconds(time: Any) -> int:
    """Read the reply to TIME."""
    seconds, microseconds = time
    return int(seconds) * 1000 + int(microseconds) // 1000


async def _read_reply(connection: AbstractConnection) -> Any:
    """Read one reply; those after an error reply still follow."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _parse_replication_id(info: Any) -> bytes:
    if not isinstance(info, bytes):
        raise info if isinstance(info, ResponseError) else RedisError
    if not _IS_MASTER.search(info[:_MAX_INFO]):
        raise _WrongServerError("READONLY")
    if found := _REPLICATION_ID.search(info[:_MAX_INFO]):
        return found[1]
    raise RedisError


def _first_word(error: Exception) -> str:
    """Return the first word of an error reply, or the type of another error."""
    if isinstance(error, _WrongServerError):
        return str(error)
    if word := getattr(error, "status_code", None) or _WORDS.get(type(error)):  # type: ignore[arg-type]
        return str(word)
    if isinstance(error, ResponseError):
        found = re.match("[A-Z]+\\b", str(error)[:_MAX_WORD])
        return found[0] if found else "ERR"
    return type(error).__name__


def _fail(pending: _Pending) -> None:
    if not pending.replies.done():
        pending.replies.set_exception(UnavailableError())
        pending.replies.exception()  # a cancelled caller does not retrieve it
