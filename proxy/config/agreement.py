"""Where a proxy.yaml and the profiles that it names do not fit together, or could fit better.

Each rule is a function from a configuration to what it finds. A profile that is broken itself is passed over.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import uritemplate

from proxy.config.checking import did_you_mean
from proxy.config.settings import Settings, UpstreamAccount, UpstreamSettings
from proxy.config.yaml_source import Location
from proxy.profile import rules
from proxy.profile.language import Profile
from proxy.profile.rules import Breach


class UpstreamTarget(NamedTuple):
    """An upstream that is asked: where proxy.yaml says so, what it says, and the profile."""

    place: Location
    settings: UpstreamSettings
    profile: Profile


class Agreeing(Protocol):
    """What the rules look at."""

    @property
    def settings(self) -> Settings: ...

    def targets(self) -> Sequence[UpstreamTarget]: ...


def _different(configuration: Agreeing) -> Iterator[UpstreamTarget]:
    """Yield what is really asked, each once: most accounts ask what stands under `upstream`."""
    settings = configuration.settings
    every = configuration.targets()
    own = [each for each in every if each.place[0] == "accounts" and each.settings != settings.upstream]
    is_shared = settings.accounts is None or len(own) < len(settings.accounts) or not settings.accounts
    yield from (each for each in every if each.place == ("upstream",) and is_shared)
    yield from own


def _variables(configuration: Agreeing) -> Iterator[Breach]:
    for place, upstream, profile in _different(configuration):
        filled = {**profile.variables, **upstream.variables}
        empty = {name for name in _named(upstream, profile) if not filled.get(name)}
        for name in upstream.variables.keys() - profile.variables.keys() - _named(upstream, profile):
            suggestion = did_you_mean(name, profile.variables)
            message = f"the profile {profile.name} has no variable {name!r}{suggestion}"
            yield (*place, "variables", name), message
            empty -= {meant for meant in empty if f"{meant!r}?" in suggestion}  # one mistake, one line
        for name in sorted(empty):
            yield (*place, "variables"), f"the profile {profile.name} needs the variable {name!r}"


def _named(upstream: UpstreamSettings, profile: Profile) -> set[str]:
    """Return the variables that URLs hold; the profile itself is wrong where it does not know its own."""
    own = set(rules.names_in(upstream.base_url or ""))
    return (rules.placeholders(profile, upstream.base_url) & profile.variables.keys()) | own


def _validation(configuration: Agreeing) -> Iterator[Breach]:
    for place, upstream, profile in _different(configuration):
        if upstream.validation is None:
            continue
        changed = profile.model_copy(update={"validation": upstream.validation})
        for _, message in rules.validation(changed):
            yield (*place, "validation"), f"the profile {profile.name} cannot do that: {message}"


def _credentials(configuration: Agreeing) -> Iterator[Breach]:
    for place, _, profile in configuration.targets() if configuration.settings.accounts is None else ():
        if profile.auth.scheme not in ("caller", "none"):
            yield place, f"the profile {profile.name} needs accounts: its upstream does not know old tokens"
    for (place, upstream, profile), own in _of_accounts(configuration):
        scheme = profile.auth.scheme
        if scheme != "none" and own.password is None:
            message = f"the key 'password' is missing: the profile {profile.name} has scheme {scheme}"
            yield (*place, "password"), message
        if "account" in rules.placeholders(profile, upstream.base_url) and not own.account:
            message = f"the key 'account' is missing: the URLs of the profile {profile.name} hold {{account}}"
            yield (*place, "account"), message


def _headers(configuration: Agreeing) -> Iterator[Breach]:
    for (place, _, profile), own in _of_accounts(configuration):
        texts = {"username": own.username or own.account}
        texts["password"] = own.password.get_secret_value() if own.password else ""
        for name in rules.credentials_in_headers(profile.auth):
            if not _IN_A_HEADER.fullmatch(texts[name]):
                key = "account" if name == "username" and not own.username else name
                yield (*place, key), "a header has to hold it, and cannot: it is not ISO-8859-1 text"


_IN_A_HEADER = re.compile("[\0-\xff]*")  # control characters are in no credentials


def _of_accounts(configuration: Agreeing) -> Iterator[tuple[UpstreamTarget, UpstreamAccount]]:
    """Yield what is asked on behalf of each account, and as whom."""
    accounts = configuration.settings.accounts or {}
    for each in configuration.targets():
        if each.place[0] == "accounts":
            yield each, accounts[str(each.place[1])].upstream


BREACHES: Sequence[Callable[[Agreeing], Iterator[Breach]]] = (_variables, _validation, _credentials, _headers)


def _sid_keys(configuration: Agreeing) -> Iterator[Breach]:
    if configuration.settings.legacy.sid_key is not None:
        return
    for place, _, profile in _different(configuration):
        if profile.ids.codec in rules.KEYED_CODECS:
            yield place, f"without legacy.sid_key anybody can make up Sids of the profile {profile.name}"


def _unused_variables(configuration: Agreeing) -> Iterator[Breach]:
    for place, _, profile in _different(configuration):
        for name in sorted(profile.variables.keys() - rules.placeholders(profile)):
            yield (*place, "profile"), f"the profile {profile.name} has a variable that it never uses: {name}"


def _plain_http(configuration: Agreeing) -> Iterator[Breach]:
    for place, upstream, profile in _different(configuration):
        variables: dict[str, Any] = {**profile.variables, **upstream.variables}
        url = urlsplit(uritemplate.expand(upstream.base_url or profile.base_url, variables))
        is_read_on_the_way = url.scheme == "http" and not _is_this_machine(url.hostname or "")
        if is_read_on_the_way and profile.auth.scheme != "none":
            yield (*place, "base_url"), f"credentials go to {url.hostname} unencrypted: use https"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _nobody(configuration: Agreeing) -> Iterator[Breach]:
    if configuration.settings.accounts == {}:
        yield ("accounts",), "nobody may ask: there is no account"


def _ignored_upstream(configuration: Agreeing) -> Iterator[Breach]:
    accounts = configuration.settings.accounts
    own = configuration.settings.upstream
    if accounts and own != UpstreamSettings() and all(each.upstream.profile for each in accounts.values()):
        yield ("upstream",), "nobody asks this upstream: every account has a profile of its own"


def _apart(configuration: Agreeing) -> Iterator[Breach]:
    if not configuration.settings.snapshots.are_taken:
        yield (
            ("snapshots", "replicas"),
            "no list is remembered: replicas hear of each other's writes through snapshots.redis alone",
        )


def _redis_secret(configuration: Agreeing) -> Iterator[Breach]:
    redis = configuration.settings.snapshots.redis
    if redis and redis.secret is None:
        yield ("snapshots", "redis"), "without a secret whoever may write to Redis can forge lists"


WARNINGS: Sequence[Callable[[Agreeing], Iterator[Breach]]] = (
    _sid_keys,
    _unused_variables,
    _plain_http,
    _nobody,
    _ignored_upstream,
    _apart,
    _redis_secret,
)
