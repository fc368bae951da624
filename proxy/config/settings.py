"""What a proxy.yaml may say, as frozen and checked settings; and those with the profiles that they name."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, SSLError
from typing import Annotated, Any, ClassVar, Literal, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from proxy.config.yaml_source import (
    EMPTY_SECRET,
    Expanded,
    Mistake,
    Source,
    parse_plain,
    read_content,
    read_text,
)
from proxy.legacy.formats import OutsideNanp
from proxy.model import Credentials
from proxy.net import redis_url, tls
from proxy.net.addresses import Address, check_host, check_url, parse_address, split_socket
from proxy.observe.log import Format, Level
from proxy.profile.base import Frozen, KeyPath, find_closest, write_suggestion
from proxy.profile.language import BaseUrl, ProfileSettings, ValidationMode

DEFAULT_PROFILE = "twilio-2010-04-01"


def _parse_network(text: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text if isinstance(text, str) else "")
    except ValueError:
        raise ValueError("write an address or a network, for example 10.0.0.0/8") from None


def _is_without_secrets(info: ValidationInfo) -> bool:
    """Whether files that are missing are accepted; `check` says so in the context of the validation."""
    return bool(info.context and info.context["without_secrets"])


def _check_readable(file: str, info: ValidationInfo) -> str:
    try:
        read_content(file)
    except OSError as error:
        if not _is_without_secrets(info):
            raise ValueError(f"the file {file} cannot be read: {error.strerror}") from None
    return file


_AS_TEXT = PlainSerializer(str, when_used="json")
ListenAddress = Annotated[Address, BeforeValidator(parse_address, json_schema_input_type=str), _AS_TEXT]
Network = Annotated[
    IPv4Network | IPv6Network, BeforeValidator(_parse_network, json_schema_input_type=str), _AS_TEXT
]
ReadableFile = Annotated[str, AfterValidator(_check_readable)]
NonNegative = Annotated[StrictInt | StrictFloat, Field(ge=0)]
Positive = Annotated[StrictInt | StrictFloat, Field(gt=0)]


_NO_PEM = "a certificate and its key, both as PEM and the key without a passphrase, are needed"


def _explain_unusable(error: SSLError) -> str:
    reason = tls.explain_unusable(error)
    if reason and "key" not in reason:
        return f"the certificate cannot be used: {reason}"
    return reason or _NO_PEM


class TlsListener(Frozen):
    """Where to listen with TLS 1.2 and up."""

    legacy: ClassVar[bool] = False

    address: ListenAddress
    certificate: ReadableFile
    key: ReadableFile | None = None

    _ssl_context: SSLContext = PrivateAttr()

    @property
    def ssl_context(self) -> SSLContext:
        """The context of the files as they were at load time; a restarted worker uses it too."""
        return self._ssl_context

    @model_validator(mode="after")
    def _load_context(self, info: ValidationInfo) -> "TlsListener":
        key = self.key or self.certificate
        try:
            self._ssl_context = tls.context(self.certificate, key, legacy=self.legacy)
        except SSLError as error:
            raise ValueError(_explain_unusable(error)) from None
        except OSError as error:  # a file that has been found missing already, or has gone since
            if not _is_without_secrets(info):
                raise ValueError(f"the certificate cannot be read: {error.strerror}") from None
        return self


class LegacyTlsListener(TlsListener):
    """Where to listen with TLS 1.0 and up."""

    legacy = True


class Listen(Frozen):
    """Everything to listen on."""

    address: ListenAddress | None = Address("127.0.0.1", 8080)
    tls: TlsListener | None = None
    legacy_tls: LegacyTlsListener | None = None
    metrics: ListenAddress | None = None
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of the proxies that may forward the address of their clients."""
    drain: NonNegative = 5
    """Seconds after SIGTERM during which connections are accepted, each for one more answer."""

    def addresses(self) -> Mapping[str, Address]:
        """Return every address to listen on, by its key."""
        named = {
            "address": self.address,
            "tls.address": self.tls and self.tls.address,
            "legacy_tls.address": self.legacy_tls and self.legacy_tls.address,
            "metrics": self.metrics,
        }
        return {key: address for key, address in named.items() if address}

    @model_validator(mode="after")
    def _check_listener(self) -> "Listen":
        if not (self.address or self.tls or self.legacy_tls):
            raise ValueError("there is no listener: give an address, tls or legacy_tls")
        return self


def _expand_address(value: Any) -> Any:
    """Let a plain value stand for the address alone."""
    return value if isinstance(value, Mapping | Listen) else {"address": value}


def _read_secret(value: Any, info: ValidationInfo) -> str:
    secret = _read_text(value, info)
    if not secret and isinstance(value, Expanded) and not value.may_be_empty:
        raise PydanticCustomError(EMPTY_SECRET, "the secret is empty: the variable has no value")
    if not secret:
        raise ValueError("the secret is empty")
    return secret


def _read_password(value: Any, info: ValidationInfo) -> str:
    """Read a secret that may be empty: some upstreams want a key as user name, and no password."""
    return "" if value == "" else _read_text(value, info)


def _read_text(value: Any, info: ValidationInfo) -> str:
    match value:
        case {"file": str(file)} if len(value) == 1:
            try:
                return read_text(file)
            except ValueError:
                if _is_without_secrets(info):
                    return _UNKNOWN
                raise
        case Expanded() if not value.has_default:
            return str(value)
        case None:
            return ""
        case _:
            raise ValueError("a secret is not written here: use ${VARIABLE} or {file: PATH}")


_UNKNOWN = "x"
"""Stands for a secret that is not at hand."""
_CONTROLS = re.compile("[\x00-\x1f\x7f]")


def _check_credential(text: str) -> str:
    """Refuse control characters, which HTTP Basic excludes (RFC 7617 section 2) and which split headers."""
    if _CONTROLS.search(text):
        raise ValueError("it contains a control character, perhaps a line break")
    return text


def _parse_flag(value: Any) -> Any:
    return parse_plain(value) if isinstance(value, Expanded) else value


_NOT_ZONES = ("posix", "right", "posixrules")
"""Files beside the zones, which `zoneinfo.available_timezones` leaves out too; it opens all 600 files."""


def _parse_zone(name: Any) -> ZoneInfo:
    try:
        if isinstance(name, str) and name.partition("/")[0] not in _NOT_ZONES:
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # an unknown name, an impossible one, a folder
        pass
    message = "write the name of a time zone, for example America/Los_Angeles"
    meant = find_closest(name, available_timezones(), cutoff=0.75) if isinstance(name, str) else None
    raise ValueError(f"{message}{write_suggestion(meant)}")


class SecretFile(Frozen):
    """A secret in a file of its own."""

    file: str


Variable = Annotated[str, StringConstraints(pattern=r"\$\{")]
Flag = Annotated[StrictBool, BeforeValidator(_parse_flag, json_schema_input_type=bool | Variable)]
Secret = Annotated[SecretStr, BeforeValidator(_read_secret, json_schema_input_type=Variable | SecretFile)]
_AS_CREDENTIAL = AfterValidator(lambda secret: SecretStr(_check_credential(secret.get_secret_value())))
Token = Annotated[Secret, _AS_CREDENTIAL]
Password = Annotated[
    SecretStr,
    BeforeValidator(_read_password, json_schema_input_type=Literal[""] | Variable | SecretFile),
    _AS_CREDENTIAL,
]
Name = Annotated[str, AfterValidator(_check_credential)]
AccountSid = Annotated[str, StringConstraints(pattern=r"^AC[0-9a-fA-F]{32}$")]
Zone = Annotated[Any, BeforeValidator(_parse_zone, json_schema_input_type=str), _AS_TEXT]


ProfileName = Annotated[str, StringConstraints(min_length=1)]


# The way to an upstream


def _parse_host_name(value: Any) -> str:
    try:
        check_host(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("write a host name without a port, for example proxy.example.com") from None
    return str(value).lower().removesuffix(".")


HostName = Annotated[str, BeforeValidator(_parse_host_name, json_schema_input_type=str)]


def _check_authorities(file: str, info: ValidationInfo) -> str:
    try:
        SSLContext(PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except SSLError:
        raise ValueError("the file has no certificates of authorities as PEM") from None
    except OSError as error:
        if not _is_without_secrets(info):
            raise ValueError(f"the file {file} cannot be read: {error.strerror}") from None
    return file


class UpstreamTls(Frozen):
    """What TLS to an upstream needs beside what the system trusts."""

    ca: Annotated[ReadableFile, AfterValidator(_check_authorities)] | None = None
    """The authorities that are trusted, instead of those of the system."""
    certificate: ReadableFile | None = None
    """The certificate that the upstream asks for."""
    key: ReadableFile | None = None
    server_name: HostName | None = None
    """The name in the upstream's certificate, instead of the host of the URL."""

    _ssl_context: SSLContext | None = PrivateAttr(None)

    @property
    def ssl_context(self) -> SSLContext | None:
        """The context of the files as they were at load time; None where the system's trust is enough."""
        return self._ssl_context

    @model_validator(mode="after")
    def _load_context(self, info: ValidationInfo) -> "UpstreamTls":
        if self.key and not self.certificate:
            raise ValueError("a key needs its certificate: give both")
        if self.ca is None and self.certificate is None:
            return self
        try:
            if self.ca is None:
                tls.check_system_trust()
            self._ssl_context = tls.client_context(self.ca, self.certificate, self.key)
        except SSLError as error:
            raise ValueError(_explain_unusable(error)) from None
        except OSError as error:
            if not _is_without_secrets(info):
                raise ValueError(f"the certificate cannot be read: {error.strerror}") from None
        return self


_NO_PROXY = "write http://HOST:PORT: a proxy is asked by HTTP CONNECT, without TLS to the proxy itself"


def _check_proxy_url(text: str) -> str:
    if "@" in text:
        raise ValueError("credentials do not belong in the URL of a proxy: use the key credentials")
    try:
        check_url(text)
        is_good = urlsplit(text).scheme == "http" and not urlsplit(text).path.strip("/")
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError(_NO_PROXY)
    return text.rstrip("/")


def _check_user(secret: SecretStr) -> SecretStr:
    if ":" not in secret.get_secret_value() and secret.get_secret_value() != _UNKNOWN:
        raise ValueError("the credentials of a proxy are USER:PASSWORD")
    return secret


def _hash_secret(secret: SecretStr | None) -> str | None:
    """Return what tells secrets apart: upstreams with different ones are different."""
    return hashlib.sha256(secret.get_secret_value().encode()).hexdigest() if secret is not None else None


class ProxySettings(Frozen):
    """An HTTP proxy on the way to an upstream."""

    url: Annotated[str, AfterValidator(_check_proxy_url)]
    credentials: Annotated[
        Annotated[Token, AfterValidator(_check_user)] | None, PlainSerializer(_hash_secret, when_used="json")
    ] = None
    """USER:PASSWORD, for the proxy alone."""


def _expand_proxy(value: Any) -> Any:
    """Let a plain value stand for the URL alone."""
    return value if value is None or isinstance(value, Mapping | ProxySettings) else {"url": value}


ProxyKey = Annotated[
    ProxySettings | None, BeforeValidator(_expand_proxy, json_schema_input_type=str | ProxySettings | None)
]


class UpstreamSettings(Frozen):
    """Which API requests go to, and where."""

    profile: ProfileName = DEFAULT_PROFILE
    base_url: BaseUrl | None = None
    variables: Mapping[str, str] = {}
    """Values for the placeholders of the profile's URLs."""
    validation: ValidationMode | None = None
    """Instead of the profile's own."""
    tls: UpstreamTls | None = None
    proxy: ProxyKey = None
    resolve_every: NonNegative = 60
    """Seconds for which a connection is used again: what is made later follows the host's address."""


class UpstreamAccount(Frozen):
    """The credentials for the upstream, and which upstream where it is not the one above."""

    account: Name = ""
    username: Name | None = None
    password: Password | None = None
    """A password, a token or a key, whichever the profile's `auth` needs; for HTTP Basic, it may be empty."""
    assertion: Secret | None = None
    """A private key as PEM that signs JWTs, or, for OAuth2, an assertion that the vendor has issued."""
    session_token: Token | None = None
    """Of temporary AWS credentials."""
    profile: ProfileName | None = None
    base_url: BaseUrl | None = None
    variables: Mapping[str, str] = {}
    validation: ValidationMode | None = None
    tls: UpstreamTls | None = None
    proxy: ProxyKey = None
    resolve_every: NonNegative | None = None

    def credentials(self) -> Credentials:
        """Return what the upstream is asked with; what is not given is empty."""
        password, assertion, session_token = (
            secret.get_secret_value() if secret else ""
            for secret in (self.password, self.assertion, self.session_token)
        )
        return Credentials(self.username or self.account, password, assertion or session_token)

    def upstream(self, default: UpstreamSettings) -> UpstreamSettings:
        """Return the upstream of this account, which inherits only with the profile of `default`."""
        above = default if self.profile is None else UpstreamSettings(profile=self.profile)
        own = {key: value for key in _OWN_KEYS if (value := getattr(self, key)) is not None}
        return above.model_copy(update={**own, "variables": {**above.variables, **self.variables}})


_OWN_KEYS = ("base_url", "validation", "tls", "proxy", "resolve_every")


_SHA256SUM = re.compile(
    r"\s*(?:sha256:|(?:SHA2-256|SHA256)? ?\([^()]*\) ?= ?)?(?P<digest>[^\s]*)(?:\s+\*?\S+)?\s*", re.IGNORECASE
)
_OF_NOTHING = hashlib.sha256().hexdigest()


def _parse_digest(text: str) -> str:
    """Read a SHA-256 as it is, or as sha256sum, shasum and openssl print it; return it in lower case."""
    found = _SHA256SUM.fullmatch(text)
    digest = found["digest"].lower() if found else ""
    if re.fullmatch("[0-9a-f]{64}", digest) and digest != _OF_NOTHING:
        return digest
    if digest == _OF_NOTHING:
        raise ValueError("this is the SHA-256 of an empty text: the token was empty when it was hashed")
    if others := len(re.sub("[0-9a-f]", "", digest)):
        raise ValueError(f"a SHA-256 is 64 hexadecimal digits: {others} of these characters are none")
    raise ValueError(f"a SHA-256 is 64 hexadecimal digits, not {len(digest)}")


Sha256 = Annotated[str, AfterValidator(_parse_digest)]


Label = Annotated[str, StringConstraints(max_length=40), AfterValidator(_check_credential)]


class AccountSettings(Frozen):
    """A legacy account: how its callers authenticate, and its equivalent upstream."""

    token: Token | None = None
    token_sha256: Sha256 | None = None
    label: Label = ""
    """What people call the account, on the page that takes codes."""
    upstream: UpstreamAccount

    @model_validator(mode="after")
    def _check_one_token(self) -> "AccountSettings":
        if (self.token is None) == (self.token_sha256 is None):
            raise ValueError("give either token or token_sha256")
        return self

    def token_digest(self) -> bytes:
        if self.token is None:
            return bytes.fromhex(self.token_sha256 or "")
        return hashlib.sha256(self.token.get_secret_value().encode()).digest()


def _check_target(text: str) -> str:
    check_url(text)
    if split_socket(text)[1]:
        raise ValueError("write an http or https URL: requests are not forwarded to a unix socket")
    if {".", ".."} & set(urlsplit(text).path.split("/")):
        raise ValueError("a path that requests are forwarded below has no . or ..")
    return text.rstrip("/")


class ForwardSettings(Frozen):
    """Where requests for other resources of the 2008 API go on to, unchanged."""

    to: Annotated[str, AfterValidator(_check_target)]
    credentials: Flag = False
    """Whether Authorization, Proxy-Authorization and Cookie go on too; else they are removed."""
    everything: Flag = False
    """Whether OutgoingCallerIds are forwarded too, instead of being translated."""
    tls: UpstreamTls | None = None
    body_bytes: StrictInt = Field(100 * 1024 * 1024, ge=0)
    """Of a request."""
    connect_timeout: Positive = 5
    """Seconds for a connection, its lookup and its handshake."""
    read_timeout: Positive = 30
    """Seconds in which the target sends or takes something."""
    timeout: Positive = 600
    """Seconds from the end of a request's head to the end of its answer."""
    connections: StrictInt = Field(100, ge=1)
    """To the target, for each worker; one peer takes three quarters of them at most."""


def _expand_target(value: Any) -> Any:
    """Let a plain value stand for the URL alone."""
    return value if value is None or isinstance(value, Mapping | ForwardSettings) else {"to": value}


class LegacySettings(Frozen):
    """Choices about the legacy API."""

    timezone: Zone = ZoneInfo("America/Los_Angeles")
    page_uris: Flag = False
    lenient_targets: Flag = False
    sid_key: Secret | None = None
    """Makes Sids that are derived from numbers or integers unforgeable; changing it changes them all."""
    forward: Annotated[
        ForwardSettings | None,
        BeforeValidator(_expand_target, json_schema_input_type=str | ForwardSettings | None),
    ] = None


class NumberSettings(Frozen):
    """How numbers are shown that the 2008 API did not know."""

    outside_nanp: OutsideNanp = "digits"


_MAX_SECONDS_WITH_REDIS = 10


def _parse_redis_url(value: Any, info: ValidationInfo) -> str:
    """Read the URL of Redis with the code that connects to it; one with a password is a secret."""
    is_secret = isinstance(value, Mapping) or (isinstance(value, Expanded) and not value.has_default)
    url = _read_secret(value, info) if is_secret else value
    if isinstance(value, Mapping) and url == _UNKNOWN:
        return _UNKNOWN
    try:
        redis_url.connections(url if isinstance(url, str) else "")
    except ImportError:
        message = "the extra redis is not installed: pip install 'callerid-proxy[redis]'"
        raise ValueError(message) from None
    if not is_secret and redis_url.has_password(url):
        raise ValueError("a password is not written here: use ${VARIABLE} or {file: PATH} for the whole URL")
    return url


def _expand_url(value: Any) -> Any:
    """Let a plain value stand for the URL alone."""
    return value if value is None or isinstance(value, Mapping | RedisSettings) else {"url": value}


class RedisSettings(Frozen):
    """The Redis through which replicas share invalidations and cached lists."""

    url: Annotated[SecretStr, BeforeValidator(_parse_redis_url, json_schema_input_type=str | SecretFile)]
    secret: Secret | None = None
    """Signs the data in Redis; the same for all replicas."""


class SnapshotSettings(Frozen):
    """The cache of lists: how long and how much."""

    fresh: NonNegative = 5
    """TTL in seconds: a list is shared by requests with the same credentials; 0 disables the cache."""
    stale: NonNegative = 0
    """Seconds after the TTL during which a list is served while it is being refreshed."""
    bytes: StrictInt = Field(32 * 1024 * 1024, ge=0)
    """Of memory, for each worker."""
    replicas: StrictInt = Field(1, ge=1)
    """How many machines, containers or pods serve these accounts; all workers of one count as one."""
    redis: Annotated[
        RedisSettings | None, BeforeValidator(_expand_url, json_schema_input_type=str | RedisSettings | None)
    ] = None
    accept_stale: Flag = False
    """Whether replicas without Redis cache lists, which may miss the writes of other replicas."""

    @property
    def is_enabled(self) -> bool:
        return self.replicas == 1 or self.redis is not None or self.accept_stale

    @model_validator(mode="after")
    def _check_ttl_with_redis(self) -> "SnapshotSettings":
        if self.redis and self.fresh + self.stale > _MAX_SECONDS_WITH_REDIS:
            most = f"fresh and stale are at most {_MAX_SECONDS_WITH_REDIS} seconds together"
            raise ValueError(f"with redis, {most}: a write that cannot reach Redis waits for as long")
        return self


class IdSettings(Frozen):
    """Where ids are kept that do not fit into Sids: for profiles with `ids.codec: stored`."""

    database: Annotated[str, Field(min_length=1)] | None = None
    """A file of SQLite, which all workers share. Without it, they are kept in `snapshots.redis`."""


class RateSettings(Frozen):
    """How many within how many seconds."""

    calls: StrictInt = Field(ge=1, le=100_000)
    within: StrictInt = Field(ge=1, le=86_400)


def _read_limit(value: Any) -> Any:
    """Let `off` stand for no limit, as null does; where it is quoted, in any letters."""
    return None if isinstance(value, str) and value.lower() == "off" else value


CallLimit = Annotated[
    RateSettings | None,
    BeforeValidator(_read_limit, json_schema_input_type=RateSettings | Literal["off"] | None),
]


class ValidationLimits(Frozen):
    """How many validation calls are placed; null or "off" for any number."""

    per_number: CallLimit = RateSettings(calls=3, within=600)
    """To one number, for all accounts."""
    per_account: CallLimit = RateSettings(calls=60, within=3600)
    per_peer: CallLimit = RateSettings(calls=60, within=3600)


class ValidationSettings(Frozen):
    """Validation calls."""

    limits: ValidationLimits = ValidationLimits()


class MetricsSettings(Frozen):
    """Who may read `/metrics`, `/healthz` and `/readyz` at the address listen.metrics."""

    hosts: tuple[HostName, ...] = ()
    """Names with a dot that requests may use for this host, besides its own full name."""


class LimitSettings(Frozen):
    """What a worker spends on strangers."""

    request_bytes: StrictInt = Field(64 * 1024 * 1024, ge=1024 * 1024)
    """Of memory, for requests and for answers that clients have yet to take."""
    answer_bytes: StrictInt = Field(64 * 1024 * 1024, ge=1024 * 1024)
    """Of memory, for answers of upstreams."""
    connections_per_peer: StrictInt | None = Field(None, ge=1)
    """A peer is an address, or an IPv6 network /64; by default it may have a quarter of the worker's."""


class LogSettings(Frozen):
    """What is written to standard error, and how."""

    level: Level = "info"
    format: Format = "console"


class Settings(Frozen):
    """A whole proxy.yaml."""

    listen: Annotated[Listen, BeforeValidator(_expand_address, json_schema_input_type=str | Listen)] = (
        Listen()
    )
    upstream: UpstreamSettings = UpstreamSettings()
    accounts: Mapping[AccountSid, AccountSettings] | None = None
    legacy: LegacySettings = LegacySettings()
    numbers: NumberSettings = NumberSettings()
    validation: ValidationSettings = ValidationSettings()
    snapshots: SnapshotSettings = SnapshotSettings()
    ids: IdSettings = IdSettings()
    metrics: MetricsSettings = MetricsSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()


class UpstreamTarget(NamedTuple):
    """An upstream that requests go to: the key in proxy.yaml, the settings there, and the profile."""

    key_path: KeyPath
    settings: UpstreamSettings
    profile: ProfileSettings


class ProfileFile(NamedTuple):
    profile: ProfileSettings
    source: Source
    warnings: Sequence[Mistake] = ()


class Configuration(NamedTuple):
    """Settings, the profiles that they name, and the file they come from."""

    settings: Settings
    profiles: Mapping[str, ProfileFile]
    source: Source
    warnings: Sequence[Mistake] = ()
    """What works, but not as it should."""
    hints: Sequence[Mistake] = ()
    """What does not work as it should where the program runs now."""

    def upstreams(self) -> Mapping[KeyPath, UpstreamSettings]:
        """Return the settings of every upstream, by their key path in proxy.yaml."""
        shared = self.settings.upstream
        found: dict[KeyPath, UpstreamSettings] = {("upstream",): shared}
        for sid, account in (self.settings.accounts or {}).items():
            found["accounts", sid, "upstream"] = account.upstream.upstream(shared)
        return found

    @property
    def has_spoken_codes(self) -> bool:
        """Whether an upstream may speak a code on the phone, which the caller then has to send back."""
        return any(
            (target.settings.validation or target.profile.validation) == "code_on_phone"
            for target in self.targets()
        )

    def targets(self) -> Sequence[UpstreamTarget]:
        """Return the same with the profiles, except those with errors."""
        return [
            UpstreamTarget(key_path, upstream, self.profiles[upstream.profile].profile)
            for key_path, upstream in self.upstreams().items()
            if upstream.profile in self.profiles
        ]

    def find_target(self, account_sid: str) -> UpstreamTarget:
        """Return the upstream of an account: its own, or the one that all others share."""
        key_path: KeyPath = ("upstream",)
        upstream = self.settings.upstream
        if account := (self.settings.accounts or {}).get(account_sid):
            upstream, key_path = account.upstream.upstream(upstream), ("accounts", account_sid, "upstream")
        return UpstreamTarget(key_path, upstream, self.profiles[upstream.profile].profile)
