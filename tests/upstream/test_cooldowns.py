"""Which credentials pause, and for how long."""

import pytest

from proxy.profile.calls import Reply
from proxy.upstream.cooldowns import Cooldowns, seconds_of

NOW = 1_300_000_000
AN_HOUR_LATER = "Sun, 13 Mar 2011 08:06:40 GMT"  # than that


class Clock:
    now = 5.0

    def __call__(self) -> float:
        return self.now


def asking(status: int, seconds: str | None) -> Reply:
    return Reply(status, b"", retry_after=None if seconds is None else seconds_of(seconds, None, NOW))


def told(cooldowns: Cooldowns, credentials: int) -> tuple[int, str] | None:
    fault = cooldowns.fault_for(credentials)
    return (fault.status, fault.headers["Retry-After"]) if fault else None


@pytest.mark.parametrize("status", [429, 503])
def test_only_the_credentials_that_were_asked_to_pause_do(status: int) -> None:
    clock = Clock()
    cooldowns = Cooldowns(clock)
    cooldowns.record_reply(1, asking(status, "7"))
    assert told(cooldowns, 2) is None
    for passed, left in ((0, "7"), (0.5, "7"), (0.5, "6"), (5.5, "1")):
        clock.now += passed
        assert told(cooldowns, 1) == (status, left)
    clock.now += 0.5
    assert told(cooldowns, 1) is None


@pytest.mark.parametrize(("status", "asked"), [(429, None), (503, None), (500, "7"), (200, "7"), (404, "7")])
def test_no_pause_without_being_asked(status: int, asked: str | None) -> None:
    cooldowns = Cooldowns(Clock())
    cooldowns.record_reply(1, asking(status, asked))
    assert told(cooldowns, 1) is None


@pytest.mark.parametrize(("asked", "left"), [("soon", "1"), ("0", "1"), ("9" * 5000, "3600")])
def test_within_reason(asked: str, left: str) -> None:
    cooldowns = Cooldowns(Clock())
    cooldowns.record_reply(1, asking(429, asked))
    assert told(cooldowns, 1) == (429, left)


def test_a_pause_is_not_cut_short() -> None:
    cooldowns = Cooldowns(Clock())
    cooldowns.record_reply(1, asking(429, "60"))
    cooldowns.record_reply(1, asking(503, "5"))
    assert told(cooldowns, 1) == (503, "60")


def test_memory_is_bounded() -> None:
    cooldowns = Cooldowns(Clock())
    for credentials in range(10_000):
        cooldowns.record_reply(credentials, asking(429, "60"))
    waiting = sum(told(cooldowns, credentials) is not None for credentials in range(10_000))
    assert 1000 < waiting < 5000


@pytest.mark.parametrize(
    ("asked", "date", "seconds"),
    [
        ("7", None, 7),
        ("soon", None, 0),
        (AN_HOUR_LATER, None, 3600),
        (AN_HOUR_LATER, "Sun, 13 Mar 2011 08:06:30 GMT", 10),  # by the clock of the upstream
        (AN_HOUR_LATER, "Sun, 13 Mar 2011 09:06:30 GMT", 1),
        (AN_HOUR_LATER, "nonsense", 3600),
        ("Wed, 21 Oct 1998 07:28:00 GMT", None, 1),
        ("Wed, 99 Oct 1998 07:28:00 GMT", None, 0),
        ("x" * 5000 + " GMT", None, 0),
    ],
)
def test_a_date_is_a_number_of_seconds(asked: str, date: str | None, seconds: int) -> None:
    assert seconds_of(asked, date, NOW) == seconds


AT = 1_299_999_999
DATES = {
    "seconds": "3601",
    "many digits": "000000000000000000003601",
    "more digits": "99999999999999999999",
    "now": "Sun, 13 Mar 2011 08:06:40 GMT",
    "RFC 850": "Sunday, 13-Mar-11 08:06:40 GMT",
    "asctime": "Sun Mar 13 08:06:40 2011",
}


@pytest.mark.parametrize("asked", DATES.values(), ids=DATES.keys())
@pytest.mark.parametrize("status", [429, 503])
def test_found_f12_an_hour_at_most(asked: str, status: int) -> None:
    """However times are rounded, when they are added and subtracted."""
    assert seconds_of(asked, None, AT - 0.5) == 3600
    for tenth in range(1000):
        clock = Clock()
        clock.now = 1_000 + tenth / 10 + tenth / 7919
        cooldowns = Cooldowns(clock)
        cooldowns.record_reply(1, Reply(status, b"", retry_after=seconds_of(asked, None, AT)))
        assert told(cooldowns, 1) == (status, "3600")
        clock.now += 3599.5
        assert told(cooldowns, 1) == (status, "1")


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("Sun Mar  6 08:06:40 2011", 1),
        ("Sun Mar 13 07:06:49 2011", 10),
        ("Sunday, 13-Mar-11 07:06:49 GMT", 10),
        ("Sun Mar 99 07:06:49 2011", 0),
        ("0" * 5000 + "7", 7),
        ("0" * 5000, 1),
    ],
)
def test_found_f12_every_form_of_a_date(asked: str, seconds: int) -> None:
    assert seconds_of(asked, None, AT) == seconds
