"""Failed logins, by a clock that stands still until it is told otherwise."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from proxy.server.failed_logins import FailedLogins

PEER, ACCOUNT = "192.0.2.1", "AC1"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def locks(failed: FailedLogins) -> bool:
    return failed.has_locked_out


def test_the_twentieth_failure_is_the_last_one_for_a_minute_from_the_first() -> None:
    clock = Clock()
    failed = FailedLogins(clock)
    assert not locks(failed)
    for _ in range(20):
        assert failed.seconds_left(PEER, ACCOUNT) == 0
        assert not locks(failed)
        failed.add(PEER, ACCOUNT)
        clock.now += 1
    assert failed.seconds_left(PEER, ACCOUNT) == 40
    assert locks(failed)
    clock.now += 39.5
    assert failed.seconds_left(PEER, ACCOUNT) == 0.5
    clock.now += 0.5
    assert failed.seconds_left(PEER, ACCOUNT) == 0
    assert not locks(failed)
    failed.add(PEER, ACCOUNT)
    assert failed.seconds_left(PEER, ACCOUNT) == 1, "of the last twenty one was made a minute ago, but one"


def test_other_peers_and_other_accounts_feel_nothing() -> None:
    failed = FailedLogins(Clock())
    for _ in range(20):
        failed.add(PEER, ACCOUNT)
    assert failed.seconds_left(PEER, "AC2") == 0
    assert failed.seconds_left("192.0.2.2", ACCOUNT) == 0
    assert failed.seconds_left("192.0.2.1\0AC", "1") == 0


def test_memory_is_bounded_and_who_goes_on_is_not_forgotten() -> None:
    clock = Clock()
    failed = FailedLogins(clock)
    for number in range(2 * 4096):
        failed.add(PEER, f"AC{number}")
        if number % 400 == 0:
            failed.add(PEER, ACCOUNT)
    assert failed.seconds_left(PEER, ACCOUNT) > 0
    assert len(failed._failures) == 4096  # noqa: SLF001 - what it is about
    clock.now += 60
    assert len(failed._failures) == 0  # noqa: SLF001


@given(st.lists(st.floats(0, 30), min_size=30, max_size=120))
def test_never_more_than_twenty_in_a_minute(pauses: list[float]) -> None:
    """Whoever tries again whenever he may has no more than twenty failures in any minute."""
    clock = Clock()
    failed = FailedLogins(clock)
    failures: list[float] = []
    for pause in pauses:
        clock.now += pause
        left = failed.seconds_left(PEER, ACCOUNT)
        within = [at for at in failures if at + 60 > clock.now]
        assert (left > 0) == (len(within) == 20)
        assert left <= 60
        if not left:
            failures.append(clock.now)
            failed.add(PEER, ACCOUNT)
        assert locks(failed) or failed.seconds_left(PEER, ACCOUNT) == 0
