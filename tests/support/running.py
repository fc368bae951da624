"""Proxies and sandboxes that run inside a test."""

import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from functools import cache
from pathlib import Path

from proxy import config, sandbox
from proxy.config import Address
from proxy.config.settings import SnapshotSettings
from proxy.net.sockets import opened
from proxy.process.loopback import serve_on_loopback
from proxy.sandbox.serving import listening as sandbox_listening

UNLIMITED = "validation: {limits: {per_number: off, per_account: off, per_peer: off}}\n"
"""The part of a proxy.yaml that lets a test place as many validation calls as it likes."""
_ANY_PORT = Address("127.0.0.1", 0)
_LOOPBACK = re.compile(r"http://127\.0\.0\.1:[0-9]+")


@contextlib.asynccontextmanager
async def running_listeners(
    base_url: str, configuration: str = "", variables: Mapping[str, str] | None = None
) -> AsyncIterator[Mapping[str, Address]]:
    """Run a proxy before `base_url`, with `configuration` as the rest of its proxy.yaml.

    Yields what it listens on, the plain address at a free port.
    """
    async with _running(_load(base_url, configuration, variables or {})) as bound:
        yield bound


def _load(base_url: str, configuration: str, variables: Mapping[str, str]) -> config.Configuration:
    """Load a configuration: one that names no file only once, since ports alone differ between tests."""
    if "/" in configuration or not _LOOPBACK.fullmatch(base_url):
        return _read(base_url, configuration, variables)
    loaded = _read_once(configuration, tuple(variables.items()))
    upstream = loaded.settings.upstream.model_copy(update={"base_url": base_url})
    return loaded._replace(settings=loaded.settings.model_copy(update={"upstream": upstream}))


@cache
def _read_once(configuration: str, variables: tuple[tuple[str, str], ...]) -> config.Configuration:
    return _read("http://127.0.0.1:1", configuration, dict(variables))


def _read(base_url: str, configuration: str, variables: Mapping[str, str]) -> config.Configuration:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "proxy.yaml"
        file.write_text(f"upstream:\n  base_url: {base_url}\n{configuration}", encoding="utf-8")
        return config.load(file, variables)


@contextlib.asynccontextmanager
async def _running(configuration: config.Configuration) -> AsyncIterator[Mapping[str, Address]]:
    """Run a proxy without a cache, unless its configuration has one."""
    settings = configuration.settings
    if "snapshots" not in settings.model_fields_set:
        settings = settings.model_copy(update={"snapshots": SnapshotSettings(fresh=0)})
        configuration = configuration._replace(settings=settings)
    async with serve_on_loopback(configuration) as bound:
        yield bound


@contextlib.asynccontextmanager
async def running_proxy_of(configuration: config.Configuration) -> AsyncIterator[int]:
    """Run the proxy of a configuration; yields the port of its plain address."""
    async with _running(configuration) as bound:
        yield bound["address"].port


@contextlib.asynccontextmanager
async def running_proxy(
    base_url: str, configuration: str = "", variables: Mapping[str, str] | None = None
) -> AsyncIterator[int]:
    """Run the same; yields the port of its plain address."""
    async with running_listeners(base_url, configuration, variables) as bound:
        yield bound["address"].port


@contextlib.asynccontextmanager
async def running_sandbox(store: sandbox.Store) -> AsyncIterator[str]:
    """Run a sandbox; yields its URL."""
    with opened({"sandbox": _ANY_PORT}) as every:
        async with sandbox_listening(store, every["sandbox"].sockets):
            yield f"http://{every['sandbox'].address}"
