"""What several commands share: parameter types, the reading of a configuration, listening."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from proxy import config
from proxy.config import Configuration, ConfigurationError
from proxy.config.yaml_source import Mistake
from proxy.net.addresses import Address, parse_address
from proxy.net.sockets import Listener

BAD_CONFIGURATION = 78
"""Exit status: EX_CONFIG of sysexits.h."""

SANDBOX_ADDRESS = Address("127.0.0.1", 9000)


class _AddressType(click.ParamType[Address]):
    """HOST:PORT."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return parse_address(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


ADDRESS = _AddressType()
FILE = click.Path(path_type=Path, readable=False)
"""The reader of a file says why it cannot be read."""
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _ProfileType(click.ParamType[str]):
    """A shipped profile, or the path of another one."""

    name = "profile"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del ctx, param
        return [CompletionItem(name) for name in config.shipped_profiles() if name.startswith(incomplete)]


PROFILE = _ProfileType()
"""A shipped profile, or the path of another one; shells complete the former."""


def load(file: Path, *, without_secrets: bool = False) -> Configuration:
    """Read a configuration; print every mistake in it and exit with 78 where it cannot be used."""
    try:
        return config.load(file, without_secrets=without_secrets)
    except ConfigurationError as error:
        refuse(error)


def warn(warnings: Sequence[Mistake]) -> None:
    """Print warnings about a configuration."""
    for warning in warnings:
        click.echo(warning.as_warning(), err=True)


def refuse(error: ConfigurationError) -> NoReturn:
    """Print every mistake in a configuration and exit with 78."""
    click.echo(str(error), err=True)
    raise SystemExit(BAD_CONFIGURATION)


@contextmanager
def listen_on(
    listeners: AbstractContextManager[Mapping[str, Listener]],
) -> Iterator[Mapping[str, Listener]]:
    """Enter `listeners`; ClickException with address and reason where one cannot be listened on."""
    with ExitStack() as stack:
        try:
            entered = stack.enter_context(listeners)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise click.ClickException(f"cannot listen on {error.filename}: {reason}") from error
        yield entered
