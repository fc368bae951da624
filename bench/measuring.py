"""Measurements, each alternating with the pass-through: A B A B."""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from typing import NamedTuple

from lxml import etree

from bench.data import Owner, Question, ask, legacy_path, the_instances, the_list
from bench.load import Asked, Outcome, connected
from bench.peers.table import OURS, PASS_THROUGH, SNAPSHOT, Peer, ours, started
from bench.processes import Cores, Server, cores, free_port, running
from bench.tools import UnavailableError

CONNECTIONS = 32
_FIFTY = Owner(50)
_LEAST = 200  # requests of a run; as many lists at a time are too many for any cache of dates
_UNTIL_ALL_ARE_THERE = 1  # second

Metrics = dict[str, float | None]
"""By name; None if not available."""


class Case(NamedTuple):
    """Requests of one kind."""

    name: str
    questions: tuple[Question, ...]
    new_each_time: bool = False
    """Whether every round requests lists that were never requested before."""


INSTANCE = Case("instance", tuple(the_instances(_FIFTY)))
# As many credentials as concurrent requests: equal requests with equal credentials share a listing
LIST = Case("list", tuple(the_list(_FIFTY, caller=number) for number in range(2 * CONNECTIONS)))
CHANGED = Case(
    "list, changed",
    tuple(the_list(Owner(50, changes=True), caller=number) for number in range(2 * CONNECTIONS)),
)
COLD = Case("list, new dates", (), new_each_time=True)

_seeds = count(1)


class Extent(NamedTuple):
    """How long a comparison is."""

    sittings: int
    """How often all servers are started anew: a process may be lucky in its memory, a machine busy."""
    rounds: int
    """Of each case in a sitting."""
    seconds: float
    """CPU time of a run."""
    least: int = _LEAST
    """Requests of a run, however long it takes."""


@dataclass(frozen=True, slots=True)
class Run:
    """One round of one peer."""

    cpu: float
    """Seconds per request."""
    throughput: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Row:
    """A peer in one case: medians over the rounds."""

    case: str
    peer: str
    ours: bool
    ratio: float | None = None
    """CPU per request against the pass-through's of the same round; None where the peer cannot be had."""
    p99_ratio: float | None = None
    throughput_ratio: float | None = None
    run: Run | None = None
    why_not: str = ""


# Servers


@contextmanager
def upstream(on: Cores) -> Iterator[Server]:
    """Run the canned upstream."""
    port = free_port()
    with running([sys.executable, "-m", "bench.upstream", str(port)], port, on) as server:
        yield server


@asynccontextmanager
async def calls_counted(port: int) -> AsyncIterator[list[int]]:
    """Yield a list that holds, after the block, how often the upstream was called within it."""
    counted: list[int] = []
    async with connected(port, 1) as pool:
        before = int(await pool.ask(ask("/_calls")))
        yield counted
        counted.append(int(await pool.ask(ask("/_calls"))) - before)


# Rounds


async def _run(server: Server, first: Asked, requests: Sequence[Asked], total: int) -> Run:
    """Send `total` requests; the cost of opening connections, up to the answer to `first`, does not count."""
    async with connected(server.port, CONNECTIONS) as pool:
        await pool.run([first], 2 * CONNECTIONS)
        before = server.cpu()
        outcome = await pool.run(requests, total)
        return _summary(server.cpu() - before, outcome)


def _summary(cpu: float, outcome: Outcome) -> Run:
    total = len(outcome.latencies)
    return Run(cpu / total, outcome.throughput, outcome.quantile(0.5), outcome.quantile(0.99))


def median_run(runs: Sequence[Run]) -> Run:
    """Return the median of each figure."""
    return Run(
        *(statistics.median(values) for values in zip(*(asdict(run).values() for run in runs), strict=True))
    )


def same_xml(one: bytes, other: bytes) -> bool:
    """Whether two documents say the same."""
    return one == other or _canonical(one) == _canonical(other)


def _canonical(document: bytes) -> bytes:
    try:
        return etree.tostring(etree.fromstring(document), method="c14n")
    except etree.XMLSyntaxError:
        return b"no XML: " + document


_Pair = tuple[Run, Run]
"""One round: of the pass-through, and of a peer."""


class Comparison:
    """A pass-through, which alternates with each peer; in each sitting it is another process."""

    def __init__(self, modern: Server, on: Cores, extent: Extent) -> None:
        self._modern, self._on, self._extent = modern, on, extent
        self._pairs: dict[tuple[Peer, Case], list[_Pair]] = {}
        self._unavailable: dict[tuple[Peer, Case], str] = {}
        self._expected: dict[bytes, bytes] = {}

    async def expect(self) -> None:
        """Keep our answers: every peer's XML has to be equal."""
        with started(OURS, self._modern.port, self._on) as server:
            async with connected(server.port, 1) as pool:
                for question in (*LIST.questions, *INSTANCE.questions):
                    self._expected[question.legacy] = await pool.ask(question.legacy)

    async def measure(self, peer: Peer, cases: Sequence[Case], yardstick: Server) -> None:
        """Check the answers of a peer, then measure it in every case."""
        try:
            with started(peer, self._modern.port, self._on) as server:
                asked = await self._checked(peer, server)
                for case in cases:
                    pairs = await self._measure(peer, (yardstick, server), case, asked)
                    self._pairs.setdefault((peer, case), []).extend(pairs)
        except UnavailableError as error:
            self._unavailable |= {(peer, case): str(error) for case in cases}

    def rows(self) -> list[Row]:
        """Return the medians of all rounds, those of the pass-through last."""
        rows = [_row(peer, case, pairs) for (peer, case), pairs in self._pairs.items()]
        rows += [
            Row(case.name, peer.name, peer.ours, why_not=why_not)
            for (peer, case), why_not in self._unavailable.items()
        ]
        yardsticks: dict[Case, list[_Pair]] = {}
        for (_, case), pairs in self._pairs.items():
            yardsticks.setdefault(case, []).extend((run, run) for run, _ in pairs)
        return rows + [_row(PASS_THROUGH, case, pairs) for case, pairs in yardsticks.items()]

    async def _checked(self, peer: Peer, server: Server) -> dict[Question, Asked]:
        """Return a peer's answer to each question, after comparing it with ours or the upstream's."""
        checked: dict[Question, Asked] = {}
        async with connected(server.port, 1) as pool, connected(self._modern.port, 1) as modern:
            for question in (*LIST.questions, *INSTANCE.questions):
                if peer.speaks == "modern":
                    body = await pool.ask(question.modern)
                    agrees = body == await modern.ask(question.modern)
                else:
                    body = await pool.ask(question.legacy)
                    agrees = same_xml(body, self._expected[question.legacy])
                if not agrees and not (peer.constant and checked):
                    raise AssertionError(f"{peer.name} does not answer as it has to:\n{body.decode()[:600]}")
                checked[question] = Asked(getattr(question, peer.speaks), body)
        return checked

    async def _measure(
        self, peer: Peer, servers: tuple[Server, Server], case: Case, asked: Mapping[Question, Asked]
    ) -> Sequence[_Pair]:
        least = self._extent.least
        pairs = [await self._pair(peer, servers, case, asked, (least, least))]  # the first ones only warm up
        for _ in range(self._extent.rounds + 1):
            before, after = (self._number(run) for run in pairs[-1])
            pairs.append(await self._pair(peer, servers, case, asked, (before, after)))
        return pairs[2:]

    def _number(self, run: Run) -> int:
        """Return how many requests take as long as a round should, going by the last one."""
        return max(self._extent.least, min(20_000, int(self._extent.seconds / run.cpu)))

    async def _pair(
        self,
        peer: Peer,
        servers: tuple[Server, Server],
        case: Case,
        asked: Mapping[Question, Asked],
        numbers: tuple[int, int],
    ) -> _Pair:
        """Measure the pass-through and a peer with the same questions."""
        questions = case.questions
        if case.new_each_time:
            questions, numbers = await self._new_lists(), (self._extent.least, self._extent.least)
        first = LIST.questions[0]
        to_yardstick = [Asked(question.modern) for question in questions]
        to_peer = [asked.get(question) or Asked(getattr(question, peer.speaks)) for question in questions]
        yardstick, server = servers
        return (
            await _run(yardstick, Asked(first.modern), to_yardstick, numbers[0]),
            await _run(server, asked[first], to_peer, numbers[1]),
        )

    async def _new_lists(self) -> tuple[Question, ...]:
        """Return lists that no proxy has seen; the upstream builds its answers before the measurement."""
        owners = [Owner(50, seed=next(_seeds)) for _ in range(self._extent.least)]
        async with connected(self._modern.port, 1) as pool:
            for size in (50, 1000):  # which ours asks for
                await pool.run(
                    [Asked(the_list(owner, size=size).modern) for owner in owners], self._extent.least
                )
        return tuple(
            the_list(owner, caller=number % len(LIST.questions)) for number, owner in enumerate(owners)
        )


def _row(peer: Peer, case: Case, pairs: Sequence[_Pair]) -> Row:
    ratio, p99_ratio, throughput_ratio = (
        statistics.median(getattr(b, what) / getattr(a, what) for a, b in pairs)
        for what in ("cpu", "p99", "throughput")
    )
    run = median_run([run for _, run in pairs])
    return Row(case.name, peer.name, peer.ours, ratio, p99_ratio, throughput_ratio, run)


async def compared(peers: Sequence[Peer], modern: Server, extent: Extent) -> list[Row]:
    """Measure every peer; ours also with new dates each time."""
    on, _ = cores()
    comparison = Comparison(modern, on, extent)
    await comparison.expect()
    for _ in range(extent.sittings):
        with started(PASS_THROUGH, modern.port, on) as yardstick:
            for peer in peers:
                asks = peer.ours and not peer.snapshot
                cases = (INSTANCE, LIST, CHANGED, COLD) if asks else (INSTANCE, LIST)
                await comparison.measure(peer, cases, yardstick)
    return comparison.rows()


async def workers(modern: Server, rounds: int) -> float:
    """Return the throughput of two workers against that of one, for answers that cost them milliseconds.

    Cheaper answers show nothing here: load and upstream need more of the second core than they do.
    """
    everywhere = frozenset.union(*cores())
    owner = Owner(1000)
    requests = [Asked(ask(f"{legacy_path(owner)}.json?num=1000", owner))]
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for number, measured in speeds.items():
            peer = SNAPSHOT._replace(launch=partial(ours, fresh=3600, workers=number))
            with started(peer, modern.port, everywhere) as server:
                await asyncio.sleep(_UNTIL_ALL_ARE_THERE)
                warmed = await _run(server, requests[0], requests, 4 * CONNECTIONS)
                await asyncio.sleep(_UNTIL_ALL_ARE_THERE)  # and have noticed closed connections
                run = await _run(server, requests[0], requests, max(_LEAST, int(2 * warmed.throughput)))
                measured.append(run.throughput)
    return statistics.median(speeds[2]) / statistics.median(speeds[1])
