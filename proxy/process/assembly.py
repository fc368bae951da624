"""Settings → the parts that they describe, put together."""

import hashlib

from proxy import __version__
from proxy.cache import GenerationTable, ListCache, SharedMemoryStore, Store, Terms
from proxy.config import Configuration, Settings
from proxy.config.settings import AccountSettings, UpstreamSettings
from proxy.gateway.accounts import Accounts, AccountTable, Entry, PassThrough
from proxy.gateway.translator import SharedState, Translator
from proxy.legacy import RenderedList, Style, rfc_2822_writer
from proxy.model import Credentials
from proxy.profile.profile import Profile
from proxy.upstream.api import Sender, Upstream


def assemble(
    configuration: Configuration,
    client: Sender,
    store: Store | None = None,
    accounts: Accounts | None = None,
    ongoing: SharedState | None = None,
) -> Translator:
    """Return a translator that asks through `client`, for the configured accounts or for others.

    It hears of writes through `store`, where it is not the only one, and takes part in what is `ongoing`.
    """
    upstreams = {
        name_of(settings): Upstream(profile_of(configuration, settings), client)
        for settings in configuration.upstreams().values()
    }
    settings = configuration.settings
    style = Style(
        rfc_2822_writer(settings.legacy.timezone), settings.numbers.outside_nanp, settings.legacy.page_uris
    )
    remembered = settings.snapshots
    fresh = remembered.fresh if remembered.is_enabled else 0
    terms = Terms(fresh, remembered.stale, remembered.bytes)
    lists = ListCache(
        RenderedList, terms, (store or SharedMemoryStore()).with_schema(_dialect(configuration))
    )
    return Translator(accounts or accounts_of(settings), upstreams, style, lists, ongoing)


def store_of(configuration: Configuration, counters: GenerationTable | None = None, worker: int = 0) -> Store:
    """Return what one of the workers shares with the others, and with other replicas."""
    redis = configuration.settings.snapshots.redis
    if redis is None:
        return SharedMemoryStore(counters, worker)
    from proxy.cache.redis_store import RedisStore  # noqa: PLC0415 - an extra

    # Not made of the URL, which may be another one for each replica
    secret = redis.secret.get_secret_value() if redis.secret else ""
    digest = hashlib.sha256(secret.encode()).digest()
    return RedisStore.at(redis.url.get_secret_value(), digest, counters)


def _dialect(configuration: Configuration) -> str:
    """Return what the text of lists depends on, beside the upstream: others read only the same."""
    settings, profiles = configuration.settings, configuration.profiles.items()
    parts = [__version__, settings.legacy.model_dump_json(), settings.numbers.model_dump_json()]
    parts += [f"{name} {found.profile.model_dump_json()}" for name, found in sorted(profiles)]
    return hashlib.sha256("\0".join(parts).encode() + _sid_key(settings)).hexdigest()


def accounts_of(settings: Settings) -> Accounts:
    """Return who may ask, and of which upstream."""
    if settings.accounts is None:
        return PassThrough(name_of(settings.upstream))
    return AccountTable({sid: _entry(account, settings) for sid, account in settings.accounts.items()})


def profile_of(configuration: Configuration, settings: UpstreamSettings) -> Profile:
    """Return the profile of an upstream, with what proxy.yaml changes about it."""
    language = configuration.profiles[settings.profile].profile
    if settings.validation:
        language = language.model_copy(update={"validation": settings.validation})
    return Profile(language, settings.base_url, settings.variables, _sid_key(configuration.settings))


def name_of(settings: UpstreamSettings) -> str:
    """Return what tells one upstream from another."""
    return settings.model_dump_json()


def _sid_key(settings: Settings) -> bytes:
    """Without a key of the operator's own, Sids can be made up, though nothing is gained by it but a 404."""
    secret = settings.legacy.sid_key
    return hashlib.sha256(secret.get_secret_value().encode() if secret else b"callerid-proxy").digest()


def _entry(account: AccountSettings, settings: Settings) -> Entry:
    upstream = account.upstream
    password = upstream.password.get_secret_value() if upstream.password else ""
    credentials = Credentials(upstream.username or upstream.account, password)
    name = name_of(upstream.upstream(settings.upstream))
    return Entry(account.token_digest(), upstream.account, credentials, name)
