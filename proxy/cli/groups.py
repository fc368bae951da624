"""Commands and groups of them: examples in their help, summaries in full, suggestions for misspelt names."""

import inspect
from collections.abc import Sequence
from typing import Any

import click


class Command(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first sentence in full: the list of commands has room for two lines."""
        del limit
        paragraph = inspect.cleandoc(self.help or "").partition("\n\n")[0]
        return " ".join(paragraph.split()).partition("; ")[0].removesuffix(".")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class SuggestingGroup(Command, click.Group):
    """Commands; the refusal of a misspelt one suggests another."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            from proxy.profile.base import suggest  # noqa: PLC0415 - and with it pydantic

            ctx.fail(f"No such command {name!r}{suggest(name, known) or '.'}")
        return super().resolve_command(ctx, args)
