"""Reading a proxy.yaml and every profile it names."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from proxy.config import yaml_source
from proxy.config.agreement import BREACHES, WARNINGS, UpstreamTarget
from proxy.config.checking import PATHS, check, did_you_mean, follows
from proxy.config.settings import DEFAULT_PROFILE, Listen, Settings, SnapshotSettings, UpstreamSettings
from proxy.config.yaml_source import Expanded, Location, Mistake, Source, without_values
from proxy.profile import rules
from proxy.profile.language import Profile


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
    warnings: Sequence[Mistake] = ()
    """What works, but not as well as it could."""

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

    @property
    def speaks_codes(self) -> bool:
        """Whether an upstream may speak a code on the phone, which then has to be brought back."""
        return any(
            (asked.settings.validation or asked.profile.validation) == "code_on_phone"
            for asked in self.targets()
        )

    def targets(self) -> Sequence[UpstreamTarget]:
        """Return the same with the profiles, as far as those are good."""
        return [
            UpstreamTarget(place, upstream, self.profiles[upstream.profile].profile)
            for place, upstream in self.upstreams().items()
            if upstream.profile in self.profiles
        ]


def load(file: Path, variables: Mapping[str, str] = os.environ) -> Configuration:
    """Read a proxy.yaml and the profiles it names; ConfigurationError with every mistake of all of them."""
    source = yaml_source.read(file, variables)
    _look_beside(file, source.data)
    settings = check(Settings, source)
    named = _named_profiles(source.data)
    sources = {name: _read_profile(name, file, variables) for name in named}
    for name, place in named.items():
        if sources[name] is None:
            suggestion = did_you_mean(name, shipped_profiles())
            source.mistakes.append(source.mistake_at(place, f"there is no profile {name!r}{suggestion}"))
    profiles = {name: profile for name, found in sources.items() if found and (profile := _checked(found))}
    read = [source, *filter(None, sources.values())]
    mistakes = [mistake for each in read for mistake in each.mistakes]
    if settings is None:
        raise ConfigurationError(without_values(mistakes, read))
    configuration = Configuration(settings, profiles, source)
    breaches = [breach for rule in BREACHES for breach in rule(configuration)]
    mistakes += [source.mistake_at(*breach) for breach in breaches if not follows(breach[0], source)]
    if mistakes:
        raise ConfigurationError(without_values(mistakes, read))
    warnings = [source.mistake_at(*breach) for rule in WARNINGS for breach in rule(configuration)]
    return configuration._replace(warnings=sorted(set(without_values(warnings, read))))


def _named_profiles(data: Any) -> Mapping[str, Location]:
    """Return the profiles that are named, each with its place; broken settings may name some too."""
    named: dict[str, Location] = {}
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


def _checked(source: Source) -> ProfileFile | None:
    profile = check(Profile, source)
    found = rules.literal_secrets(source.data, _is_from_outside)
    breaches = [*found, *(rules.breaches(profile) if profile else ())]
    source.mistakes += [source.mistake_at(*breach) for breach in breaches if not follows(breach[0], source)]
    return None if profile is None else ProfileFile(profile, source)


def read_profile(name: str, beside: Path, variables: Mapping[str, str] = os.environ) -> ProfileFile:
    """Return a shipped profile, or one's own; ConfigurationError where there is none or it is not good."""
    source = _read_profile(name, beside, variables)
    if source is None:
        suggestion = did_you_mean(name, shipped_profiles())
        raise ConfigurationError([Mistake(name, 0, 0, f"there is no such profile{suggestion}")])
    found = _checked(source)
    if found is None or source.mistakes:
        raise ConfigurationError(without_values(source.mistakes, [source]))
    return found


def default() -> Configuration:
    """Return what an empty proxy.yaml means."""
    found = read_profile(DEFAULT_PROFILE, Path(), {})
    return Configuration(Settings(), {DEFAULT_PROFILE: found}, Source("the defaults"))


def _is_from_outside(value: Any) -> bool:
    return isinstance(value, Expanded) and not value.has_default


def demo(base_url: str) -> Configuration:
    """Return what serves Twilio's profile out of a sandbox at `base_url`."""
    # Numbers come into the demo's list by answering its phone, which the proxy does not see
    settings = Settings(
        listen=Listen(drain=0),
        upstream=UpstreamSettings(base_url=base_url),
        snapshots=SnapshotSettings(fresh=0),
    )
    return default()._replace(settings=settings)


def shipped_profiles() -> Mapping[str, Path]:
    """Return the profiles that come with the program, by name."""
    return {file.stem: file for file in sorted(shipped_file("upstreams").glob("*.yaml"))}


def _read_profile(name: str, beside: Path, variables: Mapping[str, str]) -> Source | None:
    """Read a shipped profile by its name, or one's own by a path relative to the file that names it."""
    is_path = "/" in name or name.endswith((".yaml", ".yml"))
    file = beside.parent / name if is_path else shipped_profiles().get(name)
    return yaml_source.read(file, variables) if file else None


def _look_beside(file: Path, data: Any) -> None:
    """Turn paths, relative to the file that names them, into ones from here."""
    for key, value in data.items() if isinstance(data, dict) else ():
        if key in PATHS and isinstance(value, str):
            data[key] = str(file.parent / value)
        else:
            _look_beside(file, value)


def shipped_file(name: str) -> Path:
    """Find a file of config/: an installed wheel carries that inside the package, a checkout beside it."""
    package = Path(__file__).parent.parent
    inside = package / "shipped"
    return (inside if inside.is_dir() else package.parent / "config") / name
