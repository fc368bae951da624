"""What Sids stand for, where ids are too long to be in them: in memory, and the protocol of stores. Pure."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

_MAX_KNOWN = 200_000  # ids: some 40 MB


class StoredId(NamedTuple):
    """A Sid in small letters, and the upstream's id that it stands for."""

    sid: str
    upstream_id: str


class IdStoreError(Exception):
    """A store does not answer; the message is the reason, without any content."""


class IdStore(Protocol):
    """Keeps ids over restarts, for all workers. It never changes what a Sid stands for."""

    async def load(self, sid: str) -> str | None:
        """Return the id that a Sid stands for, None for an unknown one; IdStoreError."""

    async def save(self, ids: Sequence[StoredId]) -> None:
        """Keep ids; IdStoreError."""


class IdMemory:
    """The ids that are known without a store, and those that it has to keep yet.

    A thread that reads a large answer may learn ids at any time.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._unsaved: deque[StoredId] = deque()

    def learn(self, sid: str, upstream_id: str) -> None:
        """Remember an id that the upstream has shown."""
        if sid not in self._known:
            self.remember(sid, upstream_id)
            self._unsaved.append(StoredId(sid, upstream_id))

    def remember(self, sid: str, upstream_id: str) -> None:
        """Remember an id that is in the store."""
        self._known[sid] = upstream_id
        if len(self._known) > _MAX_KNOWN:
            self._known.pop(next(iter(self._known)), None)

    def recall(self, sid: str) -> str | None:
        """Return the id that a Sid stands for; None where it is unknown here."""
        return self._known.get(sid.lower())

    def take_unsaved(self) -> Sequence[StoredId]:
        """Return what has to be saved, once."""
        return [self._unsaved.popleft() for _ in range(len(self._unsaved))]

    def put_back(self, ids: Sequence[StoredId]) -> None:
        """Take back what could not be saved."""
        self._unsaved.extend(ids[:_MAX_KNOWN])
