"""The command that runs the conversations beside a profile: test."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from proxy.cli.groups import Command
from proxy.cli.parameters import PROFILE, refuse
from proxy.config import ConfigurationError, find_profile, read_profile, shipped_profiles
from proxy.config.yaml_source import read_content
from proxy.conversations import (
    ConversationError,
    ConversationFailedError,
    Finding,
    ProfileUnderTest,
    parse_conversation,
    run_conversation,
)
from proxy.profile.base import make_printable


class _Result(NamedTuple):
    """What came of one file; without findings, all is well."""

    file: Path
    findings: Sequence[Finding]

    def __str__(self) -> str:
        return "\n".join([f"{self.file}: {'failed' if self.findings else 'ok'}", *self._explain()])

    def _explain(self) -> Iterator[str]:
        for each in self.findings:
            place = f"{self.file}:{each.line}" if each.line else f"{self.file}"
            yield f"  {place}: {make_printable(each.message)}"
            yield from (f"    {make_printable(line)}" for line in each.details)

    def as_json(self) -> dict[str, object]:
        findings = [each._asdict() for each in self.findings]
        return {"file": str(self.file), "ok": not self.findings, "findings": findings}


@click.command(
    cls=Command,
    examples=("callerid-proxy test telnyx", "callerid-proxy test ./my-api.yaml my-api.tests/list.txt"),
)
@click.argument("profile", type=PROFILE)
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array for programs instead.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="Of each answer that a conversation waits for.",
)
def test(profile: str, files: tuple[Path, ...], *, as_json: bool, timeout: float) -> None:
    """Run the conversations beside PROFILE, a shipped name or a file: NAME.tests/*.txt, or FILES alone.

    Each runs over real sockets, with the proxy between a scripted client and a scripted upstream. Nothing
    leaves this machine, and no credentials are needed. Exit status 1 if one fails, 78 for an invalid profile.
    """
    try:
        found = read_profile(profile, Path())
    except ConfigurationError as error:
        refuse(error)
    own = Path(find_profile(profile) or "")
    subject, folder = (
        ProfileUnderTest(found, profile if profile in shipped_profiles() else str(own.resolve())),
        _shorten(own.with_suffix(".tests")),
    )
    every = files or tuple(sorted(folder.glob("*.txt")))
    if not every:
        raise click.ClickException(f"there are no conversations: write {folder}/NAME.txt")
    results = []
    for file in every:
        result = _Result(file, _run(file, subject, timeout))
        results.append(result)
        if not as_json:
            click.echo(str(result))
    failed = sum(bool(result.findings) for result in results)
    if as_json:
        click.echo(json.dumps([result.as_json() for result in results], indent=2, ensure_ascii=False))
    else:
        click.echo(f"{profile}: {len(results) - failed} of {len(results)} conversations passed")
    if failed:
        raise SystemExit(1)


def _shorten(path: Path) -> Path:
    """Return the path from the working directory, if it is below that."""
    return path.relative_to(Path.cwd()) if path.is_absolute() and path.is_relative_to(Path.cwd()) else path


def _run(file: Path, subject: ProfileUnderTest, within: float) -> Sequence[Finding]:
    """Return what is wrong with a conversation, or goes wrong in it."""
    try:
        text = read_content(file).decode()
    except OSError as error:
        return [Finding(0, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return [Finding(error.object[: error.start].count(b"\n") + 1, "is not UTF-8 text")]
    try:
        conversation = parse_conversation(text, subject.placeholder_names)
        if others := conversation.named("profile"):
            message = "this section does not belong beside a profile: the conversation is about that profile"
            return [Finding(others[0].line, message)]
        asyncio.run(run_conversation(conversation, subject, within))
    except ConversationError as error:
        return error.findings
    except ConversationFailedError as error:
        return [error.finding]
    return []


COMMANDS: dict[str, click.Command] = {"test": test}
