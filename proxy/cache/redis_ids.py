"""Ids in Redis, which all replicas share. Needs the extra `redis`.

Nothing is signed: a Sid is a keyed digest of its id, so an id that another program has written is recognised.
"""

from collections.abc import Sequence

from proxy.cache.redis_pipeline import RedisPipeline, UnavailableError
from proxy.profile.id_memory import IdStoreError, StoredId

_PREFIX = "callerid-proxy:id:"
_AT_ONCE = 500  # commands of a batch
_UNAVAILABLE = "Redis does not answer"


class RedisIds:
    """Keeps ids in Redis, without an end."""

    def __init__(self, pipeline: RedisPipeline) -> None:
        self._pipeline = pipeline

    async def load(self, sid: str) -> str | None:
        try:
            _, (found,) = await self._pipeline.execute(("GET", f"{_PREFIX}{sid}"))
        except UnavailableError:
            raise IdStoreError(_UNAVAILABLE) from None
        return found.decode(errors="replace") if isinstance(found, bytes) else None

    async def save(self, ids: Sequence[StoredId]) -> None:
        try:
            for start in range(0, len(ids), _AT_ONCE):
                part = ids[start : start + _AT_ONCE]
                commands = [("SET", f"{_PREFIX}{sid}", upstream_id) for sid, upstream_id in part]
                await self._pipeline.execute(*commands)
        except UnavailableError:
            raise IdStoreError(_UNAVAILABLE) from None
