"""The names by which requests may call the metrics listener."""

import logging
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.processes import running
from support.running import running_listeners
from support.wire import ask

PAGES = ("/metrics", "/readyz", "/healthz")
NAMES = (
    "callerid-proxy.default.svc.cluster.local",
    "host.docker.internal",
    "Proxy.Example.COM",
)


@asynccontextmanager
async def metrics(hosts: str) -> AsyncIterator[int]:
    text = f"listen: {{metrics: '127.0.0.1:0'}}\nmetrics: {{hosts: {hosts}}}\n"
    async with running_listeners("http://127.0.0.1:1", text) as bound:
        yield bound["metrics"].port


async def status(port: int, host: str, page: str = "/metrics") -> int:
    return (await ask(port, f"GET {page} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())).status


@pytest.mark.parametrize("page", PAGES)
async def test_found_e3_names_are_configured(page: str) -> None:
    async with metrics(str([*NAMES])) as port:
        for name in NAMES:
            for host in (name, name.lower(), name.upper(), f"{name}:9464", f"{name}."):
                assert await status(port, host, page) == 200
        for host in ("evil.example", f"{NAMES[0]}.evil.example", f"x{NAMES[1]}", "cluster.local"):
            assert await status(port, host, page) == 403


async def test_found_e3_a_refusal_is_logged_without_the_host(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with metrics("[]") as port:
        for host in ("canary.example", "a.canary.example"):
            assert await status(port, host) == 403
    told, again = caplog.messages
    assert told == again, "equal lines are written once a minute"
    assert "add it to metrics.hosts" in told
    assert "canary" not in told


async def test_found_e3_a_reload_changes_the_names(tmp_path: Path) -> None:
    file = tmp_path / "proxy.yaml"
    text = "listen: {address: 127.0.0.1:0, metrics: 127.0.0.1:0}\n"
    file.write_text(text, encoding="utf-8")
    with running("serve", "--config", file, shows_log=True) as server:
        port = int(server.until(r"metrics +http://127\.0\.0\.1:(\d+)/metrics"))
        assert await status(port, NAMES[0]) == 403
        file.write_text(f"{text}metrics: {{hosts: [{NAMES[0]}]}}\n", encoding="utf-8")
        server.process.send_signal(1)
        server.until(r".*(the configuration has been reloaded)")
        assert await status(port, NAMES[0]) == 200
        assert server.stop() == 0


NAMED = ("unshare", "--uts", "--mount", "sh", "-c")


def has_namespaces() -> bool:
    """Whether this user may give a process a host name of its own; most containers forbid it."""
    if not shutil.which("unshare"):
        return False
    done = subprocess.run([*NAMED, "hostname x"], check=False, capture_output=True, timeout=20)
    return done.returncode == 0


@pytest.mark.skipif(not has_namespaces(), reason="process namespaces are not permitted")
@pytest.mark.parametrize("name", ["box", "box.example.test"], ids=["found by the resolver", "the host name"])
async def test_found_e3_the_full_name_of_the_host_needs_no_key(tmp_path: Path, name: str) -> None:
    hosts, file = tmp_path / "hosts", tmp_path / "proxy.yaml"
    hosts.write_text("127.0.0.1 localhost\n127.0.1.1 box.example.test box\n", encoding="utf-8")
    file.write_text("listen: {address: 127.0.0.1:0, metrics: 127.0.0.1:0}\n", encoding="utf-8")
    named = f'mount --bind {hosts} /etc/hosts && hostname {name} && exec "$@"'
    with running("serve", "--config", file, inside=(*NAMED, named, "sh")) as server:
        port = int(server.until(r"metrics +http://127\.0\.0\.1:(\d+)/metrics"))
        for page in PAGES:
            assert await status(port, "box.example.test:9464", page) == 200
        assert await status(port, "other.example.test") == 403
        assert server.stop() == 0
