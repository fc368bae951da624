"""The question whether a proxy answers: healthcheck."""

from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import click


@click.command()
@click.option(
    "--url",
    default="http://127.0.0.1:8080",
    envvar="CALLERID_PROXY_HEALTHCHECK_URL",
    show_default=True,
    show_envvar=True,
    help="Where the proxy is.",
)
def healthcheck(url: str) -> None:
    """Exit with 0 if a proxy answers at URL, with 1 if not."""
    if not _is_healthy(url):
        raise click.ClickException(f"no proxy answers at {url}")


def _is_healthy(url: str) -> bool:
    """Whether the answer to an unknown path is that of the 2008 API."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=3):
            return False
    except HTTPError as error:
        with error:
            return error.code == 404 and b"<RestException>" in error.read()
    except (OSError, ValueError, HTTPException):
        return False


COMMANDS = {"healthcheck": healthcheck}
