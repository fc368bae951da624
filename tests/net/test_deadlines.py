"""One deadline object for many tasks: each task ends at its own deadline."""

import asyncio

import pytest
from support import leap

from proxy.net.deadlines import GRACE, Deadlines, begin_request, seconds_left


def test_each_task_has_its_own_deadline() -> None:
    async def work(deadlines: Deadlines, after: float, seconds: float) -> float | None:
        await asyncio.sleep(after)
        begun = now()
        try:
            with deadlines as until:
                assert until == pytest.approx(begun + 10)
                await asyncio.sleep(seconds)
        except TimeoutError:
            return now() - begun
        return None

    def now() -> float:
        return asyncio.get_running_loop().time()

    async def main() -> list[float | None]:
        deadlines = Deadlines(10)
        shifts = [(0, 60), (0, 5), (3, 60), (4, 9), (30, 60), (30, 1)]
        return await asyncio.gather(*[work(deadlines, *shift) for shift in shifts])

    ended = leap.run(main())
    assert ended == [
        pytest.approx(10, abs=0.5),
        None,
        pytest.approx(10, abs=0.5),
        None,
        pytest.approx(10, abs=0.5),
        None,
    ]


def test_deadlines_in_sequence() -> None:
    async def main() -> None:
        deadlines = Deadlines(10)
        for _ in range(5):
            with deadlines:
                await asyncio.sleep(9)
        with pytest.raises(TimeoutError), deadlines:
            await asyncio.sleep(11)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(60)  # and nothing comes later

    leap.run(main())


def test_a_cancellation_from_outside_stays_one() -> None:
    async def work(deadlines: Deadlines) -> None:
        with deadlines:
            await asyncio.sleep(60)

    async def main() -> None:
        deadlines = Deadlines(10)
        early = asyncio.create_task(work(deadlines))
        await asyncio.sleep(1)
        early.cancel()
        with pytest.raises(asyncio.CancelledError):
            await early
        both = asyncio.create_task(work(deadlines))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_at(asyncio.get_running_loop().time() + 10, both.cancel)
        with pytest.raises((asyncio.CancelledError, TimeoutError)):
            await both

    leap.run(main())


def test_other_exceptions_pass_through() -> None:
    async def fail_when_cancelled() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise LookupError

    async def main() -> None:
        with pytest.raises(LookupError), Deadlines(10):
            await fail_when_cancelled()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    leap.run(main())


def test_tasks_share_the_deadline_of_their_request() -> None:
    async def work(deadlines: Deadlines, before: float) -> float:
        begun = asyncio.get_running_loop().time()
        await asyncio.sleep(before)
        with pytest.raises(TimeoutError), deadlines:
            await asyncio.sleep(60)
        return asyncio.get_running_loop().time() - begun

    async def main() -> list[float]:
        deadlines = Deadlines(10)
        begin_request(12)
        within = [asyncio.create_task(work(deadlines, before)) for before in (0, 5, 20)]
        begin_request()
        others = [asyncio.create_task(work(deadlines, before)) for before in (0, 5)]
        return await asyncio.gather(*within, *others)

    assert leap.run(main()) == [pytest.approx(seconds, abs=0.5) for seconds in (10, 12, 20, 10, 15)]


def test_one_request_after_the_other() -> None:
    async def main() -> None:
        deadlines = Deadlines(10)
        for _ in range(3):
            begin_request(4)
            with pytest.raises(TimeoutError), deadlines:
                await asyncio.sleep(60)
        begin_request()
        with deadlines:
            await asyncio.sleep(9)

    leap.run(main())


def test_a_cancellation_wins_over_the_deadline() -> None:
    async def work(deadlines: Deadlines, seen: list[bool]) -> None:
        with deadlines:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append(deadlines.has_expired())
                raise

    async def main() -> tuple[list[bool], list[bool]]:
        deadlines, loop = Deadlines(10), asyncio.get_running_loop()
        late: list[bool] = []
        with pytest.raises(TimeoutError):
            await work(deadlines, late)
        given_up: list[bool] = []
        task = asyncio.create_task(work(deadlines, given_up))
        loop.call_later(3, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        return late, given_up

    assert leap.run(main()) == ([True], [False])


def test_remaining_time() -> None:
    async def main() -> None:
        now = asyncio.get_running_loop().time
        begun = now()
        begin_request(10)
        for seconds in (0, 4, 5):
            await asyncio.sleep(seconds)
            assert seconds_left() == pytest.approx(10 + GRACE - (now() - begun), abs=0.05)
        await asyncio.sleep(2)
        assert seconds_left() == 0

    leap.run(main())
