"""The command that asks the real upstream: doctor."""

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from proxy.cli.groups import Command
from proxy.cli.parameters import FILE, load
from proxy.config import Configuration
from proxy.doctor import (
    AccountReport,
    Examination,
    ExaminationScope,
    Status,
    exit_status,
    format_row,
    format_summary,
    to_json,
)
from proxy.errors import LegacyError
from proxy.model import Account, Credentials
from proxy.profile.numbers import E164

_COLOURS = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAILURE: "red",
    Status.SKIPPED: "bright_black",
}
_SID = re.compile("PN[0-9a-f]{32}", re.IGNORECASE)


@click.command(
    cls=Command,
    examples=("callerid-proxy doctor proxy.yaml", "callerid-proxy doctor --json proxy.yaml | jq .failures"),
)
@click.argument("file", type=FILE)
@click.option(
    "--account", "accounts", multiple=True, metavar="SID", help="Examine this account only; repeatable."
)
@click.option(
    "--token",
    envvar="CALLERID_PROXY_TOKEN",
    help="The token of --account, where the configuration has no accounts."
    " Better in the variable CALLERID_PROXY_TOKEN, which no list of processes shows.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--write", "sid", metavar="SID", help="Rename this caller ID there and back.")
@click.option("--call", "number", metavar="NUMBER", help="Place one validation call, after a question.")
def doctor(  # noqa: PLR0913 - each is an option
    file: Path,
    *,
    accounts: Sequence[str],
    token: str | None,
    as_json: bool,
    sid: str | None,
    number: str | None,
) -> None:
    """Ask the real upstreams of a configuration FILE whether it works.

    For each account, the way to the upstream, the credentials, the list, both filters and one caller ID are
    examined. Everything is only read, unless --write or --call are given. The exit status is 0, 1 where there
    are warnings, 2 where there are failures, and 78 for an invalid configuration.
    """
    if sid and not _SID.fullmatch(sid):
        raise click.BadParameter("a Sid is PN and 32 hexadecimal digits", param_hint="--write")
    if number and not E164.fullmatch(number):
        raise click.BadParameter("write the number as E.164, for example +14158675309", param_hint="--call")
    configuration = load(file)
    own = _find_own_credentials(configuration, accounts, token)
    try:
        examination = Examination(
            configuration, ExaminationScope(tuple(accounts), own, sid or "", number or "")
        )
    except LegacyError:
        known = set(configuration.settings.accounts or ())
        unknown = next(each for each in accounts if each not in known)
        raise click.BadParameter(
            f"the configuration has no account {unknown}", param_hint="--account"
        ) from None
    if not examination.accounts:
        raise click.UsageError("the configuration has no account to examine")
    if (sid or number) and len(examination.accounts) > 1:
        raise click.UsageError("--write and --call are for one account: name it with --account")
    if number and not _is_confirmed(number, examination.accounts[0]):
        raise click.UsageError("no call was placed: the answer was not yes")
    reports = asyncio.run(_examine(examination, is_shown=not as_json))
    click.echo(json.dumps(to_json(reports), indent=2) if as_json else format_summary(reports))
    raise SystemExit(exit_status(reports))


def _find_own_credentials(
    configuration: Configuration, accounts: Sequence[str], token: str | None
) -> Credentials | None:
    """Return the credentials that a caller would pass on; None where the configuration has accounts."""
    if configuration.settings.accounts is not None:
        return None
    if len(accounts) != 1:
        raise click.UsageError(
            "the configuration has no accounts: name one with --account and its token with --token"
        )
    token = token if token is not None else click.prompt("Token", hide_input=True, err=True)
    return Credentials(accounts[0], token)


def _is_confirmed(number: str, account: Account) -> bool:
    question = f"This places one validation call to {number} for {account.sid}, which may cost money. Go on?"
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # there is no answer
        return False


async def _examine(examination: Examination, *, is_shown: bool) -> Sequence[AccountReport]:
    """Examine all accounts, and show each row as soon as it is known."""
    reports = []
    for account in examination.accounts:
        upstream, rows = examination.describe(account), []
        if is_shown:
            click.echo(f"{account.sid}: {upstream}\n")
        async for row in examination.rows(account):
            rows.append(row)
            if is_shown:
                click.echo(format_row(row, shutil.get_terminal_size().columns, _colour))
        if is_shown:
            click.echo()
        reports.append(AccountReport(account.sid, upstream, rows))
    return reports


def _colour(status: Status, text: str) -> str:
    return click.style(text, fg=_COLOURS[status])


COMMANDS: dict[str, click.Command] = {"doctor": doctor}
