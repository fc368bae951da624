"""Commands that read files and ask no upstream: check, config, schema, init and profiles."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from proxy.cli.groups import Command
from proxy.cli.parameters import AS_JSON, BAD_CONFIGURATION, FILE, PROFILE, refuse, warn
from proxy.cli.parameters import load as read_configuration
from proxy.config import ConfigurationError, load, shipped_profiles
from proxy.config.descriptions import describe
from proxy.config.effective import to_json, write_effective
from proxy.config.schema import KINDS, make_schema
from proxy.config.starting import make_starting_file
from proxy.config.yaml_source import Mistake


@click.command(
    cls=Command,
    examples=("callerid-proxy check proxy.yaml", "callerid-proxy check --strict --json proxy.yaml"),
)
@click.argument("file", type=FILE)
@click.option("--strict", is_flag=True, help="Take warnings for mistakes.")
@click.option("--without-secrets", is_flag=True, help="Accept variables and secret files that are missing.")
@AS_JSON
def check(file: Path, *, strict: bool, without_secrets: bool, as_json: bool) -> None:
    """Check a configuration FILE without starting anything; exit status 78 if it cannot be used."""
    mistakes: Sequence[Mistake] = ()
    warnings: Sequence[Mistake] = ()
    is_good = False
    try:
        configuration = load(file, without_secrets=without_secrets)
    except ConfigurationError as error:
        mistakes = error.mistakes
        if not as_json:
            refuse(error)
    else:
        warnings = (*configuration.warnings, *configuration.hints)
        is_good = not (strict and configuration.warnings)
    if as_json:
        told = {"mistakes": [*map(_to_json, mistakes)], "warnings": [*map(_to_json, warnings)]}
        click.echo(json.dumps({"file": str(file), "is_good": is_good, **told}, indent=2))
    else:
        warn(warnings)
    if not is_good:
        raise SystemExit(BAD_CONFIGURATION)
    if not as_json:
        click.echo(f"{file}: good")


def _to_json(mistake: Mistake) -> Mapping[str, str | int]:
    """Return a mistake as plain values; line and column are 0 where it is about the whole file."""
    return {key: getattr(mistake, key) for key in ("file", "line", "column", "message")}


@click.command("config", cls=Command, examples=("callerid-proxy config proxy.yaml",))
@click.argument("file", type=FILE)
@AS_JSON
def config_command(file: Path, *, as_json: bool) -> None:
    """Print what a configuration FILE and its profiles amount to.

    Every value stands there with the place that it comes from; secrets are masked.
    """
    configuration = read_configuration(file)
    if as_json:
        click.echo(json.dumps(to_json(configuration), indent=2))
        return
    for line in write_effective(configuration):
        click.echo(line)


@click.command(cls=Command, examples=("callerid-proxy schema profile > profile.schema.json",))
@click.argument("kind", type=click.Choice(KINDS), default=KINDS[0])
def schema(kind: str) -> None:
    """Print the JSON Schema of a proxy.yaml, or that of a profile, for editors."""
    click.echo(json.dumps(make_schema(kind), indent=2))


@click.command(
    cls=Command,
    examples=(
        "callerid-proxy init telnyx --output proxy.yaml",
        "callerid-proxy init my-vendor --from-openapi openapi.yaml --output my-vendor.yaml",
    ),
)
@click.argument("name", type=PROFILE)
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


@click.command(cls=Command, examples=("callerid-proxy profiles", "callerid-proxy profiles vonage"))
@click.argument("name", type=PROFILE, required=False)
@AS_JSON
def profiles(name: str | None, *, as_json: bool) -> None:
    """List the shipped profiles, or describe the profile NAME."""
    try:
        described = [describe(each) for each in ([name] if name else shipped_profiles())]
    except ConfigurationError as error:
        refuse(error)
    if as_json:
        click.echo(json.dumps([each.to_json() for each in described], indent=2))
    elif name:
        for line in described[0].write():
            click.echo(line)
    else:
        width = max(len(each.name) for each in described)
        for each in described:
            click.echo(f"{each.name:{width}}  {each.summary}")


COMMANDS: dict[str, click.Command] = {
    "check": check,
    "config": config_command,
    "schema": schema,
    "init": init,
    "profiles": profiles,
}
