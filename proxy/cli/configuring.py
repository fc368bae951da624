"""Commands that read files and ask no upstream: check, config, schema and init."""

import json
from pathlib import Path

import click

from proxy.cli.parameters import BAD_CONFIGURATION, FILE, load, refuse, warn
from proxy.config import ConfigurationError
from proxy.config.effective import write_effective
from proxy.config.schema import KINDS, make_schema
from proxy.config.starting import make_starting_file


@click.command()
@click.argument("file", type=FILE)
@click.option("--strict", is_flag=True, help="Take warnings for mistakes.")
@click.option("--without-secrets", is_flag=True, help="Accept variables and secret files that are missing.")
def check(file: Path, *, strict: bool, without_secrets: bool) -> None:
    """Check a configuration FILE without starting anything; exit status 78 if it cannot be used."""
    configuration = load(file, without_secrets=without_secrets)
    warn(configuration, configuration.hints)
    if strict and configuration.warnings:
        raise SystemExit(BAD_CONFIGURATION)
    click.echo(f"{file}: good")


@click.command("config")
@click.argument("file", type=FILE)
def config_command(file: Path) -> None:
    """Print what a configuration FILE and its profiles amount to.

    Every value stands there with the place that it comes from; secrets are masked.
    """
    for line in write_effective(load(file)):
        click.echo(line)


@click.command()
@click.argument("kind", type=click.Choice(KINDS), default=KINDS[0])
def schema(kind: str) -> None:
    """Print the JSON Schema of a proxy.yaml, or that of a profile, for editors."""
    click.echo(json.dumps(make_schema(kind), indent=2))


@click.command()
@click.argument("name")
@click.option("--output", "-o", type=FILE, help="Write to a new file instead of printing.")
def init(name: str, output: Path | None) -> None:
    """Print a commented proxy.yaml to start from, for the profile NAME or a profile of one's own."""
    try:
        text = make_starting_file(name, output or Path("proxy.yaml"))
    except ConfigurationError as error:
        refuse(error)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror}") from error


COMMANDS = {"check": check, "config": config_command, "schema": schema, "init": init}
