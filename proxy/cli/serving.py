"""What runs until it is told to stop: serve and sandbox; and what asks whether it does: healthcheck."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import click

from proxy import config, sandbox
from proxy.cache import GenerationTable
from proxy.cli.demo import welcome
from proxy.cli.parameters import ADDRESS, FILE, refuse, warn
from proxy.config import Address, Configuration, ConfigurationError, Listen
from proxy.gateway.translator import SharedState, Translator
from proxy.net.accept_share import AcceptShare, AcceptShares
from proxy.net.sockets import Listener, opened
from proxy.observe.counters import CounterMemory, Counters
from proxy.process.assembly import assemble, store_of
from proxy.process.reloading import ActiveConfiguration
from proxy.process.running import Part, Service, run, run_apart
from proxy.sandbox.serving import listening as sandbox_listening
from proxy.server.listeners import listeners, listening
from proxy.upstream.client import Client

_SANDBOX = Address("127.0.0.1", 9000)

# Serving


@click.command()
@click.option("--config", "file", type=FILE, help="The configuration, a YAML file.")
@click.option("--demo", is_flag=True, help="Serve out of an embedded upstream; needs no configuration.")
@click.option("--listen", type=ADDRESS, help="Where to serve plain HTTP, instead of the configured address.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that serve.")
@click.option("--sandbox-listen", type=ADDRESS, default=_SANDBOX, show_default=True, help="With --demo.")
@click.option("--sandbox-db", default=":memory:", metavar="FILE", help="With --demo: keep its data in FILE.")
def serve(  # noqa: PLR0913 - each is an option
    file: Path | None,
    *,
    demo: bool,
    listen: Address | None,
    workers: int,
    sandbox_listen: Address,
    sandbox_db: str,
) -> None:
    """Serve old clients until SIGINT or SIGTERM; at SIGHUP, read the configuration again."""
    if demo == (file is not None):
        raise click.UsageError("give either --config FILE or --demo")
    if file is not None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # which would end it, until it is heeded
        try:
            configured = ActiveConfiguration(lambda: _servable(config.load(file), listen, workers))
        except ConfigurationError as error:
            refuse(error)
        warn(configured.now)
        with _listeners(configured.now) as every:
            _serve(configured, every, workers, _announced(every), reloads=True)
        return
    with _opened(sandbox_listen) as upstream:
        url = f"http://{upstream.address.reached_at()}"
        configured = ActiveConfiguration(lambda: _servable(config.demo(url), listen, workers))
        with _listeners(configured.now) as every:
            welcoming = welcome(f"http://{every['address'].address.reached_at()}", url, _this_program())
            _serve(configured, every, workers, welcoming, partial(_sandbox, upstream, sandbox_db))


def _servable(configuration: Configuration, address: Address | None, workers: int) -> Configuration:
    """Return the configuration as it is served; UsageError where it does not go with the options."""
    if workers > 1 and configuration.has_spoken_codes:
        raise click.UsageError("a code that was spoken comes back to one process: --workers must be 1")
    if address is None:
        return configuration
    listen = configuration.settings.listen.model_copy(update={"address": address})
    return configuration._replace(settings=configuration.settings.model_copy(update={"listen": listen}))


_ANNOUNCED = {
    "address": "legacy API   http://{}/2008-08-01",
    "tls": "legacy API   https://{}/2008-08-01",
    "legacy_tls": "legacy API   https://{}/2008-08-01 (TLS 1.0 and 1.1 too)",
    "metrics": "metrics      http://{}/metrics",
}


def _announced(every: Mapping[str, Listener]) -> str:
    lines = [
        line.format(every[name].address.reached_at()) for name, line in _ANNOUNCED.items() if name in every
    ]
    return "\n".join(lines)


def _this_program() -> str:
    called = Path(sys.argv[0])
    return f"{sys.executable} -m proxy" if called.name == "__main__.py" else str(called)


def _serve(
    configured: ActiveConfiguration,
    every: Mapping[str, Listener],
    workers: int,
    announcement: str,
    *beside: Part,
    reloads: bool = False,
) -> None:
    """Serve with so many workers over these listeners, and run what is `beside` them."""
    shared = _Shared(GenerationTable(workers), CounterMemory(workers), AcceptShares(workers))
    proxies: list[Part] = [
        partial(_proxy, configured, every, shared, number, reloads=reloads) for number in range(workers)
    ]
    if workers == 1:
        run([*beside, *proxies], announcement)
        return

    def died(number: int) -> None:
        if number < workers:
            shared.counters.count_all(number)
            shared.turns.gone(number)

    def stops() -> None:
        for each in every.values():  # or clients would wait at what no worker accepts from any more
            each.close()

    def reload() -> bool:
        if is_better := configured.reload():
            configured.tell()
        return is_better

    run_apart([*proxies, *beside], announcement, died, stops, reload if reloads else None)


class _Shared(NamedTuple):
    """What all workers inherit."""

    counters: GenerationTable
    memory: CounterMemory
    turns: AcceptShares


@asynccontextmanager
async def _proxy(
    configured: ActiveConfiguration,
    every: Mapping[str, Listener],
    shared: _Shared,
    worker: int,
    *,
    reloads: bool,
) -> AsyncIterator[Service]:
    store = store_of(configured.now, shared.counters, worker)
    ongoing, turn = SharedState(Counters(shared.memory, worker)), AcceptShare(shared.turns, worker)
    async with Client() as client, AsyncExitStack() as stack:
        stack.push_async_callback(store.close)

        def described() -> tuple[Translator, Listen]:
            translator = assemble(configured.now, client, store, ongoing=ongoing)
            return translator, configured.now.settings.listen

        serving = await stack.enter_async_context(listening(*described(), every, ongoing.counters, turn))

        async def reload() -> None:
            # In a thread, because it takes longer than requests may wait for the loop
            if anew := await asyncio.to_thread(lambda: described() if configured.reload() else None):
                serving.follow(*anew)
                if turn.is_alone:  # else the process above tells it once for all
                    configured.tell()

        yield Service(serving.retire, reload if reloads else None)


@contextmanager
def _listeners(configuration: Configuration) -> Iterator[Mapping[str, Listener]]:
    with ExitStack() as stack:
        with _clear_error():
            every = stack.enter_context(listeners(configuration.settings.listen))
        yield every


@contextmanager
def _opened(address: Address) -> Iterator[Listener]:
    with ExitStack() as stack:
        with _clear_error():
            every = stack.enter_context(opened({"sandbox": address}))
        yield every["sandbox"]


@contextmanager
def _clear_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {error.filename}: {os.strerror(error.errno or 0)}"
        ) from error


# The sandbox


@click.group("sandbox", invoke_without_command=True)
@click.option("--listen", type=ADDRESS, default=_SANDBOX, show_default=True)
@click.option("--sandbox-db", default=":memory:", metavar="FILE", help="Keep its data in FILE.")
@click.pass_context
def sandbox_command(context: click.Context, listen: Address, sandbox_db: str) -> None:
    """Serve the embedded upstream by itself: a look-alike of Twilio's API of today."""
    if context.invoked_subcommand is None:
        with _opened(listen) as upstream:
            run(
                [partial(_sandbox, upstream, sandbox_db)],
                f"sandbox      http://{upstream.address.reached_at()}",
            )


@asynccontextmanager
async def _sandbox(upstream: Listener, db: str) -> AsyncIterator[None]:
    with closing(_store(db)) as store:
        async with sandbox_listening(store, upstream.sockets):
            yield


def _store(db: str) -> sandbox.Store:
    try:
        return sandbox.Store(db)
    except sqlite3.Error as error:
        raise click.ClickException(f"cannot use {db} as a database: {error}") from error


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
