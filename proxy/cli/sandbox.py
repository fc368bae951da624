"""The embedded upstream by itself, and the phone that rings in it: sandbox, sandbox answer."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial

import click

from proxy import sandbox
from proxy.cli.groups import SuggestingGroup
from proxy.cli.parameters import ADDRESS, SANDBOX_ADDRESS, listen_on
from proxy.net.addresses import Address
from proxy.net.sockets import Listener, opened
from proxy.process.signals import run
from proxy.sandbox.serving import listening


@click.group(
    "sandbox",
    cls=SuggestingGroup,
    invoke_without_command=True,
    examples=("callerid-proxy sandbox --sandbox-db numbers.db",),
)
@click.option("--listen", type=ADDRESS, default=SANDBOX_ADDRESS, show_default=True)
@click.option("--sandbox-db", default=":memory:", metavar="FILE", help="Keep its data in FILE.")
@click.pass_context
def sandbox_command(context: click.Context, listen: Address, sandbox_db: str) -> None:
    """Serve the embedded upstream by itself: a look-alike of Twilio's API of today."""
    if context.invoked_subcommand is None:
        with listen_on(opened({"sandbox": listen})) as listeners:
            upstream = listeners["sandbox"]
            announcement = f"sandbox      http://{upstream.address.reached_at()}"
            run([partial(run_sandbox, upstream, sandbox_db)], announcement)


@asynccontextmanager
async def run_sandbox(listener: Listener, database: str) -> AsyncIterator[None]:
    """Serve the sandbox until the block ends; ClickException where `database` cannot be used."""
    with closing(_open_store(database)) as store:
        async with listening(store, listener.sockets):
            yield


def _open_store(database: str) -> sandbox.Store:
    try:
        return sandbox.Store(database)
    except sqlite3.Error as error:
        raise click.ClickException(f"cannot use {database} as a database: {error}") from error


@sandbox_command.command(examples=("callerid-proxy sandbox answer +14158675309 123456",))
@click.argument("number")
@click.argument("code")
@click.option("--url", default=f"http://{SANDBOX_ADDRESS}", show_default=True, help="Where the sandbox is.")
def answer(number: str, code: str, url: str) -> None:
    """Pick up the phone that rings at NUMBER (+1…) and type CODE."""
    try:
        click.echo(asyncio.run(sandbox.answer(url, number, code)))
    except sandbox.AnswerError as error:
        raise click.ClickException(str(error)) from None


COMMANDS: dict[str, click.Command] = {"sandbox": sandbox_command}
