"""The store that replicas share: generations and lists in Redis or Valkey. Needs the extra `redis`.

Laws: whatever Redis does, answers stay right, only slower. A generation is random, and is told together with
the run of the server that it comes from, so that nothing counts any more after a restart, a flush or a
fail-over. What is read carries a keyed check over the key that it was written under. No credentials are in
keys or values.
"""

import asyncio
import hashlib
import hmac
import secrets
from typing import Any, Self

from redis.asyncio import ConnectionPool

from proxy.cache.keys import Key, Owner
from proxy.cache.redis_pipeline import Line, UnavailableError
from proxy.cache.stores import Generation, GenerationTable, Kept, State

# In seconds
_PATIENCE = 0.05
_PATIENCE_WITH_LISTS = 0.25  # which may be megabytes
_LIFETIME = 86_400  # of a generation; where it has ended, another one begins


class RedisStore:
    """Generations and lists in one Redis."""

    keeps = True

    def __init__(
        self, checks: Line, lists: Line, secret: bytes, refused: "memoryview[float]", dialect: str = ""
    ) -> None:
        """Ask over two lines, so that no check waits for a list. `secret` keys what is written."""
        self._checks = checks
        self._lists = lists
        self._secret = secret
        self.refused = refused
        self._dialect = dialect

    @classmethod
    def at(
        cls,
        url: str,
        secret: bytes,
        counters: GenerationTable | None = None,
        patience: tuple[float, float] = (_PATIENCE, _PATIENCE_WITH_LISTS),
    ) -> Self:
        """Connect when first asked; of refusals the workers hear through `counters`."""
        pool = ConnectionPool.from_url(url, socket_timeout=None, protocol=2, driver_info=None)
        checks, lists = (Line(pool.make_connection, each) for each in patience)
        return cls(checks, lists, secret, (counters or GenerationTable()).refused)

    def with_schema(self, dialect: str) -> Self:
        """Return the same store; lists of another dialect are not seen."""
        return type(self)(self._checks, self._lists, self._secret, self.refused, dialect)

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
        name = self._name_of_list(key, generation)
        try:
            _, (content, left) = await self._lists.ask(("GET", name), ("PTTL", name))
        except UnavailableError:
            return None
        opened = self._opened(name, content)
        return Kept(opened, left / 1000) if opened is not None and left > 0 else None

    async def keep(self, key: Key, generation: Generation, kept: Kept) -> None:
        """Keep a list for other replicas, if Redis takes it."""
        name = self._name_of_list(key, generation)
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

    def _name_of_list(self, key: Key, generation: Generation) -> bytes:
        whose = *key.owner, key.account_sid, key.credential
        return self._name("list", self._dialect, *whose, *key.what, generation)

    def _name(self, kind: str, *parts: object) -> bytes:
        """Return the name of a value: a keyed digest of all that it belongs to."""
        digest = self._digest(repr((kind, *parts)).encode())
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
