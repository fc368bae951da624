"""The store that replicas share: generations and lists in Redis or Valkey. Needs the extra `redis`.

Laws: whatever Redis does, answers stay right and only become slower. A generation is random and counts
together with the master's replication id, so that none survives a restart, a flush or a fail-over. Every
value carries a keyed check over the name it was written under, and over its end where it is a list: what
another user of Redis writes again is shown no longer than it would have been. Neither names nor values hold
credentials.
"""

import asyncio
import secrets
from typing import Any, Self

from proxy.cache.keys import Key, Owner
from proxy.cache.redis_pipeline import (
    Command,
    RedisHealth,
    RedisPipeline,
    UnavailableError,
    to_milliseconds,
)
from proxy.cache.sealing import Sealing, date, read_date
from proxy.cache.stores import Generation, GenerationTable, OwnerState, SavedList
from proxy.net.redis_url import connections

# In seconds
_CHECKS_TIMEOUT = 0.05
_LISTS_TIMEOUT = 0.25  # which may be megabytes
_LIFETIME = 86_400  # of a generation; where it has ended, another one begins


class RedisStore:
    """Generations and lists in one Redis."""

    saves_lists = True

    def __init__(
        self,
        checks: RedisPipeline,
        lists: RedisPipeline,
        secret: bytes,
        refused_at: "memoryview[float]",
        schema: str = "",
    ) -> None:
        """Use two connections, so that no check waits behind a list. `secret` keys every name and value."""
        self._checks = checks
        self._lists = lists
        self._secret = secret
        sealing = Sealing(secret)
        self._name, self._seal, self._open = sealing.name, sealing.seal, sealing.open
        self.refused_at = refused_at
        self._schema = schema

    @classmethod
    def at(
        cls,
        url: str,
        secret: bytes,
        table: GenerationTable | None = None,
        timeouts: tuple[float, float] = (_CHECKS_TIMEOUT, _LISTS_TIMEOUT),
    ) -> Self:
        """Connect at the first command; refused credentials are told to the other workers through `table`."""
        connect, health = connections(url), RedisHealth()
        checks, lists = (RedisPipeline(connect, each, health) for each in timeouts)
        return cls(checks, lists, secret, (table or GenerationTable()).refused_at)

    @property
    def pipeline(self) -> RedisPipeline:
        """The connection for small commands."""
        return self._checks

    def with_schema(self, schema: str) -> Self:
        """Return the same store, in which only lists of the same schema are seen."""
        return type(self)(self._checks, self._lists, self._secret, self.refused_at, schema)

    def peek(self, owner: Owner) -> None:
        """Return None: another replica may have written since the last command."""

    async def state(self, owner: Owner) -> OwnerState | None:
        """Read the state of an owner's data, and begin a generation where there is none."""
        generation, unsettled = self._state_names(owner)
        try:
            master, ((token, mark),) = await self._checks.execute(("MGET", generation, unsettled))
            if self._open(generation, token) is None:
                master, token = await self._begin(generation, replaces=token is not None)
        except UnavailableError:
            return None
        opened = self._open(generation, token)
        return None if opened is None else OwnerState(master + opened, self._open(unsettled, mark) is None)

    async def _begin(self, generation: bytes, *, replaces: bool) -> tuple[bytes, Any]:
        """Begin a generation; of several replicas that do so at the same time, one wins."""
        sealed = self._seal(generation, secrets.token_bytes(16))
        condition = () if replaces else ("NX",)
        try:
            setting = ("SET", generation, sealed, "EX", _LIFETIME, *condition)
            master, (_, token) = await self._checks.execute(setting, ("GET", generation))
        except UnavailableError:
            await self._checks.execute(("DEL", generation))  # the value may have another type
            raise
        return master, token

    async def advance(self, owner: Owner, unsettled_for: float = 0) -> bool:
        """Delete the generations, which works on a full server too."""
        generations, unsettled = zip(*map(self._state_names, owner.every), strict=True)
        lifetime = "PX", int(unsettled_for * 1000)
        marks = [("SET", each, self._seal(each, b""), *lifetime) for each in unsettled]
        is_marked = not unsettled_for or await self._tell(*marks)
        if not await self._tell(("DEL", *generations)):
            return False
        if not is_marked:  # if this fails too, what the upstream changes later shows when the TTL has passed
            await self._tell(*marks)
        return True

    async def _tell(self, *commands: Command) -> bool:
        """Return whether Redis has carried out all commands."""
        try:
            await self._checks.execute(*commands, insist=True)
        except UnavailableError:
            return False
        return True

    async def load(self, key: Key, generation: Generation) -> SavedList | None:
        """Return the list that another replica has saved; its end is signed: no replay prolongs it."""
        name = self._list_name(key, generation)
        try:
            _, (sealed, ttl) = await self._lists.execute(("GET", name), ("PTTL", name))
            if (dated := self._open(name, sealed)) is None:
                return None
            _, (time,) = await self._lists.execute(("TIME",))
        except UnavailableError:
            return None
        end, content = read_date(dated)
        left = min(ttl, end - to_milliseconds(time))
        return SavedList(content, left / 1000) if left > 0 else None

    async def save(self, key: Key, generation: Generation, saved: SavedList) -> None:
        """Save a list for other replicas, if Redis takes it."""
        name, now = self._list_name(key, generation), asyncio.get_running_loop().time
        until = now() + saved.ttl
        try:
            _, (time,) = await self._lists.execute(("TIME",))
            # By the clock of the server: a command that is delayed does not prolong the list
            end = to_milliseconds(time) + int((until - now()) * 1000)
            sealed = self._seal(name, date(end, saved.content))
            await self._lists.execute(("SET", name, sealed, "PXAT", end))
        except UnavailableError:
            return

    async def close(self) -> None:
        await self._checks.close()
        await self._lists.close()

    def _state_names(self, owner: Owner) -> tuple[bytes, bytes]:
        name = _name_owner(owner)
        return self._name("generation", *name), self._name("settling", *name)

    def _list_name(self, key: Key, generation: Generation) -> bytes:
        whose = *_name_owner(key.owner), *key.reader, key.credential
        return self._name("list", self._schema, *whose, *key.query, generation)


def _name_owner(owner: Owner) -> tuple[str, str, int]:
    return owner.upstream, owner.account, owner.slot
