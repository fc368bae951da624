"""Rules about a proxy.yaml together with the profiles that it names: errors and warnings.

Each rule is a function from a configuration to its violations. A profile with errors of its own is skipped.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any
from urllib.parse import urlsplit

import uritemplate

from proxy.config.settings import Configuration, UpstreamAccount, UpstreamSettings, UpstreamTarget
from proxy.config.yaml_source import Expanded
from proxy.errors import LegacyError
from proxy.net.addresses import Address, check_url, is_loopback, normalize_origin, split_socket
from proxy.profile import rules
from proxy.profile.answer_rules import check_validation
from proxy.profile.auth import (
    AUTH_SCHEMES,
    find_unusable_secrets,
    list_secrets,
    list_urls,
    raw_in_headers,
    shows_username,
)
from proxy.profile.base import Rule, Violation, suggest
from proxy.profile.conversions import WRITE
from proxy.profile.ids import ID_CODECS
from proxy.profile.language import ProfileSettings, WriteValue


def _list_distinct_targets(configuration: Configuration) -> Iterator[UpstreamTarget]:
    """Yield each target that is in use once: most accounts share the one under `upstream`."""
    settings = configuration.settings
    every = configuration.targets()
    own = [each for each in every if each.key_path[0] == "accounts" and each.settings != settings.upstream]
    is_shared = settings.accounts is None or len(own) < len(settings.accounts) or not settings.accounts
    yield from (each for each in every if each.key_path == ("upstream",) and is_shared)
    yield from own


def _check_variables(configuration: Configuration) -> Iterator[Violation]:
    for key_path, upstream, profile in _list_distinct_targets(configuration):
        filled = {**profile.variables, **upstream.variables}
        empty = {name for name in _list_variables(upstream, profile) if not filled.get(name)}
        for name in upstream.variables.keys() - profile.variables.keys() - _list_variables(upstream, profile):
            suggestion = suggest(name, profile.variables)
            message = f"the profile {profile.name} has no variable {name!r}{suggestion}"
            yield (*key_path, "variables", name), message
            empty -= {meant for meant in empty if f"{meant!r}?" in suggestion}  # a typo is one mistake
        for name in sorted(empty):
            what = ", which is empty" if name in upstream.variables else suggest(name, filled.keys() - empty)
            yield (*key_path, "variables"), f"the profile {profile.name} needs the variable {name!r}{what}"


def _list_variables(upstream: UpstreamSettings, profile: ProfileSettings) -> set[str]:
    """Return the variables in URLs. One that a profile uses but does not define is its own error."""
    own = set(rules.parse_placeholders(upstream.base_url or ""))
    return (rules.find_placeholders(profile, upstream.base_url) & profile.variables.keys()) | own


def _check_base_urls(configuration: Configuration) -> Iterator[Violation]:
    """Find base URLs that are only wrong with the values of their variables."""
    for key_path, upstream, profile in _list_distinct_targets(configuration):
        try:
            check_url(_expand_base_url(upstream, profile))
        except ValueError as error:
            names = ", ".join(rules.parse_placeholders(upstream.base_url or profile.base_url))
            yield (*key_path, "variables"), f"with {names} filled in, the base URL is not valid: {error}"
            continue
        known = _list_other_urls(UpstreamSettings(), profile)  # which the profile is checked for
        for url in {*_list_other_urls(upstream, profile)}.difference(known):
            try:
                check_url(url.partition("?")[0])
            except ValueError as error:
                message = f"with the variables filled in, the token URL is not valid: {error}"
                yield (*key_path, "variables"), message


def _list_other_urls(upstream: UpstreamSettings, profile: ProfileSettings) -> Sequence[str]:
    variables = {name: value or "x" for name, value in {**profile.variables, **upstream.variables}.items()}
    return list_urls(profile.auth, _expand_base_url(upstream, profile), variables)


def _expand_base_url(upstream: UpstreamSettings, profile: ProfileSettings) -> str:
    base_url = upstream.base_url or profile.base_url
    filled = {**profile.variables, **upstream.variables}
    # What is missing is another rule's violation
    variables: dict[str, Any] = {name: filled.get(name) or "x" for name in rules.parse_placeholders(base_url)}
    return uritemplate.expand(base_url, variables)


def _check_transport(configuration: Configuration) -> Iterator[Violation]:
    """Find a way to an upstream that its URL cannot go."""
    for key_path, upstream, profile in _list_distinct_targets(configuration):
        url, socket = split_socket(_expand_base_url(upstream, profile))
        if upstream.tls and not url.lower().startswith("https:"):
            yield (*key_path, "tls"), "tls needs a base URL with https"
        if upstream.proxy and socket:
            yield (*key_path, "proxy"), "a unix socket is not reached through a proxy"


def _check_forward(configuration: Configuration) -> Iterator[Violation]:
    """Find a target that is this proxy itself, where requests would go around in a circle."""
    forward = configuration.settings.legacy.forward
    if forward is None:
        return
    url = urlsplit(forward.to)
    if forward.tls and url.scheme != "https":
        yield ("legacy", "forward", "tls"), "tls needs a URL with https"
    target = Address(url.hostname or "", url.port or _DEFAULT_PORTS[url.scheme])
    for key, address in configuration.settings.listen.addresses().items():
        is_here = normalize_origin(str(target)) == normalize_origin(str(address.reached_at()))
        if address.port == target.port and is_here:
            yield ("legacy", "forward"), f"requests would come back to this proxy: listen.{key} is {address}"


_DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}


def _check_validation(configuration: Configuration) -> Iterator[Violation]:
    for key_path, upstream, profile in _list_distinct_targets(configuration):
        if upstream.validation is None:
            continue
        changed = profile.model_copy(update={"validation": upstream.validation})
        for _, message in check_validation(changed):
            yield (*key_path, "validation"), f"the profile {profile.name} cannot do that: {message}"


def _check_credentials(configuration: Configuration) -> Iterator[Violation]:
    for key_path, _, profile in configuration.targets() if configuration.settings.accounts is None else ():
        if AUTH_SCHEMES[profile.auth.scheme].needs_accounts:
            message = f"the profile {profile.name} needs accounts: its upstream does not accept legacy tokens"
            yield key_path, message
    for (key_path, upstream, profile), own in _list_account_targets(configuration):
        scheme = profile.auth.scheme
        needed = list_secrets(profile.auth)
        for key in sorted(each for each in needed if getattr(own, each) is None):
            message = f"the key {key!r} is missing: the profile {profile.name} has scheme {scheme}"
            yield (*key_path, key), message
        if "password" in needed and _has_empty_password(own) and not AUTH_SCHEMES[scheme].may_be_empty:
            message = f"the password is empty: the profile {profile.name} has scheme {scheme}"
            yield (*key_path, "password"), message
        if "account" in rules.find_placeholders(profile, upstream.base_url) and not own.account:
            what = "is empty" if "account" in own.model_fields_set else "is missing"
            message = f"the key 'account' {what}: the URLs of the profile {profile.name} hold {{account}}"
            yield (*key_path, "account"), message


def _check_account_names(configuration: Configuration) -> Iterator[Violation]:
    """Find accounts without the name that requests or answers hold, and names that cannot be written."""
    if configuration.settings.accounts is None:
        for key_path, _, profile in configuration.targets():
            for conversion in _list_unwritable(profile, "AC" + "0" * 32):
                yield key_path, f"the profile {profile.name} writes the account as {conversion}: use accounts"
    for (key_path, upstream, profile), own in _list_account_targets(configuration):
        is_in_urls = "account" in rules.find_placeholders(profile, upstream.base_url)
        if not own.account and not is_in_urls and (use := _describe_account_use(profile)):
            message = f"the key 'account' is missing: the profile {profile.name} {use}"
            yield (*key_path, "account"), message
        for conversion in _list_unwritable(profile, own.account) if own.account else ():
            yield (*key_path, "account"), f"the profile {profile.name} writes the account as {conversion}"


def _list_written_accounts(profile: ProfileSettings) -> Iterator[WriteValue]:
    for endpoint in profile.operations.endpoints().values():
        for _, _, how in endpoint.parameters():
            if isinstance(how, WriteValue) and how.from_ == "account":
                yield how


def _describe_account_use(profile: ProfileSettings) -> str:
    if profile.caller_id.account is not None:
        return "compares it with caller_id.account"
    return "sends it as a parameter" if any(_list_written_accounts(profile)) else ""


def _list_unwritable(profile: ProfileSettings, account: str) -> Iterator[str]:
    """Yield the conversions of a profile that cannot write the name of an account."""
    for conversion in dict.fromkeys(how.as_ for how in _list_written_accounts(profile)):
        try:
            WRITE[conversion](account)
        except LegacyError:
            yield conversion


def _has_empty_password(own: UpstreamAccount) -> bool:
    return own.password is not None and not own.password.get_secret_value()


def _check_headers(configuration: Configuration) -> Iterator[Violation]:
    for (key_path, _, profile), own in _list_account_targets(configuration):
        texts = {"username": own.username or own.account}
        texts["password"] = own.password.get_secret_value() if own.password else ""
        for name in raw_in_headers(profile.auth):
            if not _IN_A_HEADER.fullmatch(texts[name]):
                key = "account" if name == "username" and not own.username else name
                yield (*key_path, key), "this goes into a header, which holds ISO-8859-1 text only"


_IN_A_HEADER = re.compile("[\0-\xff]*")  # settings refuse control characters in credentials


def _check_secrets(configuration: Configuration) -> Iterator[Violation]:
    """Find secrets of accounts with which no call can be authorized."""
    if configuration.source.is_without_secrets:
        return
    for (key_path, _, profile), own in _list_account_targets(configuration):
        credentials = own.credentials()
        for key, message in find_unusable_secrets(profile.auth, credentials):
            if getattr(own, key) is not None:
                yield (*key_path, key), message


def _check_addresses(configuration: Configuration) -> Iterator[Violation]:
    """Find listeners that take an address from each other."""
    seen: list[tuple[str, Address]] = []
    for name, each in configuration.settings.listen.addresses().items():
        for other, address in seen:
            if _overlaps(each, address):
                yield ("listen", *name.split(".")), f"listen.{other} has this address already"
        seen.append((name, each))


_MEANINGS = {"": {"0.0.0.0", "::"}, "localhost": {"127.0.0.1", "::1"}}  # noqa: S104


def _overlaps(one: Address, other: Address) -> bool:
    """Whether the system refuses to listen on both; for port 0 it chooses another one for each."""
    pairs = product(*(_MEANINGS.get(each.host.lower(), {each.host.lower()}) for each in (one, other)))
    return one.port == other.port != 0 and any(
        left == right or ((":" in left) == (":" in right) and not {"0.0.0.0", "::"}.isdisjoint((left, right)))  # noqa: S104
        for left, right in pairs
    )


def _check_id_stores(configuration: Configuration) -> Iterator[Violation]:
    settings = configuration.settings
    if settings.ids.database is not None or settings.snapshots.redis is not None:
        return
    for key_path, _, profile in _list_distinct_targets(configuration):
        if ID_CODECS[profile.ids.codec].is_stored:
            where = "name a file with ids.database, or use snapshots.redis"
            yield key_path, f"the profile {profile.name} has ids that have to be kept: {where}"


def _list_account_targets(configuration: Configuration) -> Iterator[tuple[UpstreamTarget, UpstreamAccount]]:
    """Yield the target of each account, with the account's settings for it."""
    accounts = configuration.settings.accounts or {}
    for each in configuration.targets():
        if each.key_path[0] == "accounts":
            yield each, accounts[str(each.key_path[1])].upstream


ERROR_RULES: Sequence[Rule] = (
    _check_variables,
    _check_base_urls,
    _check_transport,
    _check_forward,
    _check_validation,
    _check_credentials,
    _check_account_names,
    _check_headers,
    _check_secrets,
    _check_addresses,
    _check_id_stores,
)


def _check_sid_keys(configuration: Configuration) -> Iterator[Violation]:
    if configuration.settings.legacy.sid_key is not None:
        return
    for key_path, _, profile in _list_distinct_targets(configuration):
        if ID_CODECS[profile.ids.codec].is_keyed:
            yield key_path, f"without legacy.sid_key, Sids of the profile {profile.name} can be forged"


def _check_unused_variables(configuration: Configuration) -> Iterator[Violation]:
    for key_path, _, profile in _list_distinct_targets(configuration):
        for name in sorted(profile.variables.keys() - rules.find_placeholders(profile)):
            message = f"the profile {profile.name} has a variable that it never uses: {name}"
            yield (*key_path, "profile"), message


def _check_plain_http(configuration: Configuration) -> Iterator[Violation]:
    for key_path, upstream, profile in _list_distinct_targets(configuration):
        urls = _expand_base_url(upstream, profile), *_list_other_urls(upstream, profile)
        for url in map(urlsplit, dict.fromkeys(urls)):
            is_exposed = url.scheme == "http" and not _is_loopback(url.hostname or "")
            if is_exposed and AUTH_SCHEMES[profile.auth.scheme].part:
                yield (*key_path, "base_url"), f"credentials go to {url.hostname} unencrypted: use https"


def _check_plain_forwarding(configuration: Configuration) -> Iterator[Violation]:
    forward = configuration.settings.legacy.forward
    url = urlsplit(forward.to if forward and forward.credentials else "")
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        yield ("legacy", "forward"), f"credentials go to {url.hostname} unencrypted: use https"


def _is_loopback(host: str) -> bool:
    return is_loopback(host) or host == "localhost" or host.endswith(".localhost")


def _check_accounts(configuration: Configuration) -> Iterator[Violation]:
    accounts, own = configuration.settings.accounts, configuration.settings.upstream
    if accounts == {}:
        yield ("accounts",), "accounts is empty: every request is refused"
    if accounts and own != UpstreamSettings() and all(each.upstream.profile for each in accounts.values()):
        yield ("upstream",), "this upstream is unused: every account has a profile of its own"


def _check_user_names(configuration: Configuration) -> Iterator[Violation]:
    for (key_path, _, profile), own in _list_account_targets(configuration):
        is_meant = "username" in own.model_fields_set
        if shows_username(profile.auth) and not (own.username or own.account or is_meant):
            yield (
                key_path,
                f"the user name is empty: the profile {profile.name} sends username, or else account",
            )


def _check_empty_passwords(configuration: Configuration) -> Iterator[Violation]:
    for (key_path, _, _), own in _list_account_targets(configuration):
        here = (*key_path, "password")
        written = configuration.source.find(here)
        is_meant = written == "" and (not isinstance(written, Expanded) or written.may_be_empty)
        if _has_empty_password(own) and not is_meant:
            yield here, 'the password is empty; where that is meant, write ${NAME:-} or ""'


def _check_snapshots(configuration: Configuration) -> Iterator[Violation]:
    snapshots = configuration.settings.snapshots
    if not snapshots.is_enabled:
        message = (
            "lists are not cached: without snapshots.redis, replicas do not learn of each other's writes"
        )
        yield ("snapshots", "replicas"), message
    if snapshots.redis and snapshots.redis.secret is None:
        yield ("snapshots", "redis"), "without a secret, any client of Redis can forge lists"


WARNING_RULES: Sequence[Rule] = (
    _check_sid_keys,
    _check_unused_variables,
    _check_plain_http,
    _check_plain_forwarding,
    _check_accounts,
    _check_user_names,
    _check_empty_passwords,
    _check_snapshots,
)


def check_container(configuration: Configuration) -> Iterator[Violation]:
    """Yield what works outside of a container only."""
    listen = configuration.settings.listen
    served = [address for key, address in listen.addresses().items() if key != "metrics"]
    if all(_is_loopback(address.host) for address in served):
        advice = f"listen on 0.0.0.0:{served[0].port} to be reached from outside"
        yield ("listen",), f"inside this container, {served[0]} is reached from inside only: {advice}"


_PROXY_VARIABLES: Mapping[str, Sequence[str]] = {
    scheme: tuple(name for word in (scheme, "all") for name in (f"{word}_proxy", f"{word}_proxy".upper()))
    for scheme in ("http", "https")
}
"""The variables by which other programs find a proxy, by the scheme of a URL."""


def check_proxy_variables(configuration: Configuration, variables: Mapping[str, str]) -> Iterator[Violation]:
    """Yield which upstreams other programs would reach through a proxy of the environment."""
    for key_path, upstream, profile in _list_distinct_targets(configuration):
        url = urlsplit(_expand_base_url(upstream, profile))
        names = [name for name in _PROXY_VARIABLES.get(url.scheme, ()) if variables.get(name)]
        if names and upstream.proxy is None and not _is_loopback(url.hostname or ""):
            meant = f"write proxy: ${{{names[0]}}} to go through that proxy"
            yield key_path, f"{names[0]} of the environment is not used: {meant}"
