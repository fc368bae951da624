"""Which connections a worker keeps: how many, how many of one peer, and which one gives way to a new one.

A new connection is closed at once only where none can give way: its client knows then that it has to go
elsewhere. Left to wait until there is room it would hear nothing, nor would the clients behind it.
"""

import logging
import resource
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from proxy.net.turns import Turns

_log = logging.getLogger("proxy.server")

_MOST = 5000
_SHARE = 4  # of a worker's connections: the part of one peer, and the part of handshakes
_MOST_SEEN = 256  # connections that are looked at to find one that gives way
_LOG_INTERVAL = 60  # seconds
_FULL = "server: new connections are closed, as %d are open; raise ulimit -n, or add workers"
_PEER_FULL = (
    "server: new connections of a peer are closed, as it has %d under way; if many clients share it, name it "
    "in listen.trusted_proxies or raise limits.connections_per_peer"
)


def max_connections() -> int:
    """Return how many connections a worker may have: the other half of its files are for the upstream."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if files == resource.RLIM_INFINITY else min(_MOST, files // 2)


class Place(Protocol):
    """A connection, or a handshake that may become one."""

    @property
    def awaits_client(self) -> bool:
        """Whether it waits for its client, and carries nothing out: then it can give way."""

    def give_way(self) -> None:
        """Close at once."""


@dataclass(slots=True, eq=False)
class Peer:
    """A peer with connections, of which the first has waited longest for its client."""

    name: str = ""
    places: "OrderedDict[Place, Peer]" = field(default_factory=OrderedDict)
    held_bytes: int = 0
    """What is held of its requests and of answers to it; see byte_budget.py."""
    turns: Turns = field(default_factory=Turns)
    """Of requests that were sent before the answers to others: they do not keep other connections waiting."""


class ConnectionLimit:
    """The connections of a worker, those that are still shaking hands included.

    To admit a connection, or to take note that one is idle, takes constant time (amortised).
    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float] = time.monotonic,
        name_peer: Callable[[Any], str] = str,
    ) -> None:
        """Keep `most` connections; `name_peer` gives the peer that an address of a socket belongs to."""
        self.name_peer = name_peer
        self._most = most
        self._clock = clock
        self._places: OrderedDict[Place, Peer] = OrderedDict()
        self._handshakes: OrderedDict[Place, Peer] = OrderedDict()
        self._peers: dict[str, Peer] = {}
        self._turns = Turns()
        self._logs_at: dict[str, float] = {}
        self.limit_peers()

    def limit_peers(self, per_peer: int | None = None) -> None:
        """Let a peer have so many connections, or a quarter of all."""
        self._per_peer = per_peer or self._share

    @property
    def _share(self) -> int:
        return max(1, self._most // _SHARE)

    @property
    def is_full(self) -> bool:
        """Whether a new connection would be closed."""
        return len(self._places) >= self._most and not any(each.awaits_client for each in self._places)

    def admit(self, place: Place, address: Any, *, shakes_hands: bool = False) -> Peer | None:
        """Return the peer of a new connection; None where it has to be closed, which is logged once a minute.

        Where there are too many handshakes, connections of the peer or connections in all, the one of these
        that has waited longest for its client gives way.
        """
        name = self.name_peer(address)
        peer = self._peers.get(name) or Peer(name, turns=self._turns)
        handshakes = self._handshakes if shakes_hands else OrderedDict[Place, Peer]()
        limits: Sequence[tuple[OrderedDict[Place, Peer], int, str]] = (
            (peer.places, self._per_peer, _PEER_FULL),
            (handshakes, self._share, _FULL),
            (self._places, self._most, _FULL),
        )
        for places, most, line in limits:
            if len(places) >= most and not self._make_room(places):
                self._warn(line, most)
                return None
        self._peers[name] = peer
        peer.places[place] = self._places[place] = peer
        if shakes_hands:
            self._handshakes[place] = peer
        return peer

    def touch(self, place: Place) -> None:
        """Take note that a connection waits for its client from now on."""
        if (peer := self._places.get(place)) is not None:
            self._places.move_to_end(place)
            peer.places.move_to_end(place)

    def remove(self, place: Place) -> None:
        if (peer := self._places.pop(place, None)) is None:
            return
        del peer.places[place]
        self._handshakes.pop(place, None)
        if not peer.places:
            del self._peers[peer.name]

    def _make_room(self, places: "OrderedDict[Place, Peer]") -> bool:
        """Let the first of some places give way that waits for its client; return whether there is one.

        Peers with less than an even share of the connections are spared as long as others can give way.
        """
        even = len(self._places) // max(1, len(self._peers))
        passed: list[Place] = []
        spared = found = None
        for place, peer in islice(places.items(), _MOST_SEEN):
            if place.awaits_client:
                if len(peer.places) >= even:
                    found = place
                    break
                spared = spared or place
            passed.append(place)
        for place in passed:  # they are not looked at again soon, which makes the time constant
            places.move_to_end(place)
        if (found := found or spared) is None:
            return False
        self.remove(found)
        found.give_way()
        return True

    def _warn(self, line: str, most: int) -> None:
        if (now := self._clock()) >= self._logs_at.get(line, 0):
            self._logs_at[line] = now + _LOG_INTERVAL
            _log.warning(line, most)
