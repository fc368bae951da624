"""Whose time what runs out: of who asks, or of a walk that many share."""

import asyncio

import pytest
from support import leap

from proxy.deadlines import Deadlines, begin_request
from proxy.snapshots import Inherited, Snapshots, Terms, key_of
from snapshots.conftest import Value
from snapshots.test_snapshots import ALICE, Upstream, ask, known

# What is shared


def test_a_walk_has_more_time_than_who_began_it() -> None:
    """Who began it had two seconds left; who joined it has all of his."""

    async def main() -> None:
        deadlines = Deadlines()
        lists = Snapshots(Value, Terms(5, 0, 100_000), Inherited())

        async def walk(_: Value | None) -> Value:
            with deadlines:
                await asyncio.sleep(20)
            return Value("new")

        async def asked(seconds: float) -> str:
            begin_request(seconds)
            with deadlines:
                return (await (await lists.view(key_of(ALICE))).obtain(walk=walk)).text

        early, late = (asyncio.create_task(asked(seconds)) for seconds in (2, 25))
        with pytest.raises(TimeoutError):
            await early
        assert await late == "new"

    leap.run(main())


def test_a_list_is_read_anew_in_a_time_of_its_own() -> None:
    """What is stale is shown at once, by a request that has hardly any time left."""

    async def main() -> None:
        deadlines, clock = Deadlines(), asyncio.get_running_loop().time
        lists = Snapshots(Value, Terms(5, 60, 100_000), Inherited(), clock)

        async def walk(_: Value | None) -> Value:
            with deadlines:
                await asyncio.sleep(20)
            return Value("new")

        await ask(lists, ALICE, Upstream())
        await asyncio.sleep(6)
        begin_request(0.1)
        assert (await (await lists.view(key_of(ALICE))).obtain(walk=walk)).text == "old"
        await lists.settle()
        assert await known(lists, ALICE) == "new"

    leap.run(main())
