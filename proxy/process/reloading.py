"""The configuration that is served, and how another one takes its place."""

import logging
from collections.abc import Callable, Mapping, Sequence

import click

from proxy.config import Address, Configuration, ConfigurationError, Settings
from proxy.config.settings import TlsListener
from proxy.config.yaml_source import Mistake

_log = logging.getLogger("proxy.config")

_AS_BEFORE = "the configuration cannot be used, and that from before goes on"

_CUT_SHORT = "says nothing any more, or not who may ask, as while it is being written"

_BOUND: Mapping[str, Callable[[Settings], object]] = {
    "listen.address": lambda settings: settings.listen.address,
    "listen.tls.address": lambda settings: _address(settings.listen.tls),
    "listen.legacy_tls.address": lambda settings: _address(settings.listen.legacy_tls),
    "listen.metrics": lambda settings: settings.listen.metrics,
    "snapshots.redis": lambda settings: settings.snapshots.redis,
}
"""What workers inherit, or share with other replicas, and so is the same from their start on."""


def _address(listener: TlsListener | None) -> Address | None:
    return listener.address if listener else None


def _bound(following: Configuration, now: Settings) -> Configuration:
    """Return a configuration with all of `_BOUND` as it is now."""
    listen, settings = following.settings.listen, following.settings
    there = {
        "address": now.listen.address,
        "metrics": now.listen.metrics,
        "tls": _at(now.listen.tls, listen.tls),
        "legacy_tls": _at(now.listen.legacy_tls, listen.legacy_tls),
    }
    # Together, because what goes without redis need not go with it
    is_same = settings.snapshots.redis == now.snapshots.redis
    snapshots = settings.snapshots if is_same else now.snapshots
    changed = {"listen": listen.model_copy(update=there), "snapshots": snapshots}
    return following._replace(settings=settings.model_copy(update=changed))


def _at(now: TlsListener | None, following: TlsListener | None) -> TlsListener | None:
    """Return the listener that there is now, with the certificate that follows."""
    return following.model_copy(update={"address": now.address}) if now and following else now


def _whole(following: Configuration, now: Configuration) -> Configuration:
    """Return what follows; ConfigurationError where its file has lost what let nobody else in."""
    has_no_accounts = following.settings.accounts is None and now.settings.accounts is not None
    if has_no_accounts or (now.source.data and not following.source.data):
        raise ConfigurationError([Mistake(following.source.file, 0, 0, _CUT_SHORT)])
    return following


class ActiveConfiguration:
    """What is served; each process that inherits it reads for itself."""

    def __init__(self, read: Callable[[], Configuration]) -> None:
        """Begin with what is `read`; ConfigurationError or click.UsageError where that cannot be served."""
        self._read = read
        self._not_yet: Sequence[str] = ()
        self.now = read()

    def reload(self) -> bool:
        """Read again; return whether that can be served. If not, tell why; everything is as it was."""
        try:
            following = _whole(self._read(), self.now)
        except (ConfigurationError, click.UsageError) as error:
            for line in (*str(error).splitlines(), _AS_BEFORE):
                _log.error("%s", line)
            return False
        except Exception:  # noqa: BLE001 - whatever it is, what is served goes on
            _log.exception(_AS_BEFORE)
            return False
        self._not_yet = [
            key
            for key, value_of in _BOUND.items()
            if value_of(following.settings) != value_of(self.now.settings)
        ]
        self.now = _bound(following, self.now.settings)
        return True

    def tell(self) -> None:
        """Tell the log about what is served now."""
        for warning in self.now.warnings:
            _log.warning("%s", warning.as_warning())
        for key in self._not_yet:
            _log.warning("%s has changed, which counts from the next start on", key)
        _log.info("the configuration has been read again")
