"""Rate limit of equal log lines: traffic cannot fill a disk with them."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.proxied import MAPPED, Proxied, error, item, ok, page, timed

from proxy.observe.log import RateLimitFilter


class Lines(logging.Handler):
    """Keeps lines that `to_stderr` would write."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.addFilter(RateLimitFilter(clock))
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


@contextmanager
def told(clock: Callable[[], float]) -> Iterator[list[str]]:
    lines, log = Lines(clock), logging.getLogger("proxy")
    log.addHandler(lines)
    yield lines.told
    log.removeHandler(lines)


THEIRS = ok(page(item(account_sid="AC" + "e" * 32)))
ELSEWHERE = ok(page(item(), following="http://elsewhere.example/"))


@pytest.mark.parametrize(
    ("said", "configuration", "line"),
    [
        (error(401), MAPPED, "the upstream refuses the credentials configured for AC309475"),
        (error(403), MAPPED, "the upstream refuses the credentials configured for AC309475"),
        (THEIRS, "", "the upstream shows something of another account to AC309475"),
        (ELSEWHERE, "", "upstream 127.0.0.1: the next page is a URL of another origin"),
    ],
)
def test_a_hundred_equal_warnings_are_one_line(said: bytes, configuration: str, line: str) -> None:
    async def ask(between: Proxied) -> list[str]:
        with told(asyncio.get_running_loop().time) as lines:
            between.upstream.otherwise = lambda _: said
            for _ in range(100):
                assert (await between.ask()).status == 502
            assert len(lines) == 1
            await asyncio.sleep(61)
            for _ in range(3):
                await between.ask()
        return lines

    first, second = timed(ask, configuration=configuration)
    assert first.startswith(line)
    assert second == f"{first} (left out before: 99 more)"


def test_each_message_is_counted_separately() -> None:
    now = 0.0
    server, security = logging.getLogger("proxy.server"), logging.getLogger("proxy.security")
    with told(lambda: now) as lines:
        for error in (KeyError("one"), KeyError("another"), ValueError()):
            server.error("a request failed", exc_info=error)
        for account in ("AC1", "AC2", "AC1"):
            security.warning("the upstream refuses %s", account)
        now = 60
        server.error("a request failed", exc_info=KeyError())
        security.warning("the upstream refuses %s", "AC2")
        now = 119
        security.warning("the upstream refuses %s", "AC2")
        now = 120
        server.error("a request failed", exc_info=KeyError())
    assert lines == [
        *["a request failed"] * 2,
        "the upstream refuses AC1",
        "the upstream refuses AC2",
        "a request failed (left out before: 1 more)",
        "the upstream refuses AC2",
        "a request failed",
    ]


@pytest.mark.parametrize("name", ["proxy.cache", "proxy.process", "proxy.sandbox"])
def test_other_messages_are_always_logged(name: str) -> None:
    with told(lambda: 0) as lines:
        for _ in range(3):
            logging.getLogger(name).warning("Redis answers again")
    assert len(lines) == 3


def test_the_filters_memory_is_bounded() -> None:
    """The least recently logged line is evicted, and logged again."""
    log = logging.getLogger("proxy.server")
    with told(lambda: 0) as lines:
        for number in (*range(1024), 1023, 0, *range(1024, 2047), 0, 1):
            log.warning("%d", number)
    assert lines == [str(number) for number in (*range(2047), 1)]


def test_a_running_proxy_limits_its_log() -> None:
    program = (
        "import logging; from proxy.observe import log; log.log_to_stderr()\n"
        "for _ in range(100): logging.getLogger('proxy.security').warning('refused'), logging.info('well')"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stderr == "refused\n" + "well\n" * 100
