"""Checks of the way to an upstream: the lookup of its name, a connection, TLS, and its clock."""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import closing
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, NamedTuple

from yarl import URL

from proxy.doctor.subject import Subject
from proxy.doctor.verdicts import Verdict, failure, ok, plural, skipped, warning
from proxy.errors import LegacyError
from proxy.net.addresses import Address, is_loopback
from proxy.profile.jwts import Jwt
from proxy.profile.oauth2 import OAuth2
from proxy.profile.signing import AwsSignature, Signed
from proxy.upstream.client import describe_failure
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.route import Origin

_TIMEOUT = 10.0  # seconds for a lookup, a connection or a handshake
_DAY = 86_400
_FEW_DAYS = 14
_CLOCK_TOLERANCE = 30  # seconds that a clock may differ before people notice
_TIME_LIMIT = 300  # seconds: what signatures and tokens of most vendors tolerate


class _Peer(NamedTuple):
    """Where the first connection goes: to the upstream, or to the proxy before it."""

    host: str
    port: int
    what: str
    """`""`, or which server this is beside the upstream."""


def _find_peer(subject: Subject) -> _Peer:
    url, what = URL(subject.profile.base_origin), ""
    if subject.route.proxy:
        url, what = URL(subject.route.proxy), " (the proxy)"
    return _Peer(url.raw_host or "", url.port or 0, what)


async def check_dns(subject: Subject) -> Verdict:
    """Look up the host that is connected to."""
    if subject.route.unix_path:
        return skipped("a unix socket has no name to look up")
    peer = _find_peer(subject)
    try:
        subject.addresses = await _look_up(peer)
    except (OSError, ValueError) as error:
        return failure(f"{peer.host}{peer.what} cannot be looked up: {_describe(error)}")
    hosts = [each.host for each in subject.addresses]
    is_address = hosts == [peer.host]
    return ok(f"{peer.host}{peer.what} is {'an address' if is_address else ', '.join(hosts)}")


async def check_connection(subject: Subject) -> Verdict:
    """Connect to each address."""
    if path := subject.route.unix_path:
        try:
            async with asyncio.timeout(_TIMEOUT):
                _, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            return failure(f"{path}: {_describe(error)}")
        writer.close()
        return ok(path)
    addresses = subject.addresses
    tried = await asyncio.gather(*map(_connect, addresses))
    refused = [f"{each}: {why}" for each, why in zip(addresses, tried, strict=True) if why]
    reached = [str(each) for each, why in zip(addresses, tried, strict=True) if not why]
    if not reached:
        return failure("; ".join(refused))
    if refused:
        return warning(f"{len(reached)} of {len(addresses)} addresses can be reached; {'; '.join(refused)}")
    return ok(f"{', '.join(reached)}{_find_peer(subject).what}")


async def check_tls(subject: Subject) -> Verdict:
    """Shake hands as the proxy does, with the route's authorities and client certificate."""
    url = URL(subject.profile.base_origin)
    if url.scheme != "https":
        is_near = subject.route.unix_path or is_loopback(url.raw_host or "") or url.raw_host == "localhost"
        plain = "the base URL is plain HTTP"
        return skipped(plain) if is_near else warning(f"{plain}: anyone on the way can read the credentials")
    try:
        async with asyncio.timeout(_TIMEOUT):
            origin = Origin(subject.profile.base_origin, subject.route)
            connection = await origin.connect(lambda: UpstreamConnection(lambda _: None))
    except ssl.SSLCertVerificationError as error:
        return failure(f"the certificate is not trusted: {error.verify_message}")
    except LegacyError as error:  # what a proxy has answered
        return failure(f"no way to the upstream: {subject.explain(error)}")
    except (OSError, ValueError) as error:
        return failure(f"the handshake fails: {_describe(error)}")
    with closing(connection):
        return _judge_session(connection.transport.get_extra_info("ssl_object"))


def _judge_session(session: Any) -> Verdict:
    certificate = session.getpeercert()
    ends, begins = (ssl.cert_time_to_seconds(certificate[key]) for key in ("notAfter", "notBefore"))
    days = int((ends - time()) // _DAY)
    names = {key: _read_name(certificate.get(key, ())) for key in ("subject", "issuer")}
    text = (
        f"{session.version()}, a trusted chain, certificate of {names['subject']} by {names['issuer']},"
        f" which ends in {plural(days, 'day')}"
    )
    # Certificates that live for some days are renewed within the last third
    few = min(_FEW_DAYS * _DAY, (ends - begins) / 3)
    return warning(text) if ends - time() < few else ok(text)


def _read_name(name: Sequence[Sequence[tuple[str, str]]]) -> str:
    """Return the common name, or whatever else there is, of an X.509 name as Python writes it."""
    parts: Mapping[str, str] = {key: value for pairs in name for key, value in pairs}
    return next((parts[key] for key in ("commonName", "organizationName") if key in parts), "no name")


async def check_clock(subject: Subject) -> Verdict:
    """Compare the Date of the last answer with the clock of this machine; a Date has whole seconds."""
    answer = next((each for each in subject.record.answers[-1:] if "date" in each.headers), None)
    if answer is None:
        return skipped("there is no answer with a Date")
    try:
        told = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (ValueError, TypeError, OverflowError):
        return warning("the answer has a Date that is none")
    ahead = told - (answer.sent_at + answer.seconds / 2)
    text = f"the upstream's clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
    if abs(ahead) <= _CLOCK_TOLERANCE:
        is_same = abs(ahead) <= 1 + answer.seconds
        return ok("the same as this machine's, as far as a Date can tell" if is_same else text)
    is_timed = _has_times(subject)
    if is_timed and abs(ahead) > _TIME_LIMIT:
        return failure(f"{text}: what is signed here counts as expired or as not valid yet")
    return warning(text + (": most vendors refuse what is signed with such a difference" if is_timed else ""))


def _has_times(subject: Subject) -> bool:
    """Whether credentials depend on the time."""
    auth = subject.language.auth
    if isinstance(auth, OAuth2):
        return auth.assertion is not None
    return isinstance(auth, Jwt | Signed | AwsSignature)


async def _look_up(peer: _Peer) -> Sequence[Address]:
    """Return each address once; OSError or ValueError."""
    async with asyncio.timeout(_TIMEOUT):
        found = await asyncio.get_running_loop().getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(Address(str(each[4][0]), peer.port) for each in found))


async def _connect(address: Address) -> str:
    """Return why there is no connection, '' where there is one."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            _, writer = await asyncio.open_connection(*address)
    except OSError as error:
        return _describe(error)
    writer.close()
    return ""


def _describe(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT:g} s"
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS"
    told = describe_failure(error)
    if "proxy_status" in told:
        return f"the proxy answered {told['proxy_status']}"
    return str(told.get("error") or told["exception"])
