"""Failed logins: a peer that guesses at tokens is soon locked out.

Laws: of one peer, never more than twenty tokens a minute for one account turn out to be wrong, nor more than
two hundred in all; other peers and other accounts are not affected; a login that succeeds changes nothing.
Workers and replicas count together. A token counts from the beginning of its first login, unless it is known
to be right: so many at the same time are judged as one after another (hardening.md section 1, row 32).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple, TypeVar

from proxy.cache import Bucket, Limit, Purpose, Refusal, Ticket, TokenBuckets
from proxy.model import Credentials

_TO_ONE_ACCOUNT, _IN_ALL = Limit(20, 60), Limit(200, 60)
_MAX_WAIT = 0.75  # seconds
_Take = Callable[[Bucket], Awaitable[Ticket | Refusal]]


class Login(NamedTuple):
    """An attempt of a peer to log in."""

    peer: str
    credentials: Credentials
    digest: bytes
    """Of the credentials."""

    @property
    def pair(self) -> Bucket:
        """The tokens of the peer and the account."""
        # The user names that clients send may hold any character; the length keeps two pairs apart
        key = f"{len(self.peer)}:{self.peer}{self.credentials.username}"
        return Bucket(Purpose.LOGINS, "peer and account", key, _TO_ONE_ACCOUNT)

    @property
    def total(self) -> Bucket:
        """The tokens of the peer."""
        return Bucket(Purpose.PEERS, "logins of a peer", self.peer, _IN_ALL)


class LockedOutError(Exception):
    """A peer is locked out."""

    def __init__(self, seconds: float) -> None:
        """Say for how many seconds it still is."""
        super().__init__()
        self.seconds = seconds


class Judgement:
    """What a login has led to."""

    has_failed = False


class FailedLogins:
    """The failed logins of the last minute."""

    def __init__(self, buckets: TokenBuckets) -> None:
        """Count in `buckets`."""
        self._buckets = buckets
        self._being_judged: Counter[tuple[str, bytes]] = Counter()
        """By peer and credentials: how many logins are under way, of which the first one has been counted."""
        self._counted: Counter[str] = Counter()
        """By peer and account: how many of these have been counted."""
        self._waiting: dict[str, dict[asyncio.Future[None], None]] = {}
        """By peer and account: logins that wait for one of these to end, in order."""

    def may_lock_out(self) -> bool:
        """Whether any peer may be locked out of an account at the moment, which is cheap to know."""
        return self._buckets.may_refuse(Purpose.LOGINS)

    def seconds_left(self, login: Login) -> float:
        """Return for how many seconds a peer is locked out of an account, as far as this host knows."""
        return self._buckets.seconds_left(login.pair)

    @asynccontextmanager
    async def judging(self, login: Login, *, is_known: bool) -> AsyncIterator[Judgement]:
        """Count a login while the block finds out whether it fails; LockedOutError where it may not be tried.

        With credentials that are known to be right, or that are being judged, it counts only if it fails.
        """
        judgement, tickets = Judgement(), list[Ticket]()
        key = login.peer, login.digest
        if is_known:
            await self._take_pair(login, self._look)
        elif not self._being_judged[key]:
            tickets = await self._begin(login)
        pair = login.pair.key
        self._being_judged[key] += 1
        if tickets:
            self._counted[pair] += 1
        try:
            yield judgement
        finally:
            _count_down(self._being_judged, key)
            if tickets:
                _count_down(self._counted, pair)
            if judgement.has_failed and not tickets:
                await self.add(login)
            elif not judgement.has_failed:
                for ticket in tickets:
                    await self._buckets.give_back(ticket)
            following = next((each for each in self._waiting.get(pair, ()) if not each.done()), None)
            if following:
                following.set_result(None)

    async def add(self, login: Login) -> None:
        """Count a login that has failed."""
        await self._buckets.take(login.pair)
        await self._buckets.take(login.total)

    async def _begin(self, login: Login) -> list[Ticket]:
        """Take both tokens; where the table has no room for one, the other one has to do.

        The first one stays out where the second one is refused: else refusals of the second would tell which
        token is known to be right, as often as a peer likes.
        """
        pair = await self._take_pair(login, self._buckets.take)
        limit = _TO_ONE_ACCOUNT if isinstance(pair, Refusal) else _IN_ALL
        total = await self._buckets.take(login.total._replace(limit=limit))
        if isinstance(total, Refusal) and not (total.is_full and isinstance(pair, Ticket)):
            raise LockedOutError(total.seconds)
        return [each for each in (pair, total) if isinstance(each, Ticket)]

    async def _look(self, bucket: Bucket) -> Ticket | Refusal:
        """Take nothing."""
        seconds = self._buckets.seconds_left(bucket)
        return Refusal(bucket, seconds) if seconds else Ticket((), ())

    async def _take_pair(self, login: Login, take: _Take) -> Ticket | Refusal:
        """Take a token; where all are out for logins under way, wait a moment for what these lead to.

        LockedOutError where there is none; a Refusal only where the table has no room.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _MAX_WAIT
        while True:
            taken = await take(login.pair)
            if isinstance(taken, Ticket) or taken.is_full:
                return taken
            if not self._counted[login.pair.key] or loop.time() >= give_up_at:
                raise LockedOutError(taken.seconds)
            waiting = self._waiting.setdefault(login.pair.key, {})
            waiting[waiter := loop.create_future()] = None
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(give_up_at):
                        await waiter
            finally:
                del waiting[waiter]
                if not waiting:
                    self._waiting.pop(login.pair.key, None)


K = TypeVar("K")


def _count_down(counts: Counter[K], key: K) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
