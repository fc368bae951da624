"""Commands that read files and ask no upstream: check, config, schema and init."""

import json
from pathlib import Path

import click

from proxy.cli.parameters import BAD_CONFIGURATION, FILE, load, refuse, warn
from proxy.config import ConfigurationError
from proxy.config.effective import write_effective
from proxy.config.schema import KINDS, make_schema
from proxy.config.starting import make_starting_file
from proxy.config.yaml_source import Mistake


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
@click.option("--from-openapi", "description", type=FILE, help="Draft a profile NAME from this description.")
@click.option("--path", help="The path of the list in the description, if it is not the one that is guessed.")
@click.option("--output", "-o", type=FILE, help="Write to a new file instead of printing.")
def init(name: str, description: Path | None, path: str | None, output: Path | None) -> None:
    """Print a commented proxy.yaml to start from, for the profile NAME or a profile of one's own.

    With --from-openapi, print the draft of a profile instead, from a vendor's OpenAPI description (3.0, 3.1
    or Swagger 2.0; JSON or YAML). `check` names what is left to fill in.
    """
    if description is not None:
        _write_new(output, _draft(name, description, path))
        return
    if path is not None:
        raise click.UsageError("--path is a path of the description: give --from-openapi too")
    try:
        text = make_starting_file(name, output or Path("proxy.yaml"))
    except ConfigurationError as error:
        refuse(error)
    _write_new(output, text)


def _draft(name: str, description: Path, path: str | None) -> str:
    """Return the draft of a profile; say how much of it is left to do."""
    from proxy.drafts import DescriptionError, draft_profile  # noqa: PLC0415 - for this command alone

    try:
        draft = draft_profile(name, description, path)
    except DescriptionError as error:
        refuse(ConfigurationError([Mistake(str(description), error.line, error.column, str(error))]))
    for each in draft.unfollowed:
        warning = Mistake(str(description), 0, 0, f"the reference {each} is not followed")
        click.echo(warning.as_warning(), err=True)
    click.echo(f"guesses to compare: {draft.guesses}; places to fill in: {draft.faults}", err=True)
    return draft.text


def _write_new(output: Path | None, text: str) -> None:
    """Print a text, or write it to a file that does not exist yet."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror}") from error


COMMANDS = {"check": check, "config": config_command, "schema": schema, "init": init}
