"""The command line: the module of each command, imported when the command is called."""

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version as version_of

import click

from proxy import __version__
from proxy.cli.groups import Command, SuggestingGroup
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
        case "doctor":
            from proxy.cli.doctor import COMMANDS
        case "completion" | "man":
            from proxy.cli.manual import COMMANDS
        case "test":
            from proxy.cli.testing import COMMANDS
        case _:
            from proxy.cli.configuring import COMMANDS
    return COMMANDS


class _Commands(SuggestingGroup):
    """Imports what only some commands need with those commands."""

    names = (
        *("serve", "sandbox", "healthcheck", "explain", "translate", "doctor", "completion", "man"),
        *("check", "config", "schema", "init", "profiles", "test"),
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _load(cmd_name)[cmd_name] if cmd_name in self.names else super().get_command(ctx, cmd_name)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=(
        "callerid-proxy serve --demo",
        "callerid-proxy init signalwire --output proxy.yaml",
        "callerid-proxy check proxy.yaml",
        "callerid-proxy doctor proxy.yaml",
        "callerid-proxy serve --config proxy.yaml",
    ),
)
@click.version_option(__version__, message="callerid-proxy %(version)s", help="Print the version.")
def main() -> None:
    """Answer Twilio's 2008-08-01 caller-ID API from a modern one."""
    log.log_to_stderr()


@main.command(cls=Command, examples=("callerid-proxy version --json",))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the versions of what it runs on.")
def version(*, as_json: bool) -> None:
    """Print the version."""
    if as_json:
        libraries = {name: version_of(name) for name in ("aiohttp", "lxml", "pydantic")}
        told = {"callerid-proxy": __version__, "python": platform.python_version(), **libraries}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(f"callerid-proxy {__version__}")
