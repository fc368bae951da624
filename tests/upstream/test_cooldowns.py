"""Who is to leave an upstream alone, and for how long."""

import pytest

from proxy.profile.calls import Reply
from proxy.upstream.cooldowns import Cooldowns, as_seconds

NOW = 1_300_000_000
AN_HOUR_LATER = "Sun, 13 Mar 2011 08:06:40 GMT"  # than that


class Clock:
    now = 5.0

    def __call__(self) -> float:
        return self.now


def asking(status: int, seconds: str | None) -> Reply:
    return Reply(status, b"", {} if seconds is None else {"retry-after": seconds})


def told(pauses: Cooldowns, who: int) -> tuple[int, str] | None:
    fault = pauses.fault(who)
    return (fault.status, fault.headers["Retry-After"]) if fault else None


@pytest.mark.parametrize("status", [429, 503])
def test_who_was_asked_to_waits_and_nobody_else(status: int) -> None:
    clock = Clock()
    pauses = Cooldowns(clock)
    pauses.answered(1, asking(status, "7"))
    assert told(pauses, 2) is None
    for passed, left in ((0, "7"), (0.5, "7"), (0.5, "6"), (5.5, "1")):
        clock.now += passed
        assert told(pauses, 1) == (status, left)
    clock.now += 0.5
    assert told(pauses, 1) is None


@pytest.mark.parametrize(("status", "asked"), [(429, None), (503, None), (500, "7"), (200, "7"), (404, "7")])
def test_who_was_not_asked_to_does_not_wait(status: int, asked: str | None) -> None:
    pauses = Cooldowns(Clock())
    pauses.answered(1, asking(status, asked))
    assert told(pauses, 1) is None


@pytest.mark.parametrize(("asked", "left"), [("soon", "1"), ("0", "1"), ("9" * 5000, "3600")])
def test_within_reason(asked: str, left: str) -> None:
    pauses = Cooldowns(Clock())
    pauses.answered(1, asking(429, asked))
    assert told(pauses, 1) == (429, left)


def test_a_pause_is_not_cut_short() -> None:
    pauses = Cooldowns(Clock())
    pauses.answered(1, asking(429, "60"))
    pauses.answered(1, asking(503, "5"))
    assert told(pauses, 1) == (503, "60")


def test_memory_is_bounded() -> None:
    pauses = Cooldowns(Clock())
    for who in range(10_000):
        pauses.answered(who, asking(429, "60"))
    waiting = sum(told(pauses, who) is not None for who in range(10_000))
    assert 1000 < waiting < 5000


@pytest.mark.parametrize(
    ("asked", "date", "seconds"),
    [
        ("7", None, "7"),
        ("soon", None, "soon"),
        (AN_HOUR_LATER, None, "3600"),
        (AN_HOUR_LATER, "Sun, 13 Mar 2011 08:06:30 GMT", "10"),  # by the clock of who says so
        (AN_HOUR_LATER, "Sun, 13 Mar 2011 09:06:30 GMT", "0"),
        (AN_HOUR_LATER, "nonsense", "3600"),
        ("Wed, 21 Oct 1998 07:28:00 GMT", None, "0"),
        ("Wed, 99 Oct 1998 07:28:00 GMT", None, "Wed, 99 Oct 1998 07:28:00 GMT"),
        ("x" * 5000 + " GMT", None, "x" * 5000 + " GMT"),
    ],
)
def test_a_date_is_a_number_of_seconds(asked: str, date: str | None, seconds: str) -> None:
    assert as_seconds(asked, date, NOW) == seconds
