"""The store that replicas share: generations and lists in Redis or Valkey. Needs the extra `redis`.

Laws: whatever Redis does, answers stay right, only slower. A generation is random, and is told together with
the run of the server that it comes from, so that nothing counts any more after a restart, a flush or a
fail-over. What is read carries a keyed check over the key that it was written under. No credentials are in
keys or values.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from proxy.snapshots.keys import Key, Owner
from proxy.snapshots.stores import Generation, Kept, State

_log = logging.getLogger("proxy.snapshots")

# In seconds
_PATIENCE = 0.05
_PATIENCE_WITH_LISTS = 0.25  # which may be megabytes
_CONNECTING = 1.0
_PAUSE = 1.0  # after a failure
_LIFETIME = 86_400  # of a generation; where it has ended, another one begins

_Command = tuple[bytes | str | int, ...]


class UnavailableError(Exception):
    """Redis does not answer, or not in time, or not what was asked."""


class RedisStore:
    """Generations and lists in one Redis."""

    keeps = True

    def __init__(self, url: str, secret: bytes, dialect: str) -> None:
        """Connect when first asked. `secret` keys the checks; lists of another `dialect` are not seen."""
        pool = ConnectionPool.from_url(
            url,
            socket_timeout=None,
            socket_connect_timeout=_CONNECTING,
            protocol=2,
            driver_info=None,
            retry=Retry(NoBackoff(), 0),
        )
        self._checks = _Line(pool.make_connection, _PATIENCE)
        self._lists = _Line(pool.make_connection, _PATIENCE_WITH_LISTS)
        self._secret = secret
        self._dialect = dialect

    def known(self, owner: Owner) -> None:
        """Know nothing: others may have written meanwhile."""

    async def state(self, owner: Owner) -> State | None:
        """Ask how an owner's data stands; where nobody has told a generation yet, tell one."""
        generation, settling = self._names(owner)
        try:
            run, ((token, unsettled),) = await self._checks.ask(("MGET", generation, settling))
            if self._opened(generation, token) is None:
                run, token = await self._begun(generation, replaces=token is not None)
        except UnavailableError:
            return None
        told = self._opened(generation, token)
        return None if told is None else State(run + told, self._opened(settling, unsettled) is None)

    async def _begun(self, generation: bytes, *, replaces: bool) -> tuple[bytes, Any]:
        """Begin a generation where there is none; of those who do so at the same time one is heeded."""
        made = self._sealed(generation, secrets.token_bytes(16))
        condition = () if replaces else ("NX",)
        try:
            setting = ("SET", generation, made, "EX", _LIFETIME, *condition)
            run, (_, token) = await self._checks.ask(setting, ("GET", generation))
        except UnavailableError:
            await self._checks.ask(("DEL", generation))  # it may be of a type that nobody can read
            raise
        return run, token

    async def next(self, owner: Owner, settles_within: float = 0) -> bool:
        """Tell everybody of a write: the generation goes, which even a full server lets go."""
        generation, settling = self._names(owner)
        try:
            if settles_within:
                lasting = ("PX", int(settles_within * 1000))
                await self._checks.ask(("SET", settling, self._sealed(settling, b""), *lasting), insist=True)
        except UnavailableError:
            pass  # what changes by itself is then seen as soon as a list is no longer fresh
        try:
            await self._checks.ask(("DEL", generation), insist=True)
        except UnavailableError:
            return False
        return True

    async def load(self, key: Key, generation: Generation) -> Kept | None:
        """Return what another replica has kept."""
        name = self._name("list", *key.owner, key.account_sid, key.credential, *key.what, generation)
        try:
            _, (content, left) = await self._lists.ask(("GET", name), ("PTTL", name))
        except UnavailableError:
            return None
        opened = self._opened(name, content)
        return Kept(opened, left / 1000) if opened is not None and left > 0 else None

    async def keep(self, key: Key, generation: Generation, kept: Kept) -> None:
        """Keep a list for other replicas, if Redis takes it."""
        name = self._name("list", *key.owner, key.account_sid, key.credential, *key.what, generation)
        sealed, now = self._sealed(name, kept.content), asyncio.get_running_loop().time
        until = now() + kept.left
        try:
            _, ((seconds, microseconds),) = await self._lists.ask(("TIME",))
            # By the server's clock: however late it is told, the list lives no longer
            end = int(seconds) * 1000 + int(microseconds) // 1000 + int((until - now()) * 1000)
            await self._lists.ask(("SET", name, sealed, "PXAT", end))
        except UnavailableError:
            return

    async def close(self) -> None:
        """Close the connections."""
        await self._checks.close()
        await self._lists.close()

    def _names(self, owner: Owner) -> tuple[bytes, bytes]:
        return self._name("generation", *owner), self._name("settling", *owner)

    def _name(self, kind: str, *parts: object) -> bytes:
        """Return the name of a value: a keyed digest of all that it belongs to."""
        dialect = (self._dialect,) if kind == "list" else ()
        digest = self._digest(repr((kind, *dialect, *parts)).encode("utf-8", "surrogatepass"))
        return f"callerid-proxy:{kind}:{digest.hex()}".encode()

    def _sealed(self, name: bytes, content: bytes) -> bytes:
        return self._digest(name, content) + content

    def _opened(self, name: bytes, sealed: Any) -> bytes | None:
        """Return what was written under a name; None for nothing, and for what was not written so."""
        if not isinstance(sealed, bytes):
            return None
        check, content = sealed[:_CHECK], sealed[_CHECK:]
        return content if hmac.compare_digest(check, self._digest(name, content)) else None

    def _digest(self, *parts: bytes) -> bytes:
        digest = hmac.new(self._secret, digestmod=hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()[:_CHECK]


_CHECK = 16  # bytes


class _Asked(NamedTuple):
    commands: Sequence[_Command]
    answer: "asyncio.Future[tuple[bytes, Sequence[Any]]]"


class _Line:
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

    async def ask(self, *commands: _Command, insist: bool = False) -> tuple[bytes, Sequence[Any]]:
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

    async def _exchange(self, commands: Sequence[_Command]) -> Any:
        if (connection := self._connection) is None:
            async with asyncio.timeout(_CONNECTING):
                connection = await self._call()
        async with asyncio.timeout(self._patience):
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            return iter([await _reply(connection) for _ in commands])

    async def _call(self) -> AbstractConnection:
        connection = self._connection = self._connect()
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command("INFO", "server", check_health=False)
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
    for line in bytes(info).splitlines():
        name, _, value = line.partition(b":")
        if name == b"run_id":
            return value.strip()
    raise RedisError("the server does not tell its run_id")
