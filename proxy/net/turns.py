"""Which of many requests that are ready goes on: each peer has its turn, whatever the others have sent."""

import asyncio
from collections import deque
from collections.abc import Hashable
from itertools import islice

_IN_ONE_TURN = 16  # requests


class Turns:
    """Lets what waits go on: a few in each turn of the event loop, one peer after the other."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    async def wait(self, peer: Hashable) -> None:
        """Wait until it is the turn of a peer."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._grant, loop)
        self._waiting.setdefault(peer, deque()).append(turn := loop.create_future())
        await turn

    def _grant(self, loop: asyncio.AbstractEventLoop) -> None:
        for peer in list(islice(self._waiting, _IN_ONE_TURN)):
            turns = self._waiting.pop(peer)
            if not (turn := turns.popleft()).done():  # else it has been cancelled
                turn.set_result(None)
            if turns:
                self._waiting[peer] = turns
        if self._waiting:
            loop.call_soon(self._grant, loop)
