"""The agent's SQLite file: WAL, a commit is on the disk when it returns, any thread may use it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    folder TEXT NOT NULL, directory TEXT NOT NULL, name TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, next_at REAL NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', instance TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL, gone_since REAL,
    PRIMARY KEY (folder, directory, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commands (
    key TEXT PRIMARY KEY, id TEXT NOT NULL, command TEXT NOT NULL, requester TEXT NOT NULL,
    state TEXT NOT NULL, outcome TEXT NOT NULL DEFAULT '', code TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '', data TEXT NOT NULL DEFAULT '{}',
    reported INTEGER NOT NULL DEFAULT 0, at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS commands_unreported ON commands (at) WHERE NOT reported;
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL, at REAL NOT NULL, data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS documents (
    event TEXT NOT NULL, sha256 TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (event, sha256)
);
CREATE TABLE IF NOT EXISTS relays (
    name TEXT PRIMARY KEY, cursor INTEGER NOT NULL, mark TEXT NOT NULL
);
"""


class Database:
    """One connection behind a lock. `sqlite3.Error` where the disk is full or not writable."""

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and durable when it ends without an error."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def close(self) -> None:
        with self._lock:
            self._connection.close()
