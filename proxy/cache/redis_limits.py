"""Token buckets and records that replicas share in Redis or Valkey. Needs the extra `redis`.

Laws: every take is counted on this host too, so a Redis that is emptied, or is lost, never allows one host
more than a bucket has. While Redis does not answer, each host has only its share of the tokens: at most half.
Names are keyed digests; what is stored is signed, and holds no credential.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from proxy.cache.redis_pipeline import Command, RedisPipeline, UnavailableError, to_milliseconds
from proxy.cache.sealing import Sealing, date, read_date
from proxy.cache.shared_records import MemoryRecords
from proxy.cache.token_buckets import Bucket, Limit, Purpose, Refusal, SharedTokenBuckets, Ticket

_UNSURE = 10.0  # seconds to wait where this host has no token of its own
_MASTER = 8  # bytes of a digest
_ALONE = bytes(_MASTER)  # Redis has not taken a record
_TELL_EACH = 0.5
"""Seconds between attempts to tell Redis of takes that it has not counted: before its pause has ended."""
_TOLD = frozenset({Purpose.CALLS, Purpose.CODES})
"""What Redis is told of afterwards; logins are too many, and are over within a minute."""
_AT_ONCE = 100  # takes
_LEAST_HOSTS = 2
"""Hosts that share a bucket while Redis does not answer, whatever `snapshots.replicas` says."""

# Each token is a member of a sorted set, with the time at which it comes back as its score. All or none are
# taken. What is sent twice is taken once. No token is out for longer than the limit says from now on, if the
# clock of the server has gone back, or the limit was another one.
_BEGIN = """\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, name in ipairs(KEYS) do
  if redis.call('TYPE', name).ok ~= 'zset' then
    redis.call('DEL', name)
  end
end
"""
_TAKE = (
    _BEGIN
    + """\
for place, name in ipairs(KEYS) do
  local tokens, latest = tonumber(ARGV[2 * place]), now + ARGV[2 * place + 1]
  redis.call('ZREMRANGEBYSCORE', name, '-inf', now)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', name, '(' .. latest, '+inf', 'LIMIT', 0, 1000)) do
    redis.call('ZADD', name, latest, member)
  end
  local excess = redis.call('ZCARD', name) - tokens
  if excess >= 0 and not redis.call('ZSCORE', name, ARGV[1]) then
    return {place, redis.call('ZRANGE', name, excess, excess, 'WITHSCORES')[2] - now}
  end
end
for place, name in ipairs(KEYS) do
  local within = tonumber(ARGV[2 * place + 1])
  redis.call('ZADD', name, now + within, ARGV[1])
  redis.call('PEXPIRE', name, math.max(within, redis.call('PTTL', name)))
end
return {0, 0}
"""
)

_TELL = (
    _BEGIN
    + """\
for place, name in ipairs(KEYS) do
  local left = tonumber(ARGV[place + 1])
  redis.call('ZADD', name, now + left, ARGV[1])
  redis.call('PEXPIRE', name, math.max(left, redis.call('PTTL', name)))
end
return 1
"""
)


class RedisTokenBuckets:
    """Buckets in one Redis, and in the memory of this host.

    What a host takes while Redis does not answer is told as soon as it does: else all tokens could be taken
    once more.
    """

    def __init__(
        self, pipeline: RedisPipeline, secret: bytes, local: SharedTokenBuckets, hosts: int = _LEAST_HOSTS
    ) -> None:
        """Share buckets with so many hosts; `secret` keys every name."""
        self._pipeline = pipeline
        self._sealing = Sealing(secret)
        self._local = local
        self._untold: dict[str, Ticket] = {}
        """Takes that Redis may not have counted, by the name of their tokens."""
        self._telling: asyncio.Task[None] | None = None
        self.follow(hosts)

    def follow(self, hosts: int) -> None:
        self._hosts = max(hosts, _LEAST_HOSTS)

    async def take(self, *buckets: Bucket) -> Ticket | Refusal:
        taken = self._local.take_now(*buckets)
        if isinstance(taken, Refusal):
            return taken
        ticket = taken._replace(member=secrets.token_hex(8))
        try:
            place, milliseconds = await self._take_shared(ticket)
        except UnavailableError:
            return self._take_share(ticket)
        except BaseException:
            self._local.give_back_now(ticket)
            raise
        if not place:
            return ticket
        self._local.give_back_now(ticket)
        refusal = Refusal(buckets[place - 1], max(milliseconds, 1) / 1000)
        if refusal.bucket.purpose is Purpose.LOGINS:  # else known credentials would tell that they are right
            self._local.exhaust(refusal.bucket, refusal.seconds)
        return refusal

    async def give_back(self, ticket: Ticket) -> None:
        self._local.give_back_now(ticket)
        self._untold.pop(ticket.member, None)
        with suppress(UnavailableError):  # they come back by themselves
            await self._pipeline.execute(*(("ZREM", name, ticket.member) for name in self._names(ticket)))

    def may_refuse(self, purpose: Purpose) -> bool:
        return self._local.may_refuse(purpose)

    def seconds_left(self, bucket: Bucket) -> float:
        return self._local.seconds_left(bucket)

    async def _take_shared(self, ticket: Ticket) -> tuple[int, int]:
        names = self._names(ticket)
        limits = [number for each in ticket.buckets for number in _numbers(each.limit)]
        command: Command = ("EVAL", _TAKE, len(names), *names, ticket.member, *limits)
        _, (reply,) = await self._pipeline.execute(command)
        match reply:
            case [int(place), int(milliseconds)] if 0 <= place <= len(names):
                return place, milliseconds
        raise UnavailableError

    def _take_share(self, ticket: Ticket) -> Ticket | Refusal:
        """Take again, out of buckets with the tokens that are this host's alone."""
        self._local.give_back_now(ticket)
        shares = [
            each._replace(limit=each.limit._replace(tokens=each.limit.tokens // self._hosts))
            for each in ticket.buckets
        ]
        for share in shares:
            if not share.limit.tokens:
                return Refusal(share, _UNSURE)
        taken = self._local.take_now(*shares)
        if isinstance(taken, Refusal):
            return taken
        # Redis may have counted this take, though its reply is lost
        taken = taken._replace(member=ticket.member)
        if _TOLD.issuperset(each.purpose for each in shares):
            self._untold[taken.member] = taken
            self._telling = self._telling or asyncio.create_task(self._tell_untold())
        return taken

    async def _tell_untold(self) -> None:
        """Tell Redis of takes until it has been told of all, or their tokens have come back."""
        clock = asyncio.get_running_loop().time
        try:
            while self._untold:
                await asyncio.sleep(_TELL_EACH)
                await self._tell_some(clock())
        finally:
            self._telling = None

    async def _tell_some(self, now: float) -> None:
        some = list(islice(self._untold.items(), _AT_ONCE))
        out = {name: each for name, each in some if max(at for _, _, at in each.slots) > now}
        told = {name for name, _ in some}
        try:
            commands = [self._told(ticket, now) for ticket in out.values()]
            await self._pipeline.execute(*commands, insist=True)
        except UnavailableError:
            told -= out.keys()
        for name in told:
            self._untold.pop(name, None)

    def _told(self, ticket: Ticket, now: float) -> Command:
        names = self._names(ticket)
        left = [max(1, int((at - now) * 1000)) for _, _, at in ticket.slots]
        return "EVAL", _TELL, len(names), *names, ticket.member, *left

    def _names(self, ticket: Ticket) -> list[bytes]:
        return [
            self._sealing.name("tokens", each.purpose.value, each.name, each.key) for each in ticket.buckets
        ]


def _numbers(limit: Limit) -> tuple[int, int]:
    return limit.tokens, max(1, int(limit.within * 1000))


class RedisRecords:
    """Records in one Redis, and in the memory of this host."""

    def __init__(self, pipeline: RedisPipeline, secret: bytes, local: MemoryRecords) -> None:
        """Store every record in both; `secret` keys names and signs contents."""
        self._pipeline = pipeline
        self._sealing = Sealing(secret)
        self._local = local

    def has_room(self, group: str) -> bool:
        return self._local.has_room(group)

    async def put(self, group: str, key: str, content: bytes, ttl: float) -> bool:
        name, field, lifetime = self._name(group), key.encode(), int(ttl * 1000)
        origin, dated = _ALONE, date(int(time.time() * 1000) + lifetime, content)
        try:
            # By the clock of the server: those of two hosts may differ
            _, (now,) = await self._pipeline.execute(("TIME",), insist=True)
            dated = date(to_milliseconds(now) + lifetime, content)
            setting = "HSET", name, field, self._sealing.seal(name + field, dated)
            master, _ = await self._pipeline.execute(setting, ("PEXPIRE", name, lifetime), insist=True)
            origin = _digest_master(master)
        except UnavailableError:
            pass
        return await self._local.put(group, key, origin + dated, ttl)

    async def find(self, group: str) -> Mapping[str, bytes]:
        """Return the records of both; of a key that both have, the later one.

        A record that was shared, and is not in Redis any more, has been removed by another host, unless this
        Redis is not the one that took it: that one has been restarted, or replaced, and may have lost it.
        """
        local, name = await self._local.find(group), self._name(group)
        try:
            master, (fields, server_time) = await self._pipeline.execute(("HGETALL", name), ("TIME",))
        except UnavailableError:
            return {key: read_date(held[_MASTER:])[1] for key, held in local.items()}
        taken_by, now = _digest_master(master), to_milliseconds(server_time)
        found = {key: held[_MASTER:] for key, held in local.items() if not held.startswith(taken_by)}
        for field, sealed in _pairs(fields):
            dated = self._sealing.open(name + field, sealed)
            if dated is not None and read_date(dated)[0] > now:
                key = field.decode(errors="replace")
                found[key] = max(found.get(key, b""), dated)
        return {key: read_date(dated)[1] for key, dated in found.items()}

    async def remove(self, group: str, key: str) -> None:
        await self._local.remove(group, key)
        with suppress(UnavailableError):  # its time passes
            await self._pipeline.execute(("HDEL", self._name(group), key.encode()), insist=True)

    def _name(self, group: str) -> bytes:
        return self._sealing.name("records", group)


def _digest_master(replication_id: bytes) -> bytes:
    return hashlib.blake2b(replication_id, digest_size=_MASTER).digest()


def _pairs(reply: Any) -> list[tuple[bytes, Any]]:
    """Read the reply to HGETALL, as RESP 2 writes it."""
    fields = reply if isinstance(reply, list) else []
    return list(zip(fields[::2], fields[1::2], strict=False))
