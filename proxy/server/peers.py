"""Who is at the other end of a connection, or behind the proxies that stand there. Pure."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

_ONE_SUBSCRIBER = 64  # bits of an IPv6 address; the rest is everybody's own choice
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]+)\](:\d+)?|(?P<v4>[\d.]+):\d+", re.ASCII)
"""As some proxies write whom they speak for, though they need not."""


def peer_of(connected: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return who asks, as far as it can be told: whoever the last of the `trusted` proxies says it is.

    `forwarded_for` are the values of X-Forwarded-For, to which each proxy appends whom it speaks for; what
    stands before one that is not trusted may be made up. All addresses of one subscriber are one peer.
    """
    hops = [hop.strip() for line in forwarded_for for hop in line.split(",")] if trusted else []
    peer = connected
    for hop in (connected, *reversed(hops)):
        address = _address(hop)
        if address is None:
            break
        peer = _subscriber(address)
        if not any(address in network for network in trusted):
            break
    return peer


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
