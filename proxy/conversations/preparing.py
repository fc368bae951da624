"""A conversation beside a profile → the configuration that it is run with, and its placeholders.

Accounts, credentials and variables have values of their own, and every URL leads to the scripted upstream, so
no real credential is needed and nothing leaves the machine.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import uritemplate

from proxy import config
from proxy.config import Configuration, ConfigurationError
from proxy.config.settings import ProfileFile
from proxy.conversations.parsing import Conversation, ConversationError, Finding, Section
from proxy.conversations.placeholders import Function, Placeholders, encode_basic
from proxy.legacy.formats import rfc_2822
from proxy.model import Account, Credentials
from proxy.net.addresses import split_socket
from proxy.process.assembly import create_profile
from proxy.profile.auth import list_secrets, shows_username
from proxy.profile.conversions import READ, UnreadableError
from proxy.profile.ids import ID_CODECS
from proxy.profile.jwts import Jwt
from proxy.profile.language import ProfileSettings
from proxy.profile.oauth2 import OAuth2, complete_token_url

ACCOUNT = "AC309475e5fede1b49e100272a8640f438"
TOKEN = "demo-token"  # noqa: S105 - of an account that exists in conversations alone
NOWHERE = "http://127.0.0.1:1"
"""An upstream at which nothing listens."""
_LIST = f"/2008-08-01/Accounts/{ACCOUNT}/OutgoingCallerIds"
# Of the account at the upstream. The password is also hexadecimal and Base64, which some signatures need
_UPSTREAM_ACCOUNT, _USERNAME, _PASSWORD = "1001", "upstream-user", "decade00facade00decade00facade00"
STATIC: Mapping[str, str] = {  # placeholders that stand for the same in every conversation
    "ACCOUNT": ACCOUNT,
    "TOKEN": TOKEN,
    "LIST": _LIST,
    "BASIC": encode_basic(f"{ACCOUNT}:{TOKEN}"),
}
_OF_UPSTREAM = ("UPSTREAM", "UPSTREAM_ACCOUNT", "USERNAME", "PASSWORD", "ASSERTION")
_ACCOUNT_KEYS = {"password": "PASSWORD", "assertion": "ASSERTION"}


@dataclass(frozen=True, slots=True)
class ProfileUnderTest:
    """What all conversations beside a profile have in common."""

    profile: ProfileFile
    path: str
    """The profile as a proxy.yaml names it: a shipped name, or an absolute path."""
    names: Mapping[str, str] = field(default_factory=dict)
    """More placeholders than the usual ones."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """More variables for `configuration`."""

    @property
    def placeholder_names(self) -> frozenset[str]:
        return frozenset({*STATIC, *_OF_UPSTREAM, *self.names})


class Fixture(NamedTuple):
    """What one conversation is run with."""

    configuration: Configuration
    placeholders: Placeholders


def prepare_fixture(
    conversation: Conversation, subject: ProfileUnderTest, upstream_url: str, folder: Path
) -> Fixture:
    """Return the configuration and the placeholders of a conversation; its own files go to `folder`.

    ConversationError where its section `configuration` cannot be used.
    """
    url = NOWHERE if conversation.named("upstream is down") else upstream_url
    names = {**STATIC, **subject.names, "UPSTREAM": upstream_url}
    known = {"basic": encode_basic}
    written = _write_configuration(conversation, subject, Placeholders(names, known), url, folder)
    configuration = _load(written, subject, folder)
    for target in configuration.targets():
        origin = create_profile(configuration, target.settings).base_origin
        if origin not in (upstream_url, NOWHERE):
            message = f"{'.'.join(map(str, target.key_path))} leads to {origin}, not to the scripted upstream"
            raise ConversationError([Finding(written.line, f"{message}: leave base_url and profile out")])
    return Fixture(configuration, _make_placeholders(configuration, names))


# The configuration


_Line = tuple[str, int]
"""A line of a proxy.yaml, and its number in the conversation, 0 for a default."""


class _Written(NamedTuple):
    """The text of a proxy.yaml, and where each line comes from."""

    line: int
    """Of the section `configuration`, or of the first section."""
    lines: Sequence[_Line]

    def find_line(self, number: int) -> int:
        """Return the line of the conversation for one of the proxy.yaml, or for the last one before it."""
        before = [origin for _, origin in self.lines[:number] if origin]
        return before[-1] if before else self.line


_TOP_KEY = re.compile(r"([a-z_]+)\s*:")
_UPSTREAM_KEY = re.compile(r"upstream\s*:\s*(\{)?")


def _write_configuration(
    conversation: Conversation, subject: ProfileUnderTest, placeholders: Placeholders, url: str, folder: Path
) -> _Written:
    """Complete the section `configuration` with defaults, which its own keys replace."""
    sections = conversation.named("configuration")
    section = sections[0] if sections else Section("", conversation.sections[0].line, "")
    text = section.fill(placeholders)
    own = [(line, number) for number, line in enumerate(text.split("\n"), section.line + 1)]
    block, rest = _split_upstream(own if text else [])
    defaults = _upstream_defaults(subject, url)
    if any(re.search(r"\bvariables\s*:", line) for line, _ in block):
        defaults = {key: value for key, value in defaults.items() if key != "variables"}
    keys = {found[1] for line, _ in rest if (found := _TOP_KEY.match(line))}
    more = _top_defaults(subject.profile.profile, folder).items()
    lines = [*_complete_upstream(block, defaults), *rest]
    lines += [(f"{key}: {json.dumps(value)}", 0) for key, value in more if key not in keys]
    return _Written(section.line, lines)


def _split_upstream(own: Sequence[_Line]) -> tuple[Sequence[_Line], Sequence[_Line]]:
    """Return the lines of the key `upstream`, with indented lines before any key, and others."""
    block: list[_Line] = []
    rest: list[_Line] = []
    is_inside = True
    for line in own:
        if line[0][:1].strip("# "):
            is_inside = bool(_UPSTREAM_KEY.match(line[0]))
        (block if is_inside else rest).append(line)
    return block, rest


def _complete_upstream(block: Sequence[_Line], defaults: Mapping[str, Any]) -> Iterator[_Line]:
    """Put the defaults into the mapping `upstream`, in whichever style it is written."""
    pairs = [f"{key}: {json.dumps(value)}" for key, value in defaults.items()]
    at, found = next(
        ((at, found) for at, (line, _) in enumerate(block) if (found := _UPSTREAM_KEY.match(line))),
        (-1, None),
    )
    if found and found[1]:
        line, number = block[at]
        pairs_first = f"{line[: found.end()]}{', '.join(pairs)}, {line[found.end() :]}"
        yield from [*block[:at], (pairs_first, number), *block[at + 1 :]]
        return
    below = next((line for line, _ in block[at + 1 :] if line.strip()), "")
    indent = below[: len(below) - len(below.lstrip())] or "  "
    yield from block[: at + 1] if found else [("upstream:", 0)]
    yield from ((f"{indent}{pair}", 0) for pair in pairs)
    yield from block[at + 1 :]


def _upstream_defaults(subject: ProfileUnderTest, url: str) -> Mapping[str, Any]:
    profile = subject.profile.profile
    variables = _fill_variables(profile, url)
    base = split_socket(uritemplate.expand(profile.base_url, {**profile.variables, **variables}))[0]
    defaults = {"base_url": f"{url}{urlsplit(base).path}", "profile": subject.path}
    return {**defaults, "variables": variables} if variables else defaults


def _fill_variables(profile: ProfileSettings, url: str) -> dict[str, str]:
    """Return values for the variables that proxy.yaml has to fill: URLs where one begins a URL."""
    texts = [profile.base_url]
    if isinstance(profile.auth, OAuth2):
        texts.append(profile.auth.token_url)
    return {
        name: url if any(text.startswith((f"{{{name}}}", f"{{+{name}}}")) for text in texts) else name
        for name, value in profile.variables.items()
        if not value
    }


def _top_defaults(profile: ProfileSettings, folder: Path) -> Mapping[str, Any]:
    off = {"per_number": "off", "per_account": "off", "per_peer": "off"}
    defaults: dict[str, Any] = {"validation": {"limits": off}, "snapshots": {"fresh": 0}}
    if ID_CODECS[profile.ids.codec].is_stored:
        defaults["ids"] = {"database": str(folder / "ids.sqlite")}
    if profile.auth.scheme != "caller":
        upstream = {"account": _UPSTREAM_ACCOUNT}
        if shows_username(profile.auth):
            upstream["username"] = _USERNAME
        upstream |= {key: f"${{{_ACCOUNT_KEYS[key]}}}" for key in sorted(list_secrets(profile.auth))}
        defaults["accounts"] = {ACCOUNT: {"token": "${TOKEN}", "upstream": upstream}}
    return defaults


def _load(written: _Written, subject: ProfileUnderTest, folder: Path) -> Configuration:
    """Load the configuration; ConversationError with the lines of the conversation."""
    file = folder / "proxy.yaml"
    file.write_text("\n".join(line for line, _ in written.lines), encoding="utf-8")
    secrets = {
        "TOKEN": TOKEN,
        "PASSWORD": _PASSWORD,
        "ASSERTION": _make_assertion(_find_algorithm(subject.profile.profile)),
    }
    try:
        configuration = config.load(file, {**os.environ, **secrets, **subject.variables})
    except ConfigurationError as error:
        raise ConversationError(
            [
                Finding(written.find_line(each.line), f"configuration: {each.message}")
                for each in error.mistakes
            ]
        ) from None
    profiles = {
        name: found._replace(profile=_redirect_tokens(found.profile))
        for name, found in configuration.profiles.items()
    }
    return configuration._replace(profiles=profiles)


def _redirect_tokens(profile: ProfileSettings) -> ProfileSettings:
    """Let tokens be fetched from the origin of the upstream."""
    auth = profile.auth
    if not isinstance(auth, OAuth2):
        return profile
    variables = {**profile.variables, **_fill_variables(profile, NOWHERE)}
    url = urlsplit(complete_token_url(auth, NOWHERE, variables))
    path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    return profile.model_copy(update={"auth": auth.model_copy(update={"token_url": path})})


# The key of an account


def _find_algorithm(profile: ProfileSettings) -> str:
    """Return the algorithm that signs with the account's `assertion`, '' where none does."""
    match profile.auth:
        case Jwt() as auth:
            return auth.algorithm
        case OAuth2(assertion=signed) if signed:
            return signed.algorithm
    return ""


_CURVES = {"ES256": "SECP256R1", "ES384": "SECP384R1", "ES512": "SECP521R1"}


@cache
def _make_assertion(algorithm: str) -> str:
    """Return a new private key as PEM, or a text where the algorithm needs none."""
    if not algorithm or algorithm.startswith("HS"):
        return f"upstream-assertion-{_PASSWORD}-{_PASSWORD}"
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - with the extra jwt
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    key: Any
    if algorithm in _CURVES:
        key = ec.generate_private_key(getattr(ec, _CURVES[algorithm])())
    elif algorithm == "EdDSA":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return str(pem.decode())


# Placeholders


def _make_placeholders(configuration: Configuration, names: Mapping[str, str]) -> Placeholders:
    settings = configuration.settings
    own = (settings.accounts or {}).get(ACCOUNT)
    credentials = own.upstream.credentials() if own else Credentials(ACCOUNT, TOKEN)
    upstream_account = own.upstream.account if own else ACCOUNT
    account = Account(ACCOUNT, upstream_account, credentials)
    target = configuration.find_target(ACCOUNT)
    profile = create_profile(configuration, target.settings)

    def write_sid(text: str) -> str:
        for upstream_id in _read_id(text, target.profile):
            try:
                return profile.sid_of(upstream_id, account)
            except ValueError:
                continue
        raise ValueError(f"{text} is no id of the codec {target.profile.ids.codec}")

    def convert_date(text: str) -> str:
        seconds = READ["iso8601"](text)
        if seconds is None:
            raise ValueError("a date is written as in {date 2024-05-01T10:00:00Z}")
        return rfc_2822(seconds, settings.legacy.timezone)

    functions: Mapping[str, Function] = {"basic": encode_basic, "sid": write_sid, "date": convert_date}
    values = (upstream_account, credentials.username, credentials.password, credentials.extra)
    return Placeholders({**names, **dict(zip(_OF_UPSTREAM[1:], values, strict=True))}, functions)


def _read_id(text: str, profile: ProfileSettings) -> Iterator[str]:
    """Yield what the text of an id may stand for: as the upstream writes it, and as codecs read it."""
    read: Callable[[Any], Any] = READ[profile.caller_id.id.as_]
    with suppress(UnreadableError):
        yield str(read(text))
    yield text
