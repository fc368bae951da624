"""How many bytes a worker holds of requests and of answers that are not taken, in all and of one peer.

A peer may hold four times what is still free. So one alone gets four fifths of the budget, many get even
parts, and there is always something left for one more. To go on with what has been begun, it may hold eight
times that: else requests that arrive together would all be refused shortly before their ends.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from proxy.net.connection_limit import Peer

_FACTOR, _FACTOR_TO_GO_ON = 4, 8
_PATIENCE = 1  # seconds that a client which takes its answer slowly has in any case


class SlowReader(Protocol):
    """A connection whose client has yet to take an answer."""

    def give_way(self) -> None:
        """Close at once, and hold nothing any more."""


class ByteBudget:
    """The bytes that all connections of a worker hold."""

    def __init__(
        self,
        most: int,
        refused: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hold `most` bytes; `refused` is called where something is refused for want of them."""
        self.most = most
        self.used = 0
        self._refused = refused
        self._clock = clock
        self._slow_readers: OrderedDict[SlowReader, float] = OrderedDict()

    def has_room(self, peer: Peer, size: int, *, goes_on: bool = False) -> bool:
        """Whether so many bytes more may be held for a peer; slow readers give way where there is no room."""
        factor = _FACTOR_TO_GO_ON if goes_on else _FACTOR
        while peer.held_bytes + size > factor * (self.most - self.used - size):
            if not self._slow_readers:
                break
            reader, since = next(iter(self._slow_readers.items()))
            if self._clock() - since < _PATIENCE:
                break
            del self._slow_readers[reader]
            reader.give_way()
        else:
            return True
        self._refused()
        return False

    def hold(self, peer: Peer, size: int) -> None:
        """Count so many bytes more, or less, for a peer."""
        self.used += size
        peer.held_bytes += size

    def add_slow_reader(self, reader: SlowReader) -> None:
        self._slow_readers.setdefault(reader, self._clock())

    def remove_slow_reader(self, reader: SlowReader) -> None:
        self._slow_readers.pop(reader, None)
