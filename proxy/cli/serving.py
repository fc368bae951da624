"""What runs until it is told to stop: serve and sandbox; and what asks whether it does: healthcheck."""

import asyncio
import gc
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import click
import uvloop

from proxy import config, sandbox
from proxy.assembly import assemble
from proxy.cli.parameters import ADDRESS, FILE, load, warn
from proxy.config import Address, Configuration
from proxy.demo import welcome
from proxy.observers import Observers
from proxy.sandbox.serving import listening as sandbox_listening
from proxy.server.listening import listening
from proxy.upstream.client import Client

_SANDBOX = Address("127.0.0.1", 9000)

# Serving


@click.command()
@click.option("--config", "file", type=FILE, help="The configuration, a YAML file.")
@click.option("--demo", is_flag=True, help="Serve out of an embedded upstream; needs no configuration.")
@click.option("--listen", type=ADDRESS, help="Where to serve plain HTTP, instead of the configured address.")
@click.option("--sandbox-listen", type=ADDRESS, default=_SANDBOX, show_default=True, help="With --demo.")
@click.option("--sandbox-db", default=":memory:", metavar="FILE", help="With --demo: keep its data in FILE.")
def serve(
    file: Path | None, *, demo: bool, listen: Address | None, sandbox_listen: Address, sandbox_db: str
) -> None:
    """Serve old clients until SIGINT or SIGTERM."""
    if demo == (file is not None):
        raise click.UsageError("give either --config FILE or --demo")
    _run(_demo(listen, sandbox_listen, sandbox_db) if file is None else _serve(load(file), listen))


_ANNOUNCED = {
    "address": "legacy API   http://{}/2008-08-01",
    "tls": "legacy API   https://{}/2008-08-01",
    "legacy_tls": "legacy API   https://{}/2008-08-01 (TLS 1.0 and 1.1 too)",
    "metrics": "metrics      http://{}/metrics",
}


async def _serve(configuration: Configuration, listen: Address | None) -> None:
    warn(configuration)
    async with _proxy(configuration, listen) as bound, _until_told_to_stop():
        for name, line in _ANNOUNCED.items():
            if name in bound:
                click.echo(line.format(bound[name].reached_at()))


async def _demo(listen: Address | None, sandbox_listen: Address, sandbox_db: str) -> None:
    async with (
        _sandbox(sandbox_listen, sandbox_db) as upstream,
        _proxy(config.demo(f"http://{upstream}"), listen) as bound,
        _until_told_to_stop(),
    ):
        click.echo(welcome(f"http://{bound['address'].reached_at()}", f"http://{upstream}", _this_program()))


def _this_program() -> str:
    called = Path(sys.argv[0])
    return f"{sys.executable} -m proxy" if called.name == "__main__.py" else str(called)


@asynccontextmanager
async def _proxy(
    configuration: Configuration, address: Address | None
) -> AsyncIterator[Mapping[str, Address]]:
    listen = configuration.settings.listen
    if address:
        listen = listen.model_copy(update={"address": address})
    async with Client() as client, AsyncExitStack() as stack:
        with _clear_error():
            translator = assemble(configuration, client)
            bound = await stack.enter_async_context(listening(translator, listen, Observers()))
        # What is there now stays: the collector need not look through it again and again beside requests
        gc.collect()
        gc.freeze()
        yield bound


@asynccontextmanager
async def _sandbox(address: Address, db: str) -> AsyncIterator[Address]:
    with closing(_store(db)) as store:
        async with AsyncExitStack() as stack:
            with _clear_error(address):
                port = await stack.enter_async_context(sandbox_listening(store, *address))
            yield Address(address.host, port).reached_at()


def _store(db: str) -> sandbox.Store:
    try:
        return sandbox.Store(db)
    except sqlite3.Error as error:
        raise click.ClickException(f"cannot use {db} as a database: {error}") from error


@contextmanager
def _clear_error(address: Address | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {address or error.filename}: {os.strerror(error.errno or 0)}"
        ) from error


@asynccontextmanager
async def _until_told_to_stop() -> AsyncIterator[None]:
    """Wait for SIGINT or SIGTERM at the end of the block; a second one ends the process at once.

    The signals are heeded from the beginning: whoever reads the announced address may send one at once.
    """
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    for each in signals:
        loop.add_signal_handler(each, told.set)
    yield
    await told.wait()
    for each in signals:
        loop.remove_signal_handler(each)


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


# The sandbox


@click.group("sandbox", invoke_without_command=True)
@click.option("--listen", type=ADDRESS, default=_SANDBOX, show_default=True)
@click.option("--sandbox-db", default=":memory:", metavar="FILE", help="Keep its data in FILE.")
@click.pass_context
def sandbox_command(context: click.Context, listen: Address, sandbox_db: str) -> None:
    """Serve the embedded upstream by itself: a look-alike of Twilio's API of today."""
    if context.invoked_subcommand is None:
        _run(_serve_sandbox(listen, sandbox_db))


async def _serve_sandbox(listen: Address, db: str) -> None:
    async with _sandbox(listen, db) as address, _until_told_to_stop():
        click.echo(f"sandbox      http://{address}")


@sandbox_command.command()
@click.argument("number")
@click.argument("code")
@click.option("--url", default=f"http://{_SANDBOX}", show_default=True, help="Where the sandbox is.")
def answer(number: str, code: str, url: str) -> None:
    """Pick up the phone that rings at NUMBER (+1…) and type CODE."""
    try:
        click.echo(asyncio.run(sandbox.answer(url, number, code)))
    except sandbox.AnswerError as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.option(
    "--url",
    default="http://127.0.0.1:8080",
    envvar="CALLERID_PROXY_HEALTHCHECK_URL",
    show_default=True,
    show_envvar=True,
    help="Where the proxy is.",
)
def healthcheck(url: str) -> None:
    """Exit with 0 if a proxy answers at URL, with 1 if not."""
    if not _is_healthy(url):
        raise click.ClickException(f"no proxy answers at {url}")


def _is_healthy(url: str) -> bool:
    """Whether what answers there answers as the 2008 API did to a path that it does not know."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=3):
            return False
    except HTTPError as error:
        with error:
            return error.code == 404 and b"<RestException>" in error.read()
    except (OSError, ValueError, HTTPException):
        return False
