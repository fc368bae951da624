"""What several commands take."""

from pathlib import Path
from typing import Any, NoReturn

import click

from proxy import config
from proxy.config import Address, Configuration, ConfigurationError

BAD_CONFIGURATION = 78
"""Exit status: EX_CONFIG of sysexits.h."""


class _AddressType(click.ParamType[Address]):
    """HOST:PORT."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return config.parse_address(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


ADDRESS = _AddressType()
FILE = click.Path(path_type=Path)


def load(file: Path) -> Configuration:
    """Read a configuration, or tell everything that is wrong with it and exit with 78."""
    try:
        return config.load(file)
    except ConfigurationError as error:
        refuse(error)


def warn(configuration: Configuration) -> None:
    """Tell what works, but not as well as it could."""
    for warning in configuration.warnings:
        click.echo(warning.as_warning(), err=True)


def refuse(error: ConfigurationError) -> NoReturn:
    """Tell what is wrong with a configuration and exit with 78."""
    click.echo(str(error), err=True)
    raise SystemExit(BAD_CONFIGURATION)
