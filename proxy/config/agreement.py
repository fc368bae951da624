"""Where a proxy.yaml and the profiles that it names do not fit together, or could fit better.

Each rule is a function from a configuration to what it finds. A profile that is broken itself is passed over.
"""

from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import uritemplate

from proxy.config.checking import did_you_mean
from proxy.config.settings import Settings, UpstreamSettings
from proxy.config.yaml_source import Location
from proxy.upstream import semantics
from proxy.upstream.language import Profile
from proxy.upstream.semantics import Breach


class Asked(NamedTuple):
    """An upstream that is asked: where proxy.yaml says so, what it says, and the profile."""

    place: Location
    settings: UpstreamSettings
    profile: Profile


class Agreeing(Protocol):
    """What the rules look at."""

    @property
    def settings(self) -> Settings: ...

    def asked(self) -> Sequence[Asked]: ...


def _variables(configuration: Agreeing) -> Iterator[Breach]:
    for place, upstream, profile in configuration.asked():
        filled = {**profile.variables, **upstream.variables}
        for name in sorted(semantics.placeholders(profile, upstream.base_url) - {"account", "id"}):
            if not filled.get(name):
                yield (*place, "variables"), f"the profile {profile.name} needs the variable {name!r}"
        for name in upstream.variables.keys() - profile.variables.keys():
            suggestion = did_you_mean(name, profile.variables)
            message = f"the profile {profile.name} has no variable {name!r}{suggestion}"
            yield (*place, "variables", name), message


def _validation(configuration: Agreeing) -> Iterator[Breach]:
    for place, upstream, profile in configuration.asked():
        if upstream.validation is None:
            continue
        changed = profile.model_copy(update={"validation": upstream.validation})
        for _, message in semantics.validation(changed):
            yield (*place, "validation"), f"the profile {profile.name} cannot do that: {message}"


def _credentials(configuration: Agreeing) -> Iterator[Breach]:
    accounts = configuration.settings.accounts
    for place, upstream, profile in configuration.asked():
        scheme = profile.auth.scheme
        if accounts is None and scheme not in ("caller", "none"):
            yield place, f"the profile {profile.name} needs accounts: its upstream does not know old tokens"
        account = (accounts or {}).get(str(place[1])) if place[0] == "accounts" else None
        if account is None:
            continue
        if scheme != "none" and account.upstream.password is None:
            yield place, "the key 'password' is missing"
        if "account" in semantics.placeholders(profile, upstream.base_url) and not account.upstream.account:
            yield place, "the key 'account' is missing"


BREACHES: Sequence[Callable[[Agreeing], Iterator[Breach]]] = (_variables, _validation, _credentials)


def _sid_keys(configuration: Agreeing) -> Iterator[Breach]:
    if configuration.settings.legacy.sid_key is not None:
        return
    keyed = {asked.profile.name: asked.place for asked in reversed(configuration.asked()) if _is_keyed(asked)}
    for name, place in keyed.items():
        yield place, f"without legacy.sid_key anybody can make up Sids of the profile {name}"


def _is_keyed(asked: Asked) -> bool:
    return asked.profile.ids.codec in semantics.KEYED_CODECS


def _plain_http(configuration: Agreeing) -> Iterator[Breach]:
    for place, upstream, profile in configuration.asked():
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


WARNINGS: Sequence[Callable[[Agreeing], Iterator[Breach]]] = (
    _sid_keys,
    _plain_http,
    _nobody,
    _ignored_upstream,
)
