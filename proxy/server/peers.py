"""The peer of a request: of its connection, or the one that trusted proxies forward for. Pure."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice

Network = IPv4Network | IPv6Network

_MAX_HOPS = 32  # of proxies that are trusted, one behind the other
_ONE_SUBSCRIBER = 64  # bits of an IPv6 address; a subscriber chooses the rest
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]+)\](:\d+)?|(?P<v4>[\d.]+):\d+", re.ASCII)
"""An address with a port, as some proxies write it."""


def peer_of(connected: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the address of the client, as far as `trusted` proxies tell it.

    `forwarded_for` are the values of X-Forwarded-For, to which each proxy appends the address of its peer.
    What stands before one that is not trusted may be made up. All addresses of one subscriber are one peer.
    """
    if not trusted:
        return _peer_alone(connected)
    peer = connected
    for hop in (connected, *islice(_from_the_end(forwarded_for), _MAX_HOPS)):
        address = _address(hop)
        if address is None:
            break
        peer = _subscriber(address)
        if not any(address in network for network in trusted):
            break
    return peer


def _from_the_end(forwarded_for: Sequence[str]) -> Iterator[str]:
    """Yield each hop, the last one first; what a client has made up is at the beginning, and may be long."""
    for line in reversed(forwarded_for):
        end = len(line)
        while end >= 0:
            start = line.rfind(",", 0, end) + 1
            yield line[start:end].strip()
            end = start - 1


@lru_cache(maxsize=4096)
def _peer_alone(connected: str) -> str:
    address = _address(connected)
    return connected if address is None else _subscriber(address)


def peer_of_connection(address: Sequence[object], trusted: Sequence[Network]) -> str:
    """Return the peer that a connection from the `address` of a socket counts for.

    Behind a trusted proxy are many clients, so each of its connections counts as a peer of its own.
    """
    if not isinstance(address, tuple):  # of a socket without addresses
        return ""
    host, port = str(address[0]), address[1]
    found = _address(host)
    is_trusted = found is not None and any(found in network for network in trusted)
    return f"{host}:{port}" if is_trusted else peer_of(host, (), ())


def _address(text: str) -> IPv4Address | IPv6Address | None:
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address((found["v6"] or found["v4"]) if found else text)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _subscriber(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address), _ONE_SUBSCRIBER), strict=False))
