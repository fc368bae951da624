"""Rate limit of equal log lines: traffic cannot fill a disk with them."""

import asyncio
import contextlib
import json
import logging
import os
import re
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from support.proxied import MAPPED, Proxied, error, item, ok, page, timed

from proxy.observe.log import RateLimitFilter
from proxy.observe.stderr import Output


class Lines(logging.Handler):
    """Keeps lines that `to_stderr` would write."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.addFilter(RateLimitFilter(clock, most=3000))
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
        (error(401), MAPPED, "the upstream refuses the configured credentials"),
        (error(403), MAPPED, "the upstream refuses the configured credentials"),
        (THEIRS, "", "the upstream shows something of another account"),
        (ELSEWHERE, "", "the next page is a URL of another origin"),
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
    assert line in first
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


_TO_STDERR = "import logging; from proxy.observe import log; log.log_to_stderr()\n"


def written(program: str) -> list[str]:
    """Run a program that logs; return the lines on standard error, without their times."""
    done = subprocess.run(
        [sys.executable, "-c", f"{_TO_STDERR}{program}"],
        check=True,
        capture_output=True,
        text=True,
    )
    stamps = re.findall(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", done.stderr, re.MULTILINE)
    lines = done.stderr.splitlines()
    assert len(stamps) == len(lines)
    return [line.removeprefix(stamp) for line, stamp in zip(lines, stamps, strict=True)]


def test_a_running_proxy_limits_its_log() -> None:
    assert written(
        "for _ in range(100): logging.getLogger('proxy.security').warning('refused'), logging.info('well')"
    ) == ["warning security: refused", *["info    root: well"] * 100]


def test_found_a5_a_line_has_time_level_component_and_request() -> None:
    assert written(
        "logging.getLogger('proxy.process').error('one')\n"
        "log.request_id.set('a-1')\n"
        "logging.getLogger('asyncio').warning('two')\n"
    ) == ["error   process: one", "warning asyncio: two [a-1]"]


@pytest.mark.parametrize(
    ("level", "expected"),
    [("debug", "diwe"), ("info", "iwe"), ("warning", "we"), ("error", "e")],
)
def test_found_a5_the_level(level: str, expected: str) -> None:
    program = (
        f"log.configure('{level}')\nlogger = logging.getLogger('proxy.process')\n"
        "logger.debug('d'), logger.info('i'), logger.warning('w'), logger.error('e')"
    )
    assert "".join(line[-1] for line in written(program)) == expected


def test_found_a5_lines_of_json() -> None:
    program = (
        "import logging; from proxy.observe import log; log.log_to_stderr(); log.configure(kind='json')\n"
        "logging.getLogger('proxy.process').warning('one\\ntwo')\n"
        "log.request_id.set('a-1')\n"
        "log.write(logging.getLogger('proxy.upstream'), 30, 'failed', {'reason': 'tls', 'level': 'no'})\n"
        "try: 1 / 0\n"
        "except Exception: logging.getLogger('proxy').exception('broken')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    first, second, third = map(json.loads, done.stderr.splitlines())
    assert {**first, "time": ""} == {
        "time": "",
        "level": "warning",
        "component": "process",
        "message": "one\ntwo",
    }
    assert (second["reason"], second["level"], second["request"]) == ("tls", "warning", "a-1")
    assert third["exception"].endswith("ZeroDivisionError")
    assert "division by zero" not in done.stderr


# A reader that has stopped


def full(write: Callable[[bytes], int]) -> None:
    """Write until there is no room left."""
    with contextlib.suppress(BlockingIOError):
        while True:
            write(b"x" * 4096)
    with contextlib.suppress(BlockingIOError):
        while True:
            write(b"x")


def test_found_e5_a_full_pipe_takes_nothing_and_later_says_how_much() -> None:
    reading, writing = os.pipe()
    again = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
    full(partial(os.write, again))
    output = Output(writing)
    assert not output.write(b"left out\n")
    assert os.get_blocking(writing), "others that write to it are not told to try again"
    while b"x" in (filled := os.read(reading, 65536)):
        assert set(filled) == {ord("x")}
        if not select.select([reading], [], [], 0)[0]:
            break
    assert output.write(b"written\n")
    assert os.read(reading, 100) == b"written\n"
    for each in (reading, writing, again):
        os.close(each)


def test_found_e5_a_line_that_is_cut_is_ended() -> None:
    reading, writing = os.pipe()
    output, line = Output(writing), b"y" * 70_000 + b"\n"
    assert output.write(line)  # as much of it as there was room for
    os.read(reading, 65536)
    assert output.write(b"next\n")
    assert os.read(reading, 65536).endswith(b"\nnext\n")
    os.close(reading)
    assert not output.write(b"to no reader\n")
    os.close(writing)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_found_e5_a_socket_as_the_journal_gives(kind: socket.SocketKind) -> None:
    reading, writing = socket.socketpair(socket.AF_UNIX, kind)
    with reading, writing:
        full(lambda data: writing.send(data, socket.MSG_DONTWAIT))
        output = Output(writing.fileno())
        assert not output.write(b"left out\n")
        assert writing.getblocking()
        while select.select([reading], [], [], 0)[0]:
            reading.recv(65536)
        assert output.write(b"written\n")
        assert reading.recv(100) == b"written\n"


def test_found_e5_a_pipe_that_cannot_be_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it belongs to another user, or /proc is not there."""

    def refuse(*_: object) -> int:
        raise PermissionError

    reading, writing = os.pipe()
    again = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
    monkeypatch.setattr(os, "open", refuse)
    output = Output(writing)
    assert output.write(b"written\n")
    full(partial(os.write, again))
    assert not output.write(b"left out\n")
    for each in (reading, writing, again):
        os.close(each)


def test_found_e5_a_file_and_no_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as file:
        assert Output(file.fileno()).write(b"written\n")
    assert (tmp_path / "log").read_bytes() == b"written\n"
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - no file
        assert Output(nothing.fileno()).write(b"written\n")
