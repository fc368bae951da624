"""Settings → the parts that they describe, put together."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from proxy import __version__
from proxy.cache import (
    CachePolicy,
    GenerationTable,
    Limit,
    ListCache,
    MemoryRecords,
    SharedCells,
    SharedMemoryStore,
    SharedTokenBuckets,
    Store,
    create_record_cells,
    create_token_cells,
)
from proxy.config import Configuration, Settings
from proxy.config.settings import (
    AccountSettings,
    ForwardSettings,
    ProxySettings,
    RateSettings,
    RedisSettings,
    UpstreamSettings,
)
from proxy.config.yaml_source import Source
from proxy.gateway.accounts import AccountEntry, Accounts, AccountTable, DataScope, PassThrough
from proxy.gateway.listing import Lists
from proxy.gateway.pending_codes import PendingCalls
from proxy.gateway.translator import SharedState, Translator
from proxy.legacy import RenderedList, Style, rfc_2822_writer
from proxy.net.addresses import normalize_origin, split_socket
from proxy.net.tls import client_context
from proxy.observe.counters import LimitName
from proxy.observe.failures import FailureLog, ReportFailure, UpstreamFailure
from proxy.profile.id_memory import IdStore
from proxy.profile.language import ProfileSettings
from proxy.profile.profile import Profile
from proxy.profile.rules import names_account
from proxy.server.forwarding import ForwardOptions
from proxy.server.listeners import ServerOptions
from proxy.upstream.api import Sender, Upstream
from proxy.upstream.id_store import SqliteIds
from proxy.upstream.route import UpstreamRoute
from proxy.upstream.token_cache import FetchLocks, TokenMemory

_LIST_FORMAT = "columns with their end"
"""The format of `RenderedList.to_bytes` and of a saved list: another one in each version that changes it."""


def assemble(
    configuration: Configuration,
    client: Sender,
    store: Store | None = None,
    accounts: Accounts | None = None,
    state: SharedState | None = None,
) -> Translator:
    """Return a translator that asks through `client`, for the configured accounts or for others.

    Writes are told through `store`; `state` is what the translator before it hands on.
    """
    state = state or SharedState()
    distinct = {name_upstream(each): each for each in configuration.upstreams().values()}
    profiles = {name: create_profile(configuration, each) for name, each in distinct.items()}
    report = state.failures.upstream_failed
    upstreams = {
        name: Upstream(
            profile,
            client,
            f"{distinct[name].profile} at {profile.place}",
            _with_lines(report, configuration.profiles[distinct[name].profile].source),
            state.ids,
        )
        for name, profile in profiles.items()
    }
    settings = configuration.settings
    style = Style(
        rfc_2822_writer(settings.legacy.timezone), settings.numbers.outside_nanp, settings.legacy.page_uris
    )
    snapshots = settings.snapshots
    policy = CachePolicy(snapshots.fresh if snapshots.is_enabled else 0, snapshots.stale, snapshots.bytes)
    shared = (store or SharedMemoryStore()).with_schema(_schema(configuration))
    lists: Lists = ListCache(RenderedList, policy, shared)
    limits = call_limits(settings)
    accounts = accounts or create_accounts(settings, _find_scopes(configuration, profiles))
    return Translator(accounts, upstreams, style, lists, state, limits)


def _with_lines(report: ReportFailure, source: Source) -> ReportFailure:
    """Report each error with the line of the profile that it is about."""

    def report_line(failure: UpstreamFailure) -> None:
        error = failure.error
        error.line = source.find_line(error.key_path)
        report(failure)

    return report_line


def call_limits(settings: Settings) -> Mapping[LimitName, Limit]:
    """Return the limits of validation calls that are not off."""
    limits = settings.validation.limits
    each: Mapping[LimitName, RateSettings | None] = {
        "per_number": limits.per_number,
        "per_account": limits.per_account,
        "per_peer": limits.per_peer,
    }
    return {name: Limit(limit.calls, limit.within) for name, limit in each.items() if limit}


def create_store(
    configuration: Configuration, table: GenerationTable | None = None, worker: int = 0
) -> Store:
    """Return what a worker shares with the other workers, and with other replicas."""
    redis = configuration.settings.snapshots.redis
    if redis is None:
        return SharedMemoryStore(table, worker)
    from proxy.cache.redis_store import RedisStore  # noqa: PLC0415 - an extra

    return RedisStore.at(redis.url.get_secret_value(), _redis_secret(redis), table)


class LimitMemory(NamedTuple):
    """The memory in which the workers of a host count, and keep pending calls."""

    tokens: SharedCells
    pending: SharedCells

    @classmethod
    def create(cls) -> "LimitMemory":
        """Create it before any worker is forked."""
        return cls(create_token_cells(), create_record_cells())


_TOKEN_SETS = 64


def create_token_memory() -> TokenMemory:
    """Create the memory in which the workers of a host share access tokens, before any is forked."""
    return TokenMemory(MemoryRecords(create_record_cells(_TOKEN_SETS)), FetchLocks())


def create_state(
    configuration: Configuration,
    failures: FailureLog,
    store: Store,
    memory: LimitMemory | None = None,
) -> SharedState:
    """Return what the translators of a worker hand on; it counts with other workers, and through `store`."""
    memory = memory or LimitMemory.create()
    buckets, records = SharedTokenBuckets(memory.tokens), MemoryRecords(memory.pending)
    snapshots = configuration.settings.snapshots
    file = configuration.settings.ids.database
    ids: IdStore | None = SqliteIds(Path(file)) if file else None
    if snapshots.redis is None:
        return SharedState(failures, pending=PendingCalls(records), buckets=buckets, ids=ids)
    from proxy.cache.redis_ids import RedisIds  # noqa: PLC0415 - an extra
    from proxy.cache.redis_limits import RedisRecords, RedisTokenBuckets  # noqa: PLC0415
    from proxy.cache.redis_store import RedisStore  # noqa: PLC0415

    if not isinstance(store, RedisStore):
        raise TypeError(store)
    secret = _redis_secret(snapshots.redis)
    shared = RedisRecords(store.pipeline, secret, records)
    return SharedState(
        failures,
        pending=PendingCalls(shared),
        buckets=RedisTokenBuckets(store.pipeline, secret, buckets, snapshots.replicas),
        ids=ids or RedisIds(store.pipeline),
    )


def _redis_secret(redis: RedisSettings) -> bytes:
    """Return the key of names and values: no digest of the URL, which may differ from replica to replica."""
    secret = redis.secret.get_secret_value() if redis.secret else ""
    return hashlib.sha256(secret.encode()).digest()


def server_options(settings: Settings) -> ServerOptions:
    """Return what a server needs of what is configured to listen on."""
    listen = settings.listen
    plain = {"metrics": listen.metrics, "address": listen.address}
    tls = {"tls": listen.tls, "legacy_tls": listen.legacy_tls}
    addresses = {**plain, **{name: each.address for name, each in tls.items() if each}}
    return ServerOptions(
        {name: address for name, address in addresses.items() if address},
        {name: each.ssl_context for name, each in tls.items() if each},
        listen.trusted_proxies,
        listen.drain,
        frozenset(settings.metrics.hosts),
        settings.legacy.lenient_targets,
        settings.limits.request_bytes,
        settings.limits.connections_per_peer,
        settings.limits.answer_bytes,
        _forward_options(settings.legacy.forward),
    )


def _forward_options(forward: ForwardSettings | None) -> ForwardOptions | None:
    if forward is None:
        return None
    own = forward.tls and forward.tls.ssl_context
    return ForwardOptions(
        forward.to,
        forward.credentials,
        forward.everything,
        own or (client_context() if forward.to.lower().startswith("https:") else None),
        (forward.tls and forward.tls.server_name) or "",
        forward.body_bytes,
        forward.connect_timeout,
        forward.read_timeout,
        forward.timeout,
        forward.connections,
    )


def _schema(configuration: Configuration) -> str:
    """Return a digest of what the text of lists depends on, apart from the upstream."""
    settings, profiles = configuration.settings, configuration.profiles.items()
    parts = [
        __version__,
        _LIST_FORMAT,
        settings.legacy.model_dump_json(exclude={"forward"}),
        settings.numbers.model_dump_json(),
    ]
    parts += [f"{name} {found.profile.model_dump_json()}" for name, found in sorted(profiles)]
    return hashlib.sha256("\0".join(parts).encode() + _sid_key(settings)).hexdigest()


def create_accounts(settings: Settings, scopes: Mapping[str, DataScope] | None = None) -> Accounts:
    """Return the accounts of callers, each with its upstream; `scopes` by the name of that."""
    scopes = scopes or {}
    if settings.accounts is None:
        name = name_upstream(settings.upstream)
        return PassThrough(name, scopes.get(name))
    return AccountTable({sid: _entry(each, settings, scopes) for sid, each in settings.accounts.items()})


def _find_scopes(configuration: Configuration, profiles: Mapping[str, Profile]) -> Mapping[str, DataScope]:
    """Return what writes to each upstream may change, by its name.

    The name of an account tells it from others where all entries at an origin have one profile, whose URLs
    hold that name. A label, a credential, a path or a variable does not: two of them may be of one account.
    """
    settings = configuration.settings
    accounts = settings.accounts
    entries = (
        [settings.upstream]
        if accounts is None
        else [each.upstream.upstream(settings.upstream) for each in accounts.values()]
    )
    origins, naming = dict[str, str](), defaultdict[str, set[str | None]](set)
    for each in entries:
        name = name_upstream(each)
        if name in origins:
            continue
        origins[name] = normalize_origin(profiles[name].origin)
        is_named = names_account(configuration.profiles[each.profile].profile, each.base_url)
        naming[origins[name]].add(each.profile if is_named else None)
    return {
        name: DataScope(origin, len(naming[origin]) == 1 and None not in naming[origin])
        for name, origin in origins.items()
    }


def create_profile(configuration: Configuration, settings: UpstreamSettings) -> Profile:
    """Return the profile of an upstream, with what proxy.yaml changes about it."""
    language = configuration.profiles[settings.profile].profile
    if settings.validation:
        language = language.model_copy(update={"validation": settings.validation})
    sid_key = _sid_key(configuration.settings)
    return Profile(language, settings.base_url, settings.variables, sid_key, _name_route(settings, language))


def _name_route(settings: UpstreamSettings, language: ProfileSettings) -> str:
    """Return the name of the way to an upstream, '' where it is connected to directly."""
    is_direct = settings.tls is None and settings.proxy is None
    is_usual = settings.resolve_every == UpstreamSettings().resolve_every
    has_socket = bool(split_socket(settings.base_url or language.base_url)[1])
    return "" if is_direct and is_usual and not has_socket else name_upstream(settings)


def create_routes(configuration: Configuration) -> Mapping[str, UpstreamRoute]:
    """Return the ways to upstreams that are not connected to directly, by their names."""
    distinct = {name_upstream(each): each for each in configuration.upstreams().values()}
    created = ((settings, create_profile(configuration, settings)) for settings in distinct.values())
    return {profile.route: _create_route(settings, profile) for settings, profile in created if profile.route}


def _create_route(settings: UpstreamSettings, profile: Profile) -> UpstreamRoute:
    tls = settings.tls
    return UpstreamRoute(
        tls.ssl_context if tls else None,
        _write_proxy_url(settings.proxy) if settings.proxy else "",
        profile.socket,
        (tls.server_name if tls else None) or "",
        settings.resolve_every,
        profile.base_origin,
    )


def _write_proxy_url(proxy: ProxySettings) -> str:
    if proxy.credentials is None:
        return proxy.url
    user, _, password = proxy.credentials.get_secret_value().partition(":")
    scheme, _, authority = proxy.url.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{authority}"


def name_upstream(settings: UpstreamSettings) -> str:
    """Return a name that differs for upstreams with different settings."""
    return settings.model_dump_json()


def _sid_key(settings: Settings) -> bytes:
    """Return the key of derived Sids; without one, a made-up Sid costs an upstream call and a 404."""
    secret = settings.legacy.sid_key
    return hashlib.sha256(secret.get_secret_value().encode() if secret else b"callerid-proxy").digest()


def _entry(account: AccountSettings, settings: Settings, scopes: Mapping[str, DataScope]) -> AccountEntry:
    upstream = account.upstream
    name = name_upstream(upstream.upstream(settings.upstream))
    owner = scopes[name].owner(upstream.account) if name in scopes else None
    return AccountEntry(
        account.token_digest(), upstream.account, upstream.credentials(), name, owner, account.label
    )
