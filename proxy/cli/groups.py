"""Groups of commands."""

import click


class SuggestingGroup(click.Group):
    """Commands; the refusal of a misspelt one suggests another."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            from proxy.profile.base import suggest  # noqa: PLC0415 - and with it pydantic

            ctx.fail(f"No such command {name!r}{suggest(name, known) or '.'}")
        return super().resolve_command(ctx, args)
