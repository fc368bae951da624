"""Ids that do not fit into Sids: those that a worker knows, and a file of SQLite that all workers share.

A connection is opened for each use. That is rare, since a worker remembers the ids that it has seen, and no
connection is shared by threads or inherited by a forked worker.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from proxy.errors import NO_IDS, LegacyError
from proxy.profile.id_memory import IdMemory, IdStore, IdStoreError, StoredId

_log = logging.getLogger("proxy.upstream")

_BUSY = 5.0  # seconds that another worker may write
_TABLE = "CREATE TABLE IF NOT EXISTS ids (sid TEXT PRIMARY KEY, upstream_id TEXT NOT NULL) WITHOUT ROWID"


class SqliteIds:
    """Keeps ids in a file."""

    def __init__(self, file: Path) -> None:
        """Use `file`, which is created with the first id."""
        self._file = file

    async def load(self, sid: str) -> str | None:
        return await asyncio.to_thread(self._load, sid)

    async def save(self, ids: Sequence[StoredId]) -> None:
        await asyncio.to_thread(self._save, ids)

    def _load(self, sid: str) -> str | None:
        try:
            with closing(self._connect()) as connection:
                row = connection.execute("SELECT upstream_id FROM ids WHERE sid = ?", (sid,)).fetchone()
        except (sqlite3.Error, OSError) as error:
            raise IdStoreError(f"{self._file}: {error}") from error
        return None if row is None else str(row[0])

    def _save(self, ids: Sequence[StoredId]) -> None:
        try:
            with closing(self._connect()) as connection, connection:
                connection.executemany("INSERT OR IGNORE INTO ids VALUES (?, ?)", ids)
        except (sqlite3.Error, OSError) as error:
            raise IdStoreError(f"{self._file}: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=_BUSY)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_TABLE)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


class KnownIds:
    """What a worker remembers of ids, with the store behind it, if there is one."""

    def __init__(self, memory: IdMemory, store: IdStore | None) -> None:
        self._memory = memory
        self._store = store
        self._saving = asyncio.Lock()

    async def recall(self, sid: str) -> None:
        """Load the id of a Sid that is not remembered; LegacyError 503 where the store does not answer."""
        if self._store is None or self._memory.recall(sid) is not None:
            return
        try:
            found = await self._store.load(sid.lower())
        except IdStoreError as error:
            _log.warning("the ids of caller IDs cannot be read: %s", error)
            raise LegacyError(NO_IDS) from error
        if found is not None:
            self._memory.remember(sid.lower(), found)

    async def save(self) -> None:
        """Save what is new; where that fails, it is tried again with the next answer."""
        if self._store is None:
            return
        async with self._saving:
            ids = self._memory.take_unsaved()
            if not ids:
                return
            try:
                await self._store.save(ids)
            except BaseException as error:  # the client may have gone
                self._memory.put_back(ids)
                if not isinstance(error, IdStoreError):
                    raise
                _log.warning("the ids of caller IDs cannot be saved: %s", error)
