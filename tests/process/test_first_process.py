"""The first process of a container: default actions of signals do not end it, and it inherits orphans."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.processes import Running, children, starting
from support.wire import ask

from proxy.process.supervisor import REPEAT_PERIOD

NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def has_namespaces() -> bool:
    """Whether this user may create process namespaces; most containers forbid it."""
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        return False
    return subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True, timeout=20).returncode == 0


pytestmark = pytest.mark.skipif(not has_namespaces(), reason="process namespaces are not permitted")


@contextmanager
def first(folder: Path, workers: int) -> Iterator[tuple[Running, int, int]]:
    """Run a proxy as the first process of a namespace; yields its number outside, and its port."""
    with starting(folder, "--workers", str(workers), inside=NAMESPACE) as (server, port):
        (pid,) = children(server.process.pid)
        yield server, pid, port


def leave_orphans(pid: int) -> None:
    """Start two programs for two seconds in the namespace of a process, and end their parent."""
    command = ["nsenter", "--target", str(pid), "--pid", "sh", "-c", "sleep 2 & sleep 2 &"]
    subprocess.run(command, check=True, timeout=20)


@pytest.mark.parametrize("workers", [1, 2])
async def test_found_e7_orphans_are_collected(tmp_path: Path, workers: int) -> None:
    with first(tmp_path, workers) as (server, pid, port):
        assert (await ask(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).status == 404
        own = children(pid)
        assert len(own) == (workers if workers > 1 else 0)
        leave_orphans(pid)
        assert len(children(pid)) == len(own) + 2
        async with asyncio.timeout(20):
            while children(pid) != own:
                await asyncio.sleep(0.05)
        os.kill(pid, signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, 20) == 0


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_found_e7_a_signal_when_the_port_has_just_opened(
    tmp_path: Path, workers: int, how: signal.Signals
) -> None:
    with first(tmp_path, workers) as (server, pid, _):
        os.kill(pid, how)
        assert server.process.wait(20) == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_found_e7_a_second_signal_ends_it_at_once(tmp_path: Path, workers: int) -> None:
    with first(tmp_path, workers) as (server, pid, port):
        if workers > 1:
            async with asyncio.timeout(20):
                while len(children(pid)) < workers:
                    await asyncio.sleep(0.02)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n")  # half a request, which the drain waits for
        await ask(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        os.kill(pid, signal.SIGTERM)
        await asyncio.sleep(REPEAT_PERIOD + 0.2)
        assert server.process.poll() is None
        os.kill(pid, signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, 5) != 0
        writer.close()
        del reader
