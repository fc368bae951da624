"""The command line: a table of commands, each loaded when it is called."""

from collections.abc import Callable, Mapping

import click

from proxy import __version__
from proxy.observe import log


def _serve() -> click.Command:
    from proxy.cli.serving import serve  # noqa: PLC0415

    return serve


def _sandbox() -> click.Command:
    from proxy.cli.sandbox import sandbox_command  # noqa: PLC0415

    return sandbox_command


def _healthcheck() -> click.Command:
    from proxy.cli.healthcheck import healthcheck  # noqa: PLC0415

    return healthcheck


def _configuring(name: str) -> Callable[[], click.Command]:
    def load() -> click.Command:
        from proxy.cli.configuring import COMMANDS  # noqa: PLC0415

        return COMMANDS[name]

    return load


def _explaining(name: str) -> Callable[[], click.Command]:
    def load() -> click.Command:
        from proxy.cli.explaining import COMMANDS  # noqa: PLC0415

        return COMMANDS[name]

    return load


_COMMANDS: Mapping[str, Callable[[], click.Command]] = {
    "serve": _serve,
    "sandbox": _sandbox,
    "healthcheck": _healthcheck,
    **{name: _configuring(name) for name in ("check", "config", "schema", "init")},
    **{name: _explaining(name) for name in ("explain", "translate")},
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command: what only some commands need is imported by those."""
        load = _COMMANDS.get(cmd_name)
        return load() if load else super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Answer Twilio's 2008-08-01 caller-ID API from a modern one."""
    log.log_to_stderr()


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"callerid-proxy {__version__}")
