"""The active configuration, and how a reload replaces it."""

import logging
import mmap
from collections.abc import Callable, Mapping, Sequence

import click

from proxy.config import Configuration, ConfigurationError, Settings
from proxy.config.settings import TlsListener
from proxy.config.yaml_source import Mistake
from proxy.observe import log

_log = logging.getLogger("proxy.config")

_FAILED = "reload failed; the previous configuration stays active"

_INCOMPLETE = "is empty or has lost its accounts: it may not be written to its end yet"

_FIXED: Mapping[str, Callable[[Settings], object]] = {
    "listen.address": lambda settings: settings.listen.address,
    "listen.tls.address": lambda settings: settings.listen.addresses().get("tls.address"),
    "listen.legacy_tls.address": lambda settings: settings.listen.addresses().get("legacy_tls.address"),
    "listen.metrics": lambda settings: settings.listen.metrics,
    "snapshots.redis": lambda settings: settings.snapshots.redis,
}
"""What workers inherit or share with replicas: it stays as it was at the start."""


def _keep_fixed(following: Configuration, active: Settings) -> Configuration:
    """Return the `following` configuration with all of `_FIXED` as it is in the active one."""
    listen, settings = following.settings.listen, following.settings
    addresses = {
        "address": active.listen.address,
        "metrics": active.listen.metrics,
        "tls": _keep_address(active.listen.tls, listen.tls),
        "legacy_tls": _keep_address(active.listen.legacy_tls, listen.legacy_tls),
    }
    # As a whole: a TTL that is valid without Redis may not be with it
    is_same = settings.snapshots.redis == active.snapshots.redis
    snapshots = settings.snapshots if is_same else active.snapshots
    changed = {"listen": listen.model_copy(update=addresses), "snapshots": snapshots}
    return following._replace(settings=settings.model_copy(update=changed))


def _keep_address(active: TlsListener | None, following: TlsListener | None) -> TlsListener | None:
    """Return the active listener with the certificate of the following one."""
    return following.model_copy(update={"address": active.address}) if active and following else active


def _check_complete(following: Configuration, active: Configuration) -> Configuration:
    """Return `following`; ConfigurationError where its file has lost the accounts, or everything."""
    has_no_accounts = following.settings.accounts is None and active.settings.accounts is not None
    if has_no_accounts or (active.source.data and not following.source.data):
        raise ConfigurationError([Mistake(following.source.file, 0, 0, _INCOMPLETE)])
    return following


class ActiveConfiguration:
    """The configuration that is served; each process that inherits it reloads for itself."""

    def __init__(self, read: Callable[[], Configuration]) -> None:
        """Start with the result of `read`, which raises ConfigurationError or click.UsageError."""
        self._read = read
        self._pending_restart: Sequence[str] = ()
        self._announced = memoryview(mmap.mmap(-1, 8)).cast("q")
        """How many reloads the supervisor has announced; its workers inherit this memory."""
        self._followed = 0
        self.now = read()
        self._configure_log()

    def reload(self) -> bool:
        """Read again; return whether the result is active now. If not, the log says why."""
        try:
            following = _check_complete(self._read(), self.now)
        except (ConfigurationError, click.UsageError) as error:
            for line in (*str(error).splitlines(), _FAILED):
                _log.error("%s", line)
            return False
        except Exception:  # noqa: BLE001 - whatever it is, the active configuration goes on
            _log.exception(_FAILED)
            return False
        self._pending_restart = [
            key
            for key, value_of in _FIXED.items()
            if value_of(following.settings) != value_of(self.now.settings)
        ]
        self.now = _keep_fixed(following, self.now.settings)
        self._configure_log()
        return True

    def _configure_log(self) -> None:
        settings = self.now.settings.log
        log.configure(settings.level, settings.format)

    def announce(self) -> None:
        """Tell the workers that this process has forked to follow its reload."""
        self._announced[0] += 1
        self._followed = self._announced[0]

    def follows(self) -> bool:
        """Return whether a reload was announced since the last call, or since the fork.

        SIGHUP to all processes reaches a worker twice, once before the supervisor has checked the file.
        """
        followed, self._followed = self._followed, self._announced[0]
        return followed < self._followed

    def log_reload(self) -> None:
        """Log the warnings about the active configuration, and what only a restart changes."""
        for warning in self.now.warnings:
            _log.warning("%s", warning.as_warning())
        for key in self._pending_restart:
            _log.warning("%s has changed, which takes a restart to become active", key)
        _log.info("the configuration has been reloaded")
