"""The command line: the module of each command, imported when the command is called."""

from collections.abc import Mapping

import click

from proxy import __version__
from proxy.cli.groups import SuggestingGroup
from proxy.observe import log

# ruff: noqa: PLC0415


def _load(name: str) -> Mapping[str, click.Command]:
    """Return the commands of the module that has the command `name`."""
    match name:
        case "serve":
            from proxy.cli.serving import COMMANDS
        case "sandbox":
            from proxy.cli.sandbox import COMMANDS
        case "healthcheck":
            from proxy.cli.healthcheck import COMMANDS
        case "explain" | "translate":
            from proxy.cli.explaining import COMMANDS
        case "test":
            from proxy.cli.testing import COMMANDS
        case _:
            from proxy.cli.configuring import COMMANDS
    return COMMANDS


class _Commands(SuggestingGroup):
    """Imports what only some commands need with those commands."""

    names = (
        *("serve", "sandbox", "healthcheck", "check", "config", "schema", "init", "explain", "translate"),
        "test",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _load(cmd_name)[cmd_name] if cmd_name in self.names else super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Answer Twilio's 2008-08-01 caller-ID API from a modern one."""
    log.log_to_stderr()


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"callerid-proxy {__version__}")
