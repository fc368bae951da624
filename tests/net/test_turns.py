"""Turns: a few requests go on in each turn of the event loop, one peer after the other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from proxy.net.turns import Turns


@asynccontextmanager
async def waiting(peers: Sequence[str]) -> AsyncIterator[tuple[Sequence[asyncio.Task[None]], Sequence[str]]]:
    """Have a request of each of these peers wait, in this order; yields them, and the peers that go on."""
    turns, order = Turns(), list[str]()

    async def wait(peer: str) -> None:
        await turns.wait(peer)
        order.append(peer)

    requests = [asyncio.create_task(wait(peer)) for peer in peers]
    await asyncio.sleep(0)
    try:
        yield requests, order
    finally:
        for each in requests:
            each.cancel()
        await asyncio.wait(requests)


async def pass_turns_of_the_loop(count: int, order: Sequence[str]) -> Sequence[int]:
    """Return how many requests go on in each of so many turns of the event loop."""
    went_on = []
    for _ in range(count):
        before = len(order)
        await asyncio.sleep(0)
        went_on.append(len(order) - before)
    return went_on


async def test_each_peer_has_its_turn() -> None:
    async with waiting(["many", "many", "many", "many", "few", "few", "one"]) as (_, order):
        await pass_turns_of_the_loop(10, order)
        assert order == ["many", "few", "one", "many", "few", "many", "many"]


async def test_a_request_that_is_cancelled_holds_up_no_other() -> None:
    async with waiting(["many", "many", "many", "one", "gone"]) as (requests, order):
        requests[1].cancel()
        requests[4].cancel()
        await pass_turns_of_the_loop(10, order)
        assert order == ["many", "one", "many"]


async def test_few_go_on_in_one_turn_of_the_loop() -> None:
    async with waiting([f"peer {number}" for number in range(200)]) as (_, order):
        went_on = await pass_turns_of_the_loop(20, order)
        assert (max(went_on), sum(went_on)) == (16, 200)
