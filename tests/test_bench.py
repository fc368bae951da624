"""The benchmark against known values: counts, answers, and the limits of the gate."""

import json
import sys
from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio

from bench.data import Owner, the_instances, the_list
from bench.goals import GOALS, Goal, Verdict, figures, judge
from bench.load import Asked, WrongAnswerError, connected
from bench.measuring import INSTANCE, LIST, Extent, Metrics, calls_counted, compared, upstream
from bench.peers.table import CONSTANT, FULL, OURS, Launch, Peer
from bench.processes import Server, cores, free_port, running
from bench.upstream import answer


@pytest_asyncio.fixture
async def modern() -> AsyncIterator[Server]:
    with upstream(cores()[1]) as server:
        yield server


async def test_the_load_has_the_requested_size(modern: Server) -> None:
    requests = [Asked(question.modern) for question in the_instances(Owner(7))]
    async with calls_counted(modern.port) as calls, connected(modern.port, 4) as pool:
        outcome = await pool.run(requests, 100)
    assert (len(outcome.latencies), calls) == (100, [100])
    assert outcome.latencies[0] <= outcome.quantile(0.5) <= outcome.quantile(0.99) <= outcome.latencies[-1]
    assert 0 < outcome.latencies[-1] <= outcome.seconds
    assert modern.cpu() > 0 < modern.memory()


async def test_the_upstream_delays_its_answers(modern: Server) -> None:
    async with connected(modern.port, 4) as pool:
        outcome = await pool.run([Asked(the_list(Owner(3, delay=30)).modern)], 8)
    assert outcome.latencies[0] >= 0.025


async def test_an_unexpected_answer_ends_the_measurement(modern: Server) -> None:
    async with connected(modern.port, 1) as pool:
        with pytest.raises(WrongAnswerError):
            await pool.run([Asked(the_list(Owner(3)).modern, b"another")], 1)
    async with connected(modern.port, 1) as pool:
        with pytest.raises(WrongAnswerError):
            await pool.ask(the_list(Owner(3)).legacy)  # 404


def test_the_upstreams_pages_have_every_item() -> None:
    owner, sids = Owner(2345, delay=7, seed=3), list[str]()
    target: str | None = f"/2010-04-01/Accounts/{owner.sid}/OutgoingCallerIds.json?PageSize=1000"
    while target:
        written, delay = answer(target)
        document = json.loads(written.partition(b"\r\n\r\n")[2])
        sids += [item["sid"] for item in document["outgoing_caller_ids"]]
        target = document["next_page_uri"]
        assert delay == 0.007
    assert len(sids) == len(set(sids)) == 2345
    assert Owner.of(owner.sid) == owner


async def test_peers_answer_the_same_and_are_measured(modern: Server) -> None:
    straightforward = next(peer for peer in FULL if peer.name == "straightforward aiohttp + lxml")
    rows = await compared(
        [OURS, CONSTANT, straightforward], modern, Extent(sittings=1, rounds=1, seconds=0.01, least=40)
    )
    ratios = {(row.peer, row.case): row.ratio for row in rows}
    for case in (INSTANCE, LIST):
        constant = ratios[CONSTANT.name, case.name]
        slow = ratios[straightforward.name, case.name]
        assert constant is not None
        assert slow is not None
        assert constant < slow  # by five times and more; nearer ratios are noise in one short round
    assert figures(rows)[f"{OURS.name}: list, new dates"]


def _liar(port: int, upstream: int) -> Launch:
    return Launch([sys.executable, "-m", "bench.peers.constant", str(port), str(upstream)])


async def test_a_peer_with_other_answers_is_not_measured(modern: Server) -> None:
    with pytest.raises(AssertionError, match="liar does not answer as it has to"):
        await compared([Peer("liar", _liar)], modern, Extent(sittings=1, rounds=1, seconds=0.01, least=40))


async def test_a_server_that_does_not_start_is_reported() -> None:
    port = free_port()
    with (
        pytest.raises(RuntimeError, match="does not listen"),
        running([sys.executable, "-c", "raise SystemExit(1)"], port, cores()[0]),
    ):
        pass


RATIO = partial(Goal, "ratio", "ratio")


@pytest.mark.parametrize(
    ("goal", "value", "reached", "fails"),
    [
        (RATIO(2.0), 2.0, True, False),
        (RATIO(2.0), 2.5, False, False),
        (RATIO(2.0), 2.6, False, True),
        (RATIO(0.8, at_least=True), 0.8, True, False),
        (RATIO(0.8, at_least=True), 0.61, False, False),
        (RATIO(0.8, at_least=True), 0.5, False, True),
        (RATIO(10, allowance=0.0), 10, True, False),
        (RATIO(10, allowance=0.0), 11, False, True),
        (RATIO(0, allowance=0.0), 0, True, False),
        (RATIO(0, allowance=0.0), 1, False, True),
        (RATIO(1.25, allowance=None), 99, False, False),
        (RATIO(1.0, held_at=2.0), 2.5, False, False),
        (RATIO(1.0, held_at=2.0), 2.6, False, True),
        (RATIO(1.0, held_at=2.0), 1.0, True, False),
        (RATIO(1.0), None, False, False),
    ],
)
def test_the_gate_fails_a_quarter_beyond_the_limit(
    goal: Goal, value: float | None, reached: bool, fails: bool
) -> None:
    verdict = Verdict(goal, value)
    assert (verdict.reached, verdict.fails) == (reached, fails)
    assert verdict.words


def test_every_goal_has_a_verdict() -> None:
    metrics: Metrics = dict.fromkeys((goal.figure for goal in GOALS), 1e9)
    assert {verdict.goal for verdict in judge(metrics) if not verdict.fails} == {
        goal for goal in GOALS if goal.at_least or goal.allowance is None
    }
    with pytest.raises(KeyError):
        judge({})
