"""The question whether a proxy answers: healthcheck."""

import ssl
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import click

from proxy.cli.groups import Command
from proxy.cli.parameters import FILE, refuse
from proxy.net.addresses import is_loopback

_DEFAULT_URL = "http://127.0.0.1:8080"
_HEALTH_PATHS = ("/healthz", "/readyz")
_TIMEOUT = 3  # seconds
_PEM_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Target(NamedTuple):
    url: str
    is_configured: bool
    """Whether the configuration names the address: then it is one of this host."""


@click.command(cls=Command, examples=("callerid-proxy healthcheck --config proxy.yaml",))
@click.option(
    "--url",
    envvar="CALLERID_PROXY_HEALTHCHECK_URL",
    show_envvar=True,
    help=f"Where the proxy is, or its /healthz or /readyz.  [default: --config, or else {_DEFAULT_URL}]",
)
@click.option("--config", "file", type=FILE, help="The proxy's configuration, which says where it listens.")
@click.option("--cafile", type=_PEM_FILE, help="Certificates, as PEM, that an https URL is verified with.")
def healthcheck(url: str | None, file: Path | None, cafile: Path | None) -> None:
    """Exit with 0 if a proxy answers, with 1 if not.

    Of a configuration, the plain address is asked, or else a TLS address. A certificate need not name an
    address that is configured or a loopback one.
    """
    target = _Target(url, is_configured=False) if url else _find_target(file)
    if failure := _find_failure(target, cafile):
        raise click.ClickException(f"no proxy answers at {target.url}: {failure}")


def _find_target(file: Path | None) -> _Target:
    if file is None:
        return _Target(_DEFAULT_URL, is_configured=False)
    from proxy.config import ConfigurationError, load_listen  # noqa: PLC0415 - and with it pydantic

    try:
        listen = load_listen(file)
    except ConfigurationError as error:
        refuse(error)
    addresses = listen.addresses()
    key = next(key for key in ("address", "tls.address", "legacy_tls.address") if key in addresses)
    scheme = "http" if key == "address" else "https"
    return _Target(f"{scheme}://{addresses[key].reached_at()}", is_configured=True)


def _find_failure(target: _Target, cafile: Path | None) -> str:
    """Return why the proxy is not healthy; nothing if it is."""
    try:
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=_make_context(target, cafile)))
        with opener.open(target.url, timeout=_TIMEOUT):  # any status below 400
            return "" if _asks_for_health(target.url) else "it is another server"
    except HTTPError as error:
        with error:
            if _asks_for_health(target.url):
                return f"status {error.code}"
            # The answer of the 2008 API to an unknown path
            is_ours = error.code == 404 and b"<RestException>" in error.read()
            return "" if is_ours else "it is another server"
    except (OSError, ValueError, HTTPException) as error:
        return str(getattr(error, "reason", "") or error)


def _asks_for_health(url: str) -> bool:
    return urlsplit(url).path in _HEALTH_PATHS


def _make_context(target: _Target, cafile: Path | None) -> ssl.SSLContext:
    """Return how the certificate is verified.

    Nothing is sent that a wrong server could use: without a `cafile`, a configured address is not verified.
    """
    context = ssl.create_default_context(cafile=cafile)
    # An own CA need not have every extension, and the certificate may be trusted by itself
    context.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN
    if target.is_configured or is_loopback(urlsplit(target.url).hostname or ""):
        context.check_hostname = False
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # old clients accept weak certificates
    if target.is_configured and cafile is None:
        context.verify_mode = ssl.CERT_NONE
    return context


COMMANDS: dict[str, click.Command] = {"healthcheck": healthcheck}
