"""The log of a running program: its life, and standard error that is not read."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.processes import PROXY, Running, running, workers_of
from support.seed import LIST, basic

from proxy import __version__

ANNOUNCED = r"legacy API +http://127\.0\.0\.1:(\d+)/.*"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a configuration whose upstream refuses connections: each request can cause a line."""
    file = tmp_path / "proxy.yaml"
    text = "listen: {address: 127.0.0.1:0, drain: 0.1}\nupstream: {base_url: 'http://127.0.0.1:9'}\n"
    file.write_text(text, encoding="utf-8")
    return file


def request(account: int, *, closes: bool = False) -> bytes:
    target = re.sub("AC[0-9a-f]{32}", f"AC{account:032x}", LIST)
    end = "Connection: close\r\n\r\n" if closes else "\r\n"
    return f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic()}\r\n{end}".encode()


def ask(port: int, accounts: Sequence[int]) -> None:
    """Ask for the lists of accounts, one after the other; each is answered 503 or 504."""
    for account in accounts:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(request(account, closes=True))
            assert client.makefile("rb").read().startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("workers", [1, 2])
def test_found_a5_the_life_of_the_program(workers: int, file: Path) -> None:
    with running("serve", "--config", file, "--workers", str(workers), shows_log=True) as server:
        port = int(server.until(ANNOUNCED))
        ask(port, [1])
        assert server.stop(signal.SIGTERM) == 0
        lines = server.output.read().splitlines()
    failure, received, stopped = (re.fullmatch(f"{STAMP} (.*)", line) for line in lines)
    assert failure is not None
    assert re.fullmatch(
        r"warning upstream: upstream twilio-2010-04-01 at 127\.0\.0\.1:9: list for AC0+1 failed: connect: no "
        r"connection can be made \(exception ConnectionRefusedError, error Connection refused\) "
        r"\[[0-9a-f]{8}-1\]",
        failure[1],
    )
    assert received is not None
    assert received[1] == "info    process: SIGTERM received: requests in progress finish"
    assert stopped is not None
    assert stopped[1] == "info    process: stopped"


def test_found_a5_the_start(file: Path) -> None:
    with running("serve", "--config", file, shows_log=True) as server:
        line = server.until(f"{STAMP} info    process: (.*)")
    assert re.fullmatch(
        rf"callerid-proxy {re.escape(__version__)} starts: workers: 1; profiles: twilio-2010-04-01; "
        r"listens on: address 127\.0\.0\.1:\d+",
        line,
    )


def test_found_a5_json_and_a_level_from_the_configuration_and_a_reload(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}log: {{level: warning, format: json}}\n", encoding="utf-8")
    with running("serve", "--config", file, shows_log=True) as server:
        port = int(
            server.until(r"legacy API +http://127\.0\.0\.1:(\d+)/.*")
        )  # before it, no line of level info
        ask(port, [1])
        line = json.loads(server.output.readline())
        assert (line["level"], line["component"], line["reason"]) == ("warning", "upstream", "connect")
        assert re.fullmatch(STAMP, line["time"])
        file.write_text(text, encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        assert server.until(f"{STAMP} info    config: (.*)") == "the configuration has been reloaded"


@contextmanager
def unread(kind: str) -> Iterator[int]:
    """Yield the writing end of what is full and never read."""
    if kind == "pipe":
        reading, writing = os.pipe()
    else:
        reading, writing = (each.detach() for each in socket.socketpair())
    os.set_blocking(writing, False)
    try:
        for size in (65536, 1):
            with suppress(BlockingIOError):
                while True:
                    os.write(writing, b"x" * size)
        os.set_blocking(writing, True)
        yield writing
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_found_e5_requests_are_answered_while_standard_error_is_full(
    kind: str, workers: int, file: Path
) -> None:
    with unread(kind) as stderr:
        command = [*PROXY, "serve", "--config", str(file), "--workers", str(workers)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL, text=True
        ) as process:
            try:
                assert process.stdout is not None
                announced = re.search(r":(\d+)/", process.stdout.readline())
                assert announced is not None
                ask(int(announced[1]), range(1, 30))
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
            finally:
                process.kill()


def test_found_e5_lines_that_are_left_out_are_counted(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("drain", "metrics: '127.0.0.1:0', drain")
    file.write_text(text, encoding="utf-8")
    with unread("pipe") as stderr:
        command = [*PROXY, "serve", "--config", str(file)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL, text=True
        ) as process:
            try:
                assert process.stdout is not None
                ports = [int(re.findall(r":(\d+)/", process.stdout.readline())[0]) for _ in range(2)]
                ask(ports[0], range(1, 11))
                with socket.create_connection(("127.0.0.1", ports[1]), timeout=10) as client:
                    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    exposed = client.makefile("rb").read().decode()
            finally:
                process.kill()
    found = re.search(r"^callerid_proxy_log_lines_dropped_total (\d+)", exposed, re.MULTILINE)
    assert found is not None
    assert int(found[1]) >= 10


@pytest.mark.parametrize("workers", [1, 2])
def test_found_g2_a_full_pipe_stops_nothing(workers: int, file: Path) -> None:
    """Each of 162 requests causes a line. Health answers, workers are replaced, SIGTERM loses no request."""
    text = file.read_text(encoding="utf-8").replace("drain", "metrics: '127.0.0.1:0', drain")
    file.write_text(text, encoding="utf-8")
    command = [*PROXY, "serve", "--config", str(file), "--workers", str(workers)]
    with (
        unread("pipe") as stderr,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            port, metrics = (int(re.findall(r":(\d+)/", process.stdout.readline())[0]) for _ in range(2))
            ask(port, range(1, 163))
            for pid in workers_of(Running(process, process.stdout), workers) if workers > 1 else ():
                os.kill(pid, signal.SIGKILL)
                workers_of(Running(process, process.stdout), workers, [pid])
                ask(port, [1000 + pid])
            with socket.create_connection(("127.0.0.1", metrics), timeout=10) as client:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 ")
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                first, rest = request(200, closes=True)[:-2], request(200, closes=True)[-2:]
                client.sendall(request(201) + first)
                assert client.recv(13) == b"HTTP/1.1 503 "
                process.send_signal(signal.SIGTERM)
                time.sleep(0.5)
                client.sendall(rest)
                assert client.makefile("rb").read().count(b"HTTP/1.1 503 ") == 1
            assert process.wait(20) == 0
        finally:
            process.kill()
