"""What shells and manuals are given of the command line: completion and man."""

import inspect
from collections.abc import Iterator

import click
from click.shell_completion import get_completion_class

from proxy import __version__
from proxy.cli.groups import Command

_SHELLS = ("bash", "zsh", "fish")
_PROGRAM = "callerid-proxy"
_VARIABLE = "_CALLERID_PROXY_COMPLETE"  # click derives it from the name of the program


@click.command(cls=Command, examples=("source <(callerid-proxy completion bash)",))
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and names of profiles in a SHELL."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, _PROGRAM, _VARIABLE).source())


@click.command(cls=Command, examples=("callerid-proxy man | man -l -",))
@click.pass_context
def man(context: click.Context) -> None:
    """Print the manual page, which is made of the help of all commands."""
    for line in _write_page(context.find_root()):
        click.echo(line)


# Exit statuses of commands, of which some have more
EXIT_STATUSES = (
    ("0", "Done; for serve: stopped by a signal."),
    ("1", "The command failed; for doctor: there are warnings."),
    ("2", "The command line has a mistake; for doctor: something fails."),
    ("65", "translate: the old document is an error."),
    ("78", "A configuration, a profile or a secret in it is missing, unreadable or wrong."),
)


def _write_page(root: click.Context) -> Iterator[str]:
    """Yield the lines of a manual page (man 7 man)."""
    yield f'.TH CALLERID-PROXY 1 "" "callerid-proxy {__version__}"'
    yield ".SH NAME"
    yield f"{_PROGRAM} \\- {_escape(root.command.get_short_help_str())}"
    yield ".SH SYNOPSIS"
    yield f".B {_PROGRAM}"
    yield "COMMAND [ARGUMENTS]"
    yield ".SH COMMANDS"
    yield from _write_commands(root)
    yield ".SH EXIT STATUS"
    for status, meaning in EXIT_STATUSES:
        yield from (".TP", f".B {status}", _escape(meaning))


def _write_commands(above: click.Context) -> Iterator[str]:
    group = above.command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        if command is None or command.hidden:
            continue
        context = click.Context(command, above, info_name=name)
        pieces = " ".join(command.collect_usage_pieces(context))
        yield ".SS " + _escape(f"{context.command_path.removeprefix(f'{_PROGRAM} ')} {pieces}")
        for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
            yield from (_escape(" ".join(paragraph.split())), ".PP")
        for option in command.get_params(context):
            if isinstance(option, click.Option) and (record := option.get_help_record(context)):
                yield from (".TP", f".B {_escape(record[0])}", _escape(record[1]))
        for example in getattr(command, "examples", ()):
            yield from (".PP", ".EX", f"  {_escape(example)}", ".EE")
        yield from _write_commands(context)


def _escape(text: str) -> str:
    """Write a text so that roff shows it as it is: no line of it is a request, no hyphen is a dash."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


COMMANDS: dict[str, click.Command] = {"completion": completion, "man": man}
