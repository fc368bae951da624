"""The command line; each command is a function of a module beside this one."""

import click

from proxy import __version__
from proxy.cli import configuring, explaining, serving
from proxy.observe import log


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Answer Twilio's 2008-08-01 caller-ID API from a modern one."""
    log.log_to_stderr()


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"callerid-proxy {__version__}")


for command in (
    serving.serve,
    serving.sandbox_command,
    serving.healthcheck,
    configuring.check,
    configuring.config_command,
    configuring.schema,
    configuring.init,
    explaining.explain,
    explaining.translate,
):
    main.add_command(command)
