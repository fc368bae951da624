"""Reading a proxy.yaml and every profile it names."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from proxy.config import yaml_source
from proxy.config.checking import check, did_you_mean
from proxy.config.settings import DEFAULT_PROFILE, Settings, UpstreamSettings
from proxy.config.yaml_source import Expanded, Location, Mistake, Source
from proxy.upstream import semantics
from proxy.upstream.language import Profile


class ConfigurationError(Exception):
    """What is wrong with a configuration: every mistake, in the order of the files."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        """Sort and keep the mistakes."""
        self.mistakes = sorted(set(mistakes))
        super().__init__("\n".join(map(str, self.mistakes)))


class ProfileFile(NamedTuple):
    """A profile and the file it comes from."""

    profile: Profile
    source: Source


class Configuration(NamedTuple):
    """Settings, the profiles that they name, and the file they come from."""

    settings: Settings
    profiles: Mapping[str, ProfileFile]
    source: Source

    def upstreams(self) -> Mapping[Location, UpstreamSettings]:
        """Return every upstream that is asked, by the place in proxy.yaml that says so."""
        settings = self.settings
        accounts = settings.accounts or {}
        return {
            ("upstream",): settings.upstream,
            **{
                ("accounts", sid, "upstream"): account.upstream.upstream(settings.upstream)
                for sid, account in accounts.items()
            },
        }


def load(file: Path, variables: Mapping[str, str] = os.environ) -> Configuration:
    """Read a proxy.yaml and the profiles it names; ConfigurationError with every mistake of all of them."""
    source = yaml_source.read(file, variables)
    _look_beside(file, source.data)
    settings = check(Settings, source)
    named = _named_profiles(settings, source.data)
    sources = {name: _read_profile(name, file, variables) for name in named}
    for name, place in named.items():
        if sources[name] is None:
            suggestion = did_you_mean(name, shipped_profiles())
            source.mistakes.append(source.mistake_at(place, f"there is no profile {name!r}{suggestion}"))
    profiles = {name: _checked(found) for name, found in sources.items() if found}
    mistakes = [mistake for found in (source, *sources.values()) if found for mistake in found.mistakes]
    if mistakes or settings is None:
        raise ConfigurationError(mistakes)
    configuration = Configuration(
        settings, {name: found for name, found in profiles.items() if found}, source
    )
    if breaches := list(_breaches(configuration)):
        raise ConfigurationError([source.mistake_at(place, message) for place, message in breaches])
    return configuration


def _named_profiles(settings: Settings | None, data: Any) -> Mapping[str, Location]:
    """Return the profiles that are named, each with the place; broken settings may name one too."""
    at: Location = ("upstream", "profile")
    if settings is None:
        match data:
            case {"upstream": {"profile": str(name)}}:
                return {name: at}
            case _:
                return {}
    named = {settings.upstream.profile: at}
    for sid, account in (settings.accounts or {}).items():
        if account.upstream.profile:
            named.setdefault(account.upstream.profile, ("accounts", sid, "upstream", "profile"))
    return named


def _checked(source: Source) -> ProfileFile | None:
    profile = check(Profile, source)
    found = semantics.literal_secrets(source.data, lambda value: isinstance(value, Expanded))
    breaches = [*found, *(semantics.breaches(profile) if profile else ())]
    source.mistakes += [source.mistake_at(place, message) for place, message in breaches]
    return None if profile is None else ProfileFile(profile, source)


def _breaches(configuration: Configuration) -> Iterator[semantics.Breach]:
    """Yield where a proxy.yaml and the profiles it names do not fit together."""
    accounts = configuration.settings.accounts
    for place, upstream in configuration.upstreams().items():
        profile = configuration.profiles[upstream.profile].profile
        filled = {**profile.variables, **upstream.variables}
        for name in semantics.placeholders(profile, upstream.base_url) - {"account", "id"}:
            if not filled.get(name):
                yield (*place, "variables"), f"the profile {profile.name} needs the variable {name!r}"
        for name in upstream.variables.keys() - profile.variables.keys():
            suggestion = did_you_mean(name, profile.variables)
            yield (
                (*place, "variables", name),
                f"the profile {profile.name} has no variable {name!r}{suggestion}",
            )
        if upstream.validation == "code_on_phone" and profile.operations.verify is None:
            yield (*place, "validation"), f"the profile {profile.name} has no operation verify"
        if profile.auth.scheme not in ("caller", "none") and accounts is None:
            yield place, f"the profile {profile.name} needs accounts: its upstream does not know old tokens"
    for sid, account in (accounts or {}).items():
        place = ("accounts", sid, "upstream")
        upstream = account.upstream.upstream(configuration.settings.upstream)
        profile = configuration.profiles[upstream.profile].profile
        if profile.auth.scheme != "none" and account.upstream.password is None:
            yield place, "the key 'password' is missing"
        if "account" in semantics.placeholders(profile, upstream.base_url) and not account.upstream.account:
            yield place, "the key 'account' is missing"


def demo(base_url: str) -> Configuration:
    """Return what serves Twilio's profile out of a sandbox at `base_url`."""
    source = yaml_source.read(shipped_profiles()[DEFAULT_PROFILE], {})
    found = _checked(source)
    if found is None:
        raise ConfigurationError(source.mistakes)
    settings = Settings(upstream=UpstreamSettings(base_url=base_url))
    return Configuration(settings, {DEFAULT_PROFILE: found}, Source("the demo"))


def shipped_profiles() -> Mapping[str, Path]:
    """Return the profiles that come with the program, by name."""
    return {file.stem: file for file in sorted((_shipped() / "upstreams").glob("*.yaml"))}


def _read_profile(name: str, beside: Path, variables: Mapping[str, str]) -> Source | None:
    """Read a shipped profile by its name, or one's own by a path relative to the file that names it."""
    is_path = "/" in name or name.endswith((".yaml", ".yml"))
    file = beside.parent / name if is_path else shipped_profiles().get(name)
    return yaml_source.read(file, variables) if file else None


_PATHS = ("certificate", "key", "file")


def _look_beside(file: Path, data: Any) -> None:
    """Turn paths, relative to the file that names them, into ones from here."""
    for key, value in data.items() if isinstance(data, dict) else ():
        if key in _PATHS and isinstance(value, str):
            data[key] = str(file.parent / value)
        else:
            _look_beside(file, value)


def _shipped() -> Path:
    """Find config/: an installed wheel carries it inside the package, a checkout beside it."""
    package = Path(__file__).parent.parent
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent / "config"
