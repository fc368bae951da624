"""Failed logins, by a clock that stands still until it is told otherwise."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from proxy.cache import Purpose, SharedCells, SharedTokenBuckets, digest_credentials
from proxy.model import Credentials
from proxy.server.failed_logins import FailedLogins, LockedOutError, Login


def of(peer: str, account: str, token: str = "guess") -> Login:
    credentials = Credentials(account, token)
    return Login(peer, credentials, digest_credentials(credentials))


LOGIN = of("192.0.2.1", "AC1")


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def logins(clock: Clock | None = None) -> FailedLogins:
    return FailedLogins(SharedTokenBuckets(clock=clock or Clock()))


async def log_in(
    failed: FailedLogins, login: Login = LOGIN, *, fails: bool = True, known: bool = False
) -> bool:
    """Return whether it is judged."""
    try:
        async with failed.judging(login, is_known=known) as judgement:
            judgement.has_failed = fails
    except LockedOutError as error:
        if not 0 < error.seconds <= 60:
            raise
        return False
    return True


async def test_the_twentieth_failure_is_the_last_one_for_a_minute_from_the_first() -> None:
    clock = Clock()
    failed = logins(clock)
    for _ in range(20):
        assert failed.seconds_left(LOGIN) == 0
        assert not failed.may_lock_out()
        assert await log_in(failed)
        clock.now += 1
    assert failed.seconds_left(LOGIN) == 40
    assert failed.may_lock_out()
    assert not await log_in(failed)
    assert not await log_in(failed, fails=False, known=True)
    clock.now += 39.5
    assert failed.seconds_left(LOGIN) == 0.5
    clock.now += 0.5
    assert failed.seconds_left(LOGIN) == 0
    assert not failed.may_lock_out()
    assert await log_in(failed)
    assert failed.seconds_left(LOGIN) == 1, "of the last twenty one was made a minute ago, but one"


async def test_other_peers_and_other_accounts_feel_nothing() -> None:
    failed = logins()
    for _ in range(20):
        await log_in(failed)
    assert failed.seconds_left(LOGIN) == 60
    for other in (of("192.0.2.1", "AC2"), of("192.0.2.2", "AC1"), of("192.0.2.1A", "C1")):
        assert failed.seconds_left(other) == 0


async def test_a_login_that_succeeds_changes_nothing() -> None:
    failed = logins()
    for _ in range(30):
        assert await log_in(failed, fails=False)
        assert await log_in(failed, fails=False, known=True)
    assert [await log_in(failed) for _ in range(21)] == [True] * 20 + [False]


async def test_credentials_that_were_right_count_where_they_fail() -> None:
    failed = logins()
    for _ in range(20):
        assert await log_in(failed, known=True)
    assert not await log_in(failed, known=True)


async def test_found_f10_a_peer_has_two_hundred_in_all() -> None:
    """However many names it makes up; nothing of another peer is evicted."""
    clock = Clock()
    failed = logins(clock)
    for _ in range(20):
        await log_in(failed)
    judged = [await log_in(failed, of("192.0.2.9", f"AC{name}")) for name in range(1000)]
    assert judged == [True] * 200 + [False] * 800
    assert failed.seconds_left(LOGIN) == 60
    clock.now += 60
    assert failed.seconds_left(LOGIN) == 0


async def test_found_f10_what_is_refused_by_the_total_is_a_guess_too() -> None:
    """Else a right token, which is known, would be told from wrong ones as often as a peer likes."""
    failed = logins()
    for name in range(200):
        assert await log_in(failed, of(LOGIN.peer, f"other {name}"))
    assert await log_in(failed, fails=False, known=True)
    for number in range(20):
        assert not await log_in(failed, of(LOGIN.peer, "AC1", f"guess {number}"))
    assert not await log_in(failed, fails=False, known=True)


async def test_found_f10_tokens_count_from_their_beginning() -> None:
    """Of one token, however many logins are under way, the first one."""
    failed = FailedLogins(SharedTokenBuckets())
    begun, release = Counter[str](), asyncio.Event()

    async def attempt(token: str, *, fails: bool) -> bool:
        try:
            async with failed.judging(of(LOGIN.peer, "AC1", token), is_known=False) as judgement:
                begun[token] += 1
                await release.wait()
                judgement.has_failed = fails
        except LockedOutError:
            return False
        return True

    right = [asyncio.create_task(attempt("right", fails=False)) for _ in range(40)]
    await asyncio.sleep(0.05)
    assert begun == {"right": 40}
    wrong = [asyncio.create_task(attempt(f"guess {number}", fails=True)) for number in range(200)]
    await asyncio.sleep(0.05)
    assert len(begun) == 20
    release.set()
    assert all(await asyncio.gather(*right))
    assert (await asyncio.gather(*wrong)).count(True) == 20
    assert not await log_in(failed)


async def test_where_the_table_is_full_a_peer_has_twenty_in_all() -> None:
    failed = FailedLogins(SharedTokenBuckets(SharedCells(len(Purpose), 1, 320), Clock()))
    for number in range(8):
        assert await log_in(failed, of("192.0.2.8", f"AC{number}"))
    judged = [await log_in(failed, of("192.0.2.9", f"AC{name}")) for name in range(100)]
    assert judged == [True] * 20 + [False] * 80


async def test_a_login_that_is_cancelled_is_none() -> None:
    failed = FailedLogins(SharedTokenBuckets())

    async def attempt() -> None:
        async with failed.judging(LOGIN, is_known=False):
            await asyncio.sleep(60)

    for _ in range(3):
        under_way = [asyncio.create_task(attempt()) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in under_way:
            task.cancel()
        await asyncio.wait(under_way)
    assert failed.seconds_left(LOGIN) == 0


@given(st.lists(st.floats(0, 30), min_size=30, max_size=120))
def test_never_more_than_twenty_in_a_minute(pauses: list[float]) -> None:
    """A peer that tries again as soon as it may has no more than twenty failures in any minute."""
    clock = Clock()
    failed = logins(clock)
    failures: list[float] = []

    async def attempts() -> None:
        for pause in pauses:
            clock.now += pause
            left = failed.seconds_left(LOGIN)
            within = [at for at in failures if at + 60 > clock.now]
            assert (left > 0) == (len(within) == 20)
            assert left <= 60
            assert await log_in(failed) == (left == 0)
            if not left:
                failures.append(clock.now)

    asyncio.run(attempts())
