"""Writes, listings, pages and faults at once, on two replicas with two workers, while Redis comes and goes.

Redis changes its master too. Each round has its own account, and several clients that read and write at
random, with two tokens. No answer is older than the writes acknowledged before its request (G2), shows data
of another account or token (G3), or has attributes that disagree with its elements (G4), and no number is
called more often than requested (G1).
"""

import asyncio
import base64
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from lxml import etree
from support.changing_upstream import ChangingUpstream, Faults, changing_upstream, first_sids, number_of
from support.processes import running
from support.relay import Relay, relay
from support.valkey import Server, fail_over, running_pair
from support.wire import Message, ask

TOKENS = ("one", "two")
AT_ONCE = 12
"""Concurrent rounds."""


FAILURES = (429, 502, 503, 504)
"""While Redis comes and goes, logins that are under way stay counted, so that a peer may be locked out."""


@dataclass
class Round:
    """An account, the acknowledged writes and the attempted ones."""

    account: str
    chance: random.Random
    ports: Sequence[int]
    acknowledged: dict[str, int] = field(default_factory=dict)
    """Sid → the latest acknowledged version."""
    tried: dict[str, int] = field(default_factory=dict)
    """Sid → the latest version that was requested."""
    gone: set[str] = field(default_factory=set)
    """Sids whose deletion was acknowledged."""
    maybe_gone: set[str] = field(default_factory=set)
    """Sids whose deletion was attempted."""
    unsure: set[str] = field(default_factory=set)
    """Sids with a rename in flight, or one whose outcome is unknown."""
    history: list[str] = field(default_factory=list)
    """Requests and answers, for the message of a failure."""
    validated: dict[str, int] = field(default_factory=dict)
    """Number → how often its validation was requested."""

    def __post_init__(self) -> None:
        self.acknowledged = dict.fromkeys(first_sids(self.account), 0)
        self.tried = dict(self.acknowledged)

    async def go_on(self, steps: int) -> None:
        """Carry out random steps."""
        for _ in range(steps):
            step = self.chance.choices(
                [self.look, self.look_at_one, self.filter, self.rename, self.delete, self.validate],
                [6, 4, 2, 4, 1, 0.3],
            )[0]
            if self.chance.random() < 0.1:  # hangs up
                disconnecting = asyncio.create_task(step())
                await asyncio.sleep(self.chance.random() * 0.01)
                disconnecting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await disconnecting
            else:
                await step()

    # What is shown

    async def look(self) -> None:
        size = self.chance.choice([1, 3, 5, 50, 50, 1000])
        number = self.chance.choice([0, 0, 1, 2, 7])
        least, gone = dict(self.acknowledged), set(self.gone)
        answer, token = await self._ask("GET", f"?page={number}&num={size}")
        if answer.status != 200:
            assert answer.status in FAILURES
            return
        listed = etree.fromstring(answer.body)[0]
        shown = self._shown(listed, token, least, gone)
        check_attributes(listed, number, size, len(shown))
        if int(str(listed.get("total"))) == len(shown):
            assert shown.keys() >= least.keys() - self.maybe_gone

    async def look_at_one(self) -> None:
        sid = self.chance.choice([*self.acknowledged])
        least, gone = dict(self.acknowledged), set(self.gone)
        answer, token = await self._ask("GET", f"/{sid}")
        if answer.status == 404:
            assert sid in self.maybe_gone
        elif answer.status != 200:
            assert answer.status in FAILURES
        else:
            self._shown(etree.fromstring(answer.body), token, least, gone)

    async def filter(self) -> None:
        """Look for a name that something has, or had before it was renamed."""
        sid = self.chance.choice([*self.acknowledged])
        version = self.chance.randint(0, self.tried[sid])
        least, gone = dict(self.acknowledged), set(self.gone)
        token = self.chance.choice(TOKENS)
        name = quote(f"{self.account} {token} {version}")
        answer, _ = await self._ask("GET", f"?num=1000&FriendlyName={name}", token)
        if answer.status == 200:
            listed = etree.fromstring(answer.body)[0]
            shown = self._shown(listed, token, least, gone)
            assert set(shown.values()) <= {version}
            check_attributes(listed, 0, 1000, len(shown))
            if least[sid] == self.tried[sid] == version and sid not in self.maybe_gone:
                assert sid in shown

    def _shown(
        self, shown: etree._Element, token: str, least: Mapping[str, int], gone: set[str]
    ) -> Mapping[str, int]:
        """Return the versions that an answer shows, by Sid."""
        versions: dict[str, int] = {}
        for item in shown.iter("OutgoingCallerId"):
            sid = str(item.findtext("Sid"))
            account, of_token, version = str(item.findtext("FriendlyName")).split(" ")
            assert (account, of_token) == (self.account, token)
            assert item.findtext("AccountSid") == self.account
            assert "+1" + str(item.findtext("PhoneNumber")) == number_of(sid)
            assert sid not in gone, "shown after its deletion was acknowledged"
            assert least.get(sid, 0) <= int(version) <= self.tried.get(sid, 0), "out of date"
            versions[sid] = int(version)
        return versions

    # What is written

    async def rename(self) -> None:
        sid = self.chance.choice([*self.acknowledged])
        if sid in self.unsure:  # the order of two concurrent renames is unknown
            return
        self.unsure.add(sid)
        version = self.tried[sid] = self.tried[sid] + 1
        answer, _ = await self._ask("PUT", f"/{sid}", body=f"FriendlyName={version}")
        if answer.status == 200:
            self.unsure.remove(sid)
            self.acknowledged[sid] = version

    async def delete(self) -> None:
        sid = self.chance.choice([*self.acknowledged])
        self.maybe_gone.add(sid)
        answer, _ = await self._ask("DELETE", f"/{sid}")
        if answer.status == 204:
            self.gone.add(sid)

    async def validate(self) -> None:
        number = f"+1415{self.chance.randrange(10_000_000):07}"
        self.validated[number] = self.validated.get(number, 0) + 1
        sid = f"PN{self.account[2:18]}{int(number[5:]):016x}"
        self.maybe_gone.discard(sid)
        self.tried[sid] = 0
        answer, _ = await self._ask("POST", "", body=f"PhoneNumber={quote(number)}")
        if answer.status == 200:
            self.acknowledged[sid] = 0

    async def _ask(
        self, method: str, rest: str, token: str | None = None, body: str = ""
    ) -> tuple[Message, str]:
        token = token or self.chance.choice(TOKENS)
        login = base64.b64encode(f"{self.account}:{token}".encode()).decode()
        headers = (
            ("Host", "x"),
            ("Authorization", f"Basic {login}"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        )
        start = f"{method} /2008-08-01/Accounts/{self.account}/OutgoingCallerIds{rest} HTTP/1.1"
        port = self.chance.choice(self.ports)
        began = time.monotonic()
        answer = await ask(port, Message(start, headers, body.encode()).encode())
        when = f"{began:.3f} to {time.monotonic():.3f} at {port}"
        self.history.append(f"{when}: {method} {rest} {body} {token}: {answer.status} {answer.body[-999:]!r}")
        return answer, token


def check_attributes(listed: etree._Element, number: int, size: int, count: int) -> None:
    """Compare every attribute of a list with the request and the elements."""
    total = int(str(listed.get("total")))
    assert count == max(0, min(size, total - number * size))
    assert {str(name): str(value) for name, value in listed.attrib.items()} == {
        "page": str(number),
        "numpages": str(-(-total // size)),
        "pagesize": str(size),
        "total": str(total),
        "start": str(number * size if count else 0),
        "end": str(number * size + count - 1 if count else 0),
    }


@contextmanager
def replica(folder: Path, upstream: ChangingUpstream, redis: str) -> Iterator[int]:
    """Run a replica of two workers; yields its port."""
    file = folder / f"{redis.rpartition(':')[2]}.yaml"
    remembered = f'{{fresh: 1.5, stale: 0.5, replicas: 2, redis: {{url: "{redis}"}}}}'
    file.write_text(
        f"listen: 127.0.0.1:0\nupstream: {{base_url: {upstream.url}}}\nsnapshots: {remembered}\n",
        encoding="utf-8",
    )
    with running("serve", "--config", file, "--workers", "2") as server:
        address = server.until(r"legacy API +http://127\.0\.0\.1:(\d+)/2008-08-01")
        yield int(address)
        assert server.stop() == 0


async def disturb(
    chance: random.Random, pair: list[Server], ways: Sequence[Relay], upstream: ChangingUpstream
) -> None:
    """Cause one fault after the other, until this is cancelled."""
    while True:
        upstream.faults = Faults(
            before=chance.choice([0, 0, 0.05]),
            after=chance.choice([0, 0, 0.05]),
            slow=chance.choice([0, 0.002, 0.02]),
        )
        await asyncio.sleep(chance.random())
        match chance.choice(["restart", "freeze", "cut", "flush", "fail over", "nothing"]):
            case "restart":
                pair[0].stop()
                await asyncio.sleep(chance.random() * 0.3)
                await asyncio.to_thread(pair[0].start)
            case "freeze":
                with pair[0].frozen():
                    await asyncio.sleep(chance.random() * 0.3)
            case "cut":
                ways[1].cut()
                await asyncio.sleep(chance.random() * 0.5)
                ways[1].mend()
            case "flush":
                await asyncio.to_thread(pair[0].client.flushall)
            case "fail over":
                await asyncio.to_thread(partial(fail_over, pair, is_reached=chance.random() < 0.7))
                for way in ways:  # connections to the old master stay, but for some
                    way.lead_to(pair[0].port)
                    if chance.random() < 0.3:
                        way.cut()
                        way.mend()


@contextlib.asynccontextmanager
async def everything(
    folder: Path, chance: random.Random
) -> AsyncIterator[tuple[ChangingUpstream, Sequence[int]]]:
    """Run the upstream, Redis, two replicas and the faults; yields the ports of the replicas."""
    async with AsyncExitStack() as stack:
        pair = stack.enter_context(running_pair())
        upstream = await stack.enter_async_context(changing_upstream(chance))
        ways = [await stack.enter_async_context(relay(pair[0].port)) for _ in range(2)]
        with ExitStack() as replicas:
            ports = [replicas.enter_context(replica(folder, upstream, way.url)) for way in ways]
            trouble = asyncio.create_task(disturb(chance, pair, ways, upstream))
            try:
                yield upstream, ports
            finally:
                trouble.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await trouble


@pytest.mark.timeout(3600)
async def test_nothing_is_stale_mixed_up_or_inconsistent(tmp_path: Path, full: bool) -> None:
    rounds = 10_000 if full else 150
    chance = random.Random(rounds)
    numbers = iter(range(rounds))

    async def run_rounds(upstream: ChangingUpstream, ports: Sequence[int]) -> None:
        for number in numbers:
            played = Round(f"AC{chance.getrandbits(64):016x}{number:016x}", chance, ports)
            try:
                await asyncio.gather(*(played.go_on(chance.randint(2, 5)) for _ in range(3)))
                await played.look()
                for called, times in played.validated.items():
                    assert upstream.validations.get((played.account, called), 0) <= times
            except AssertionError as error:
                error.add_note("\n".join(played.history))
                raise

    async with everything(tmp_path, chance) as (upstream, ports), asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(run_rounds(upstream, ports))
