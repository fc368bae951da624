"""The main command: serve."""

import logging
import signal
import sys
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import click

from proxy import config
from proxy.cli.groups import Command
from proxy.cli.parameters import ADDRESS, FILE, SANDBOX_ADDRESS, listen_on, refuse, warn
from proxy.config import Configuration, ConfigurationError
from proxy.net.addresses import Address
from proxy.net.sockets import opened
from proxy.process.assembly import server_options
from proxy.process.reload import ActiveConfiguration
from proxy.process.serving import Listeners
from proxy.process.serving import serve as run_proxy
from proxy.server.listeners import listeners

_log = logging.getLogger("proxy.config")


@click.command(
    cls=Command,
    examples=("callerid-proxy serve --demo", "callerid-proxy serve --config proxy.yaml --workers 2"),
)
@click.option("--config", "file", type=FILE, help="The configuration, a YAML file.")
@click.option("--demo", is_flag=True, help="Serve out of an embedded upstream; needs no configuration.")
@click.option("--listen", type=ADDRESS, help="Where to serve plain HTTP, instead of the configured address.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that serve.")
@click.option(
    "--sandbox-listen", type=ADDRESS, default=SANDBOX_ADDRESS, show_default=True, help="With --demo."
)
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
    if file is None:
        _serve_demo(listen, workers, sandbox_listen, sandbox_db)
        return
    try:
        configuration = ActiveConfiguration(lambda: _with_options(config.load(file), listen, workers))
    except ConfigurationError as error:
        refuse(error)
    warn(configuration.now.warnings)
    for hint in configuration.now.hints if listen is None else ():
        _log.warning("%s", hint.as_warning())
    with _listen(configuration) as every:
        run_proxy(configuration, every, workers, _announce(every), reloads=True)


def _serve_demo(listen: Address | None, workers: int, sandbox_listen: Address, database: str) -> None:
    from proxy.cli.demo import welcome  # noqa: PLC0415 - only the demo needs the sandbox
    from proxy.cli.sandbox import run_sandbox  # noqa: PLC0415

    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # there is no file to read again
    with listen_on(opened({"sandbox": sandbox_listen})) as upstream:
        url = f"http://{upstream['sandbox'].address.reached_at()}"
        configuration = ActiveConfiguration(lambda: _with_options(config.demo(url), listen, workers))
        with _listen(configuration) as every:
            welcoming = welcome(f"http://{every['address'].address.reached_at()}", url, _program())
            sandbox = partial(run_sandbox, upstream["sandbox"], database)
            run_proxy(configuration, every, workers, welcoming, sandbox)


def _listen(configuration: ActiveConfiguration) -> AbstractContextManager[Listeners]:
    return listen_on(listeners(server_options(configuration.now.settings)))


def _with_options(configuration: Configuration, address: Address | None, workers: int) -> Configuration:
    """Return the configuration with what the options change; UsageError where they contradict it."""
    if workers > 1 and configuration.has_spoken_codes and configuration.settings.accounts is None:
        # Callers' own credentials, which the code needs, stay in the memory of one worker
        raise click.UsageError(
            "code_on_phone without accounts works with one worker only: --workers must be 1"
        )
    if address is None:
        return configuration
    listen = configuration.settings.listen.model_copy(update={"address": address})
    return configuration._replace(settings=configuration.settings.model_copy(update={"listen": listen}))


_ANNOUNCEMENTS = {
    "address": "legacy API   http://{}/2008-08-01",
    "tls": "legacy API   https://{}/2008-08-01",
    "legacy_tls": "legacy API   https://{}/2008-08-01 (TLS 1.0 and 1.1 too)",
    "metrics": "metrics      http://{}/metrics",
}


def _announce(every: Listeners) -> str:
    lines = _ANNOUNCEMENTS.items()
    return "\n".join(line.format(every[key].address.reached_at()) for key, line in lines if key in every)


def _program() -> str:
    """Return how this program was called."""
    called = Path(sys.argv[0])
    return f"{sys.executable} -m proxy" if called.name == "__main__.py" else str(called)


COMMANDS: dict[str, click.Command] = {"serve": serve}
