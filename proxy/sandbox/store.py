"""The sandbox's memory in SQLite: accounts, validated caller ids and the calls that wait for a code."""

import hmac
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import Any

from proxy.sandbox import errors, seed
from proxy.sandbox.errors import ApiError, Fault
from proxy.sandbox.model import Call, CallerId, Cursor, Page, Wanted, default_name

_STRICT = "STRICT" if sqlite3.sqlite_version_info >= (3, 37) else ""

# Columns stand in the order of the values in model.py.
# AUTOINCREMENT never gives a position twice: no cursor can pass over a row added after a deletion.
# A phone rings for one caller and a number belongs to one account, hence the keys on phone_number.
_TABLES = (
    "settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "accounts (sid TEXT PRIMARY KEY, active INTEGER NOT NULL)",
    "credentials (username TEXT PRIMARY KEY, token TEXT NOT NULL, account_sid TEXT NOT NULL)",
    """caller_ids (
        sid TEXT NOT NULL UNIQUE,
        account_sid TEXT NOT NULL,
        friendly_name TEXT NOT NULL,
        phone_number TEXT NOT NULL UNIQUE,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        position INTEGER PRIMARY KEY AUTOINCREMENT
    )""",
    """calls (
        phone_number TEXT PRIMARY KEY,
        account_sid TEXT NOT NULL,
        call_sid TEXT NOT NULL,
        friendly_name TEXT NOT NULL,
        code TEXT NOT NULL,
        rings_at REAL NOT NULL,
        wrong_codes INTEGER NOT NULL
    )""",
)
_SCHEMA = (
    *(f"CREATE TABLE {table} {_STRICT}" for table in _TABLES),
    "CREATE INDEX caller_ids_by_account ON caller_ids (account_sid)",
    "CREATE INDEX caller_ids_by_name ON caller_ids (account_sid, friendly_name)",
    "PRAGMA user_version = 1",
)

_ADD_ACCOUNT = "INSERT OR REPLACE INTO accounts VALUES (?, ?)"
_ADD_CREDENTIAL = "INSERT OR REPLACE INTO credentials VALUES (?, ?, ?)"
_ADD_CALLER_ID = "INSERT INTO caller_ids VALUES (?, ?, ?, ?, ?, ?, NULL)"
_RENAME_IF_PRESENT = """
    ON CONFLICT (phone_number)
    DO UPDATE SET friendly_name = excluded.friendly_name, updated = excluded.updated
"""

_FILTERS = {"phone_number": "phone_number = :phone_number", "friendly_name": "friendly_name = :friendly_name"}
_FORWARD = "position > :position ORDER BY position LIMIT :size"
_BACKWARD = "position < :position ORDER BY position DESC LIMIT :size"

_WRONG_CODES_UNTIL_HANGING_UP = 3


class Store:
    """One database; a new one holds the seed. `clock` tells the seconds since 1970."""

    def __init__(self, path: str = ":memory:", clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        # A server may run in another thread than the one that filled its store.
        self._db = sqlite3.connect(path, check_same_thread=False)
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")  # two processes may open the same new file
                if self._db.execute("PRAGMA user_version").fetchone() == (0,):
                    self._create()
            self.page_key = str(self._setting("page_key"))
        except sqlite3.Error:  # the file is no database
            self._db.close()
            raise

    def _create(self) -> None:
        for statement in _SCHEMA:
            self._db.execute(statement)
        settings = {"page_key": secrets.token_hex(), "first_code": seed.FIRST_CODE}
        self._db.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
        self._db.execute(_ADD_ACCOUNT, (seed.ACCOUNT_SID, True))
        self._db.execute(_ADD_CREDENTIAL, (seed.ACCOUNT_SID, seed.TOKEN, seed.ACCOUNT_SID))
        self._db.executemany(_ADD_CALLER_ID, seed.CALLER_IDS)

    def _setting(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return row and str(row[0])

    def close(self) -> None:
        self._db.close()

    # Accounts

    def add_account(self, sid: str, token: str, *, active: bool = True) -> None:
        """Add an account, or change the token and state of one."""
        with self._db:
            self._db.execute(_ADD_ACCOUNT, (sid, active))
            self._db.execute(_ADD_CREDENTIAL, (sid, token, sid))

    def add_credential(self, username: str, token: str, account_sid: str) -> None:
        """Let an account in under another name, such as an API key's `SK…`."""
        with self._db:
            self._db.execute(_ADD_CREDENTIAL, (username, token, account_sid))

    def authenticate(self, username: str, token: str) -> str:
        """Return the Sid of the account these credentials open."""
        query = "SELECT * FROM credentials JOIN accounts ON sid = account_sid WHERE username = ?"
        row = self._db.execute(query, (username,)).fetchone()
        if row is None:
            raise ApiError(errors.NOT_AUTHENTICATED)
        _, right_token, _, account_sid, active = row
        if not hmac.compare_digest(right_token.encode(), token.encode()):
            raise ApiError(errors.NOT_AUTHENTICATED)
        if not active:
            raise ApiError(errors.SUSPENDED)
        return str(account_sid)

    # Caller ids

    def add_caller_ids(self, caller_ids: Iterable[CallerId]) -> None:
        """Add caller ids as they are, without a validation."""
        with self._db:
            self._db.executemany(_ADD_CALLER_ID, caller_ids)

    def seed_many(self, account_sid: str, count: int) -> None:
        """Fill an account with `Line 3`, +16462000003 and so on, counting on from the newest row."""
        newest = self._db.execute("SELECT max(seq) FROM sqlite_sequence").fetchone()[0]
        now = int(self.clock())
        self.add_caller_ids(
            CallerId(_sid("PN"), account_sid, f"Line {n}", f"+1646{2_000_000 + n}", now, now)
            for n in range(newest + 1, newest + 1 + count)
        )

    def page(self, wanted: Wanted, cursor: Cursor, size: int) -> Page:
        rows = self._rows(wanted, cursor, size)
        beside = cursor.position + cursor.forward  # an empty page lies between two positions
        first, last = (rows[0][-1], rows[-1][-1]) if rows else (beside, beside - 1)
        previous, following = (
            neighbour if self._rows(wanted, neighbour, 1) else None
            for neighbour in (Cursor(first, forward=False), Cursor(last))
        )
        return Page([CallerId(*row[:-1]) for row in rows], previous, following)

    def _rows(self, wanted: Wanted, cursor: Cursor, size: int) -> list[Any]:
        values = {**wanted._asdict(), "position": cursor.position, "size": size}
        filters = (clause for name, clause in _FILTERS.items() if values[name] is not None)
        place = _FORWARD if cursor.forward else _BACKWARD
        query = " AND ".join(("SELECT * FROM caller_ids WHERE account_sid = :account_sid", *filters, place))
        rows = self._db.execute(query, values).fetchall()
        return rows if cursor.forward else rows[::-1]

    def fetch(self, account_sid: str, sid: str) -> CallerId:
        query = "SELECT * FROM caller_ids WHERE account_sid = ? AND sid = ?"
        row = self._db.execute(query, (account_sid, sid)).fetchone()
        if row is None:
            raise ApiError(errors.NOT_FOUND)
        return CallerId(*row[:-1])

    def rename(self, account_sid: str, sid: str, friendly_name: str) -> CallerId:
        change = "UPDATE caller_ids SET friendly_name = ?, updated = ? WHERE account_sid = ? AND sid = ?"
        with self._db:
            self._db.execute(change, (friendly_name, int(self.clock()), account_sid, sid))
        return self.fetch(account_sid, sid)

    def delete(self, account_sid: str, sid: str) -> None:
        with self._db:
            gone = self._db.execute(
                "DELETE FROM caller_ids WHERE account_sid = ? AND sid = ?", (account_sid, sid)
            )
        if not gone.rowcount:
            raise ApiError(errors.NOT_FOUND)

    # Validation calls

    def call(self, account_sid: str, phone_number: str, friendly_name: str | None, delay: int) -> Call:
        """Ring a number in `delay` seconds; a call that waited for this number before is forgotten."""
        present = self._validated(phone_number)
        if present and present.account_sid != account_sid:
            raise ApiError(errors.VALIDATED_ELSEWHERE)
        if present and friendly_name in {None, present.friendly_name}:
            raise ApiError(errors.ALREADY_VALIDATED)
        name = friendly_name or default_name(phone_number)
        with self._db:
            code = self._new_code()
            call = Call(phone_number, account_sid, _sid("CA"), name, code, self.clock() + delay)
            self._db.execute("INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?)", call)
        return call

    def calls(self) -> list[Call]:
        rows = self._db.execute("SELECT * FROM calls ORDER BY rings_at")
        return [Call(*row) for row in rows]

    def answer(self, phone_number: str, code: str) -> CallerId:
        """Enter a code on a ringing phone: the right one puts the number on its account's list."""
        row = self._db.execute("SELECT * FROM calls WHERE phone_number = ?", (phone_number,)).fetchone()
        if row is None:
            raise ApiError(errors.NO_CALL)
        call = Call(*row)
        if call.rings_at > self.clock():
            raise ApiError(errors.NOT_RUNG)
        if call.code != code:
            raise ApiError(self._count_wrong_code(call))
        return self._validate(call)

    def _count_wrong_code(self, call: Call) -> Fault:
        if call.wrong_codes + 1 == _WRONG_CODES_UNTIL_HANGING_UP:
            change, fault = "DELETE FROM calls WHERE phone_number = ?", errors.CALL_OVER
        else:
            change = "UPDATE calls SET wrong_codes = wrong_codes + 1 WHERE phone_number = ?"
            fault = errors.WRONG_CODE
        with self._db:
            self._db.execute(change, (call.phone_number,))
        return fault

    def _validate(self, call: Call) -> CallerId:
        """Move a call to the list; a number that is there already keeps its Sid and gets the new name."""
        now = int(self.clock())
        new = CallerId(_sid("PN"), call.account_sid, call.friendly_name, call.phone_number, now, now)
        with self._db:
            self._db.execute("DELETE FROM calls WHERE phone_number = ?", (call.phone_number,))
            self._db.execute(_ADD_CALLER_ID + _RENAME_IF_PRESENT, new)
        return self._validated(call.phone_number) or new

    def _validated(self, phone_number: str) -> CallerId | None:
        row = self._db.execute("SELECT * FROM caller_ids WHERE phone_number = ?", (phone_number,)).fetchone()
        return row and CallerId(*row[:-1])

    def _new_code(self) -> str:
        first = self._setting("first_code")
        self._db.execute("DELETE FROM settings WHERE name = 'first_code'")
        return first or f"{secrets.randbelow(1_000_000):06}"


def _sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)
