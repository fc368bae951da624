"""What a proxy.yaml may say, as frozen and checked settings."""

import hashlib
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from ssl import SSLContext, SSLError
from typing import Annotated, Any, ClassVar
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
    model_validator,
)

from proxy.config.yaml_source import Expanded, content, plain
from proxy.legacy.formats import OutsideNanp
from proxy.net import tls
from proxy.net.addresses import Address, parse_address
from proxy.profile.language import BaseUrl, Frozen, ValidationMode

DEFAULT_PROFILE = "twilio-2010-04-01"


def _network(text: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text if isinstance(text, str) else "")
    except ValueError:
        raise ValueError("write an address or a network, for example 10.0.0.0/8") from None


def _readable(file: str) -> str:
    try:
        content(file)
    except OSError as error:
        raise ValueError(f"the file {file} cannot be read") from error
    return file


_AS_TEXT = PlainSerializer(str, when_used="json")
ListenAddress = Annotated[Address, BeforeValidator(parse_address, json_schema_input_type=str), _AS_TEXT]
Network = Annotated[
    IPv4Network | IPv6Network, BeforeValidator(_network, json_schema_input_type=str), _AS_TEXT
]
ReadableFile = Annotated[str, AfterValidator(_readable)]
NonNegative = Annotated[StrictInt | StrictFloat, Field(ge=0)]


class TlsListener(Frozen):
    """Where to listen with TLS 1.2 and up."""

    legacy: ClassVar[bool] = False

    address: ListenAddress
    certificate: ReadableFile
    key: ReadableFile | None = None

    _terms: SSLContext = PrivateAttr()

    @property
    def terms(self) -> SSLContext:
        """What the files said when they were read: whoever takes the place of a worker goes by it too."""
        return self._terms

    @model_validator(mode="after")
    def _of_use(self) -> "TlsListener":
        try:
            self._terms = tls.context(self.certificate, self.key or self.certificate, legacy=self.legacy)
        except SSLError as error:
            raise ValueError(_unusable(error.reason)) from error
        return self


class LegacyTlsListener(TlsListener):
    """Where to listen with TLS 1.0 and up."""

    legacy = True


def _unusable(reason: str | None) -> str:
    """Say why a certificate and a key are of no use; `reason` is OpenSSL's."""
    match reason:
        case "KEY_VALUES_MISMATCH" | "NO_CERTIFICATE_ASSIGNED":  # the latter where even their kinds differ
            return "the key does not belong to the certificate"
        case None:
            return "a certificate and its key, both as PEM and the key without a passphrase, are needed"
        case _:
            return f"the certificate cannot be used: {reason.lower().replace('_', ' ')}"


class Listen(Frozen):
    """Everything to listen on."""

    address: ListenAddress | None = Address("127.0.0.1", 8080)
    tls: TlsListener | None = None
    legacy_tls: LegacyTlsListener | None = None
    metrics: ListenAddress | None = None
    trusted_proxies: tuple[Network, ...] = ()
    """Whose word counts about whom they speak for."""
    drain: NonNegative = 5
    """Seconds after SIGTERM for which connections are still taken, each for one more answer."""

    @model_validator(mode="after")
    def _somewhere(self) -> "Listen":
        if not (self.address or self.tls or self.legacy_tls):
            raise ValueError("nobody could connect: give an address, tls or legacy_tls")
        return self


def _plain(value: Any) -> Any:
    """Let what is no mapping stand for the address alone."""
    return value if isinstance(value, Mapping | Listen) else {"address": value}


def _secret(value: Any) -> str:
    match value:
        case {"file": str(file)} if len(value) == 1:
            try:
                secret = content(file).decode().rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"the file {file} cannot be read") from error
        case Expanded() if not value.has_default:
            secret = str(value)
        case None:
            secret = ""
        case _:
            raise ValueError("a secret is not written here: use ${VARIABLE} or {file: PATH}")
    if not secret:
        raise ValueError("the secret is empty")
    return secret


_CONTROLS = re.compile("[\x00-\x1f\x7f]")


def _credential(text: str) -> str:
    """Refuse what HTTP Basic cannot carry (RFC 7617 section 2), and what would split a header."""
    if _CONTROLS.search(text):
        raise ValueError("a control character stands in it, perhaps the end of a line")
    return text


def _flag(value: Any) -> Any:
    return plain(value) if isinstance(value, Expanded) else value


def _zone(name: Any) -> ZoneInfo:
    if not isinstance(name, str) or name not in available_timezones():
        raise ValueError("write the name of a time zone, for example America/Los_Angeles")
    return ZoneInfo(name)


class SecretFile(Frozen):
    """The other way for a secret to be given."""

    file: str


Variable = Annotated[str, StringConstraints(pattern=r"\$\{")]
Flag = Annotated[StrictBool, BeforeValidator(_flag, json_schema_input_type=bool | Variable)]
Secret = Annotated[SecretStr, BeforeValidator(_secret, json_schema_input_type=Variable | SecretFile)]
Token = Annotated[Secret, AfterValidator(lambda token: SecretStr(_credential(token.get_secret_value())))]
Name = Annotated[str, AfterValidator(_credential)]
AccountSid = Annotated[str, StringConstraints(pattern=r"^AC[0-9a-fA-F]{32}$")]
Zone = Annotated[Any, BeforeValidator(_zone, json_schema_input_type=str), _AS_TEXT]


class UpstreamSettings(Frozen):
    """Which API is asked, and where."""

    profile: str = DEFAULT_PROFILE
    base_url: BaseUrl | None = None
    variables: Mapping[str, str] = {}
    """What fills the placeholders of the profile's URLs."""
    validation: ValidationMode | None = None
    """Instead of the profile's own."""


class UpstreamAccount(Frozen):
    """As whom the upstream is asked, and which one where it is not the one above."""

    account: Name = ""
    username: Name | None = None
    password: Token | None = None
    """A password, a token or a key, whatever the profile's `auth` wants."""
    profile: str | None = None
    base_url: BaseUrl | None = None
    variables: Mapping[str, str] = {}
    validation: ValidationMode | None = None

    def upstream(self, default: UpstreamSettings) -> UpstreamSettings:
        """Return the upstream of this account."""
        if self.profile is None:
            own = self.model_dump(include={"base_url", "validation"}, exclude_none=True)
            return default.model_copy(update={**own, "variables": {**default.variables, **self.variables}})
        return UpstreamSettings(
            profile=self.profile,
            base_url=self.base_url,
            variables=self.variables,
            validation=self.validation,
        )


class AccountSettings(Frozen):
    """A legacy account: how its callers prove themselves, and its equivalent upstream."""

    token: Token | None = None
    token_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-fA-F]{64}$")] | None = None
    upstream: UpstreamAccount

    @model_validator(mode="after")
    def _one_token(self) -> "AccountSettings":
        if (self.token is None) == (self.token_sha256 is None):
            raise ValueError("give either token or token_sha256")
        return self

    def token_digest(self) -> bytes:
        """Return the SHA-256 of the token."""
        if self.token is None:
            return bytes.fromhex(self.token_sha256 or "")
        return hashlib.sha256(self.token.get_secret_value().encode()).digest()


class LegacySettings(Frozen):
    """What an operator may choose about the 2008 side."""

    timezone: Zone = ZoneInfo("America/Los_Angeles")
    page_uris: Flag = False
    sid_key: Secret | None = None
    """Makes Sids that are derived from numbers or integers unforgeable; changing it changes them all."""


class NumberSettings(Frozen):
    """What becomes of numbers that 2008 did not foresee."""

    outside_nanp: OutsideNanp = "digits"


_REDIS_URL = re.compile(r"(?:redis|rediss|unix)://.+")
_MOST_SECONDS_WITH_REDIS = 10


def _redis_url(value: Any) -> str:
    """Read where Redis is; a password in it is a secret."""
    if isinstance(value, Mapping) or (isinstance(value, Expanded) and not value.has_default):
        value = _secret(value)
    elif isinstance(value, str) and urlsplit(value).password:
        raise ValueError("a password is not written here: use ${VARIABLE} or {file: PATH} for the whole URL")
    if not isinstance(value, str) or not _REDIS_URL.fullmatch(value):
        raise ValueError("write redis://HOST:PORT, rediss://HOST:PORT or unix://PATH")
    return value


def _url_alone(value: Any) -> Any:
    """Let what is no mapping stand for the URL alone."""
    return value if value is None or isinstance(value, Mapping | RedisSettings) else {"url": value}


class RedisSettings(Frozen):
    """Where replicas tell each other of writes, and keep lists for each other."""

    url: Annotated[SecretStr, BeforeValidator(_redis_url, json_schema_input_type=str | SecretFile)]
    secret: Secret | None = None
    """Signs what is kept there; the same for all replicas."""

    @model_validator(mode="after")
    def _installed(self) -> "RedisSettings":
        try:
            import redis  # noqa: F401, PLC0415 - an extra, and nobody else needs it
        except ImportError:
            raise ValueError(
                "the extra redis is not installed: pip install 'callerid-proxy[redis]'"
            ) from None
        return self


class SnapshotSettings(Frozen):
    """How long, and how much of it, lists are remembered."""

    fresh: NonNegative = 5
    """Seconds for which one walk serves everybody who asks with the same credentials; 0 remembers nothing."""
    stale: NonNegative = 0
    """Seconds after that for which a list still serves while it is walked once more."""
    bytes: StrictInt = Field(32 * 1024 * 1024, ge=0)
    """Of memory, for each worker."""
    replicas: StrictInt = Field(1, ge=1)
    """How many machines, containers or pods serve these accounts; the workers of one are one."""
    redis: Annotated[
        RedisSettings | None, BeforeValidator(_url_alone, json_schema_input_type=str | RedisSettings | None)
    ] = None
    accept_stale: Flag = False
    """Whether replicas without Redis remember lists, and may show what another one has changed since."""

    @property
    def are_taken(self) -> bool:
        """Whether anything is remembered at all."""
        return self.replicas == 1 or self.redis is not None or self.accept_stale

    @model_validator(mode="after")
    def _short_with_redis(self) -> "SnapshotSettings":
        if self.redis and self.fresh + self.stale > _MOST_SECONDS_WITH_REDIS:
            raise ValueError(
                f"with redis, fresh and stale are at most {_MOST_SECONDS_WITH_REDIS} seconds together: "
                "a write that Redis cannot be told of waits for as long"
            )
        return self


class Settings(Frozen):
    """A whole proxy.yaml."""

    listen: Annotated[Listen, BeforeValidator(_plain, json_schema_input_type=str | Listen)] = Listen()
    upstream: UpstreamSettings = UpstreamSettings()
    accounts: Mapping[AccountSid, AccountSettings] | None = None
    legacy: LegacySettings = LegacySettings()
    numbers: NumberSettings = NumberSettings()
    snapshots: SnapshotSettings = SnapshotSettings()
