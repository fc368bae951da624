"""Reads a proxy.yaml and every profile that it names."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from proxy.config import yaml_source
from proxy.config.checking import PATHS, check, is_consequence
from proxy.config.containers import is_inside_container
from proxy.config.cross_checks import ERROR_RULES, WARNING_RULES, check_container, check_proxy_variables
from proxy.config.settings import (
    DEFAULT_PROFILE,
    Configuration,
    Listen,
    ProfileFile,
    Settings,
    SnapshotSettings,
    UpstreamSettings,
)
from proxy.config.yaml_source import Expanded, Mistake, Source, mask_values
from proxy.net.addresses import parse_address
from proxy.profile import consistency, rules
from proxy.profile.base import KeyPath, Violation, suggest
from proxy.profile.language import ProfileSettings

_DEFAULT_ADDRESS = "CALLERID_PROXY_DEFAULT_ADDRESS"
"""The variable with the default of listen.address; the container image sets it."""


class ConfigurationError(Exception):
    """What is wrong with a configuration: every mistake, in the order of the files."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = sorted(set(mistakes))
        super().__init__("\n".join(map(str, self.mistakes)))


def load(
    file: Path, variables: Mapping[str, str] = os.environ, *, without_secrets: bool = False
) -> Configuration:
    """Read a proxy.yaml and the profiles it names; ConfigurationError with every mistake of all of them.

    With `without_secrets`, variables and files of secrets that are missing stand for any value that fits:
    such a configuration is for checking only.
    """
    source = yaml_source.read_yaml(file, variables, without_secrets=without_secrets)
    _resolve_paths(file, source.data)
    settings = check(Settings, source)
    found = _list_profiles(source.data).items()
    named = {name: key_path for name, key_path in found if key_path not in source.unknown}
    sources = {name: _read_profile(name, file, variables, without_secrets=without_secrets) for name in named}
    for name, key_path in named.items():
        if (found_source := sources[name]) is None:
            suggestion = suggest(name, shipped_profiles())
            source.mistakes.append(source.mistake_at(key_path, f"there is no profile {name!r}{suggestion}"))
        elif found_source.is_unreadable:
            [unreadable] = found_source.mistakes
            source.mistakes.append(source.mistake_at(key_path, f"{unreadable.file} {unreadable.message}"))
            sources[name] = None
    profiles = {
        name: checked for name, found in sources.items() if found and (checked := _check_profile(found))
    }
    read = [source, *filter(None, sources.values())]
    mistakes = [mistake for each in read for mistake in each.mistakes]
    if settings is None:
        raise ConfigurationError(mask_values(mistakes, read))
    settings = settings.model_copy(update={"listen": _fill_address(settings.listen, variables)})
    configuration = Configuration(settings, profiles, source)
    mistakes += _locate(source, (violation for rule in ERROR_RULES for violation in rule(configuration)))
    if mistakes:
        raise ConfigurationError(mask_values(mistakes, read))
    warnings = _locate(source, (violation for rule in WARNING_RULES for violation in rule(configuration)))
    warnings += [warning for found in profiles.values() for warning in found.warnings]
    hints = _locate(source, check_proxy_variables(configuration, variables))
    hints += _locate(source, check_container(configuration)) if is_inside_container(variables) else []
    return configuration._replace(warnings=sorted(set(mask_values(warnings, read))), hints=tuple(hints))


def load_listen(file: Path, variables: Mapping[str, str] = os.environ) -> Listen:
    """Return what a proxy.yaml listens on, whatever else is in it; ConfigurationError if that is unusable."""
    source = yaml_source.read_yaml(file, variables, without_secrets=True)
    _resolve_paths(file, source.data)
    if isinstance(source.data, dict):
        source.data = {key: value for key, value in source.data.items() if key == "listen"}
    settings = check(Settings, source)
    if settings is None:
        raise ConfigurationError(mask_values(source.mistakes, [source]))
    return _fill_address(settings.listen, variables)


def _fill_address(listen: Listen, variables: Mapping[str, str]) -> Listen:
    """Return what to listen on, with another default for the plain address where a variable has one.

    It does not apply beside TLS: no file that was written for TLS opens a plain port to others.
    """
    text = variables.get(_DEFAULT_ADDRESS)
    if not text or "address" in listen.model_fields_set or listen.tls or listen.legacy_tls:
        return listen
    try:
        return listen.model_copy(update={"address": parse_address(text)})
    except ValueError as error:
        raise ConfigurationError([Mistake(_DEFAULT_ADDRESS, 0, 0, str(error))]) from None


def _list_profiles(data: Any) -> Mapping[str, KeyPath]:
    """Return the names of profiles with their key paths, also from settings that have errors."""
    named: dict[str, KeyPath] = {}
    match data:
        case {"upstream": {"profile": str(name)}}:
            named[name] = ("upstream", "profile")
        case _:
            named[DEFAULT_PROFILE] = ("upstream",)
    accounts = data.get("accounts") if isinstance(data, dict) else None
    for sid, account in accounts.items() if isinstance(accounts, dict) else ():
        match account:
            case {"upstream": {"profile": str(name)}}:
                named.setdefault(name, ("accounts", sid, "upstream", "profile"))
    return named


def _check_profile(source: Source) -> ProfileFile | None:
    if source.data == {}:
        source.mistakes.append(Mistake(source.file, 0, 0, "the file is empty"))
        return None
    profile = check(ProfileSettings, source)
    found = rules.find_literal_secrets(source.data, _is_from_outside)
    violations = [*found, *(rules.find_violations(profile) if profile else ())]
    source.mistakes += _locate(source, violations)
    if profile is None:
        return None
    warnings = (violation for rule in consistency.WARNING_RULES for violation in rule(profile))
    return ProfileFile(profile, source, _locate(source, warnings))


def _locate(source: Source, violations: Iterable[Violation]) -> list[Mistake]:
    """Return what is wrong and where, without the consequences of other mistakes and of unknown values."""
    return [
        source.mistake_at(*each)
        for each in violations
        if each[0] not in source.unknown and not is_consequence(each[0], source)
    ]


def read_profile(name: str, beside: Path, variables: Mapping[str, str] = os.environ) -> ProfileFile:
    """Return a shipped profile, or one in a file; ConfigurationError for a missing or invalid one."""
    source = _read_profile(name, beside, variables)
    if source is None:
        suggestion = suggest(name, shipped_profiles())
        raise ConfigurationError([Mistake(name, 0, 0, f"there is no such profile{suggestion}")])
    found = _check_profile(source)
    if found is None or source.mistakes:
        raise ConfigurationError(mask_values(source.mistakes, [source]))
    return found


def default() -> Configuration:
    """Return the configuration that an empty proxy.yaml means."""
    found = read_profile(DEFAULT_PROFILE, Path(), {})
    return Configuration(Settings(), {DEFAULT_PROFILE: found}, Source("the defaults"))


def _is_from_outside(value: Any) -> bool:
    return isinstance(value, Expanded) and not value.has_default


def demo(base_url: str) -> Configuration:
    """Return the configuration of the demo: Twilio's profile in front of a sandbox at `base_url`."""
    # The demo's list changes outside of the proxy, when a call is answered, so it is not cached
    upstream, snapshots = UpstreamSettings(base_url=base_url), SnapshotSettings(fresh=0)
    listen = _fill_address(Listen(drain=0), os.environ)
    settings = Settings(listen=listen, upstream=upstream, snapshots=snapshots)
    return default()._replace(settings=settings)


def shipped_profiles() -> Mapping[str, Path]:
    return {file.stem: file for file in sorted(shipped_file("upstreams").glob("*.yaml"))}


def find_profile(name: str, beside: Path = Path()) -> Path | None:
    """Return the file of a shipped profile, or the path of another one; None for an unknown name."""
    is_path = "/" in name or name.endswith((".yaml", ".yml"))
    return beside.parent / name if is_path else shipped_profiles().get(name)


def _read_profile(
    name: str, beside: Path, variables: Mapping[str, str], *, without_secrets: bool = False
) -> Source | None:
    """Read a shipped profile by its name, or another one by its path relative to the file that names it."""
    file = find_profile(name, beside)
    return yaml_source.read_yaml(file, variables, without_secrets=without_secrets) if file else None


def _resolve_paths(file: Path, data: Any) -> None:
    """Make paths that are relative to the file relative to the working directory."""
    for key, value in data.items() if isinstance(data, dict) else ():
        if key in PATHS and isinstance(value, str):
            data[key] = str(file.parent / value)
        elif key != "variables":  # whose names are anything
            _resolve_paths(file, value)


def shipped_file(name: str) -> Path:
    """Find a file of config/: an installed wheel carries that inside the package, a checkout beside it."""
    package = Path(__file__).parent.parent
    inside = package / "shipped"
    return (inside if inside.is_dir() else package.parent / "config") / name
