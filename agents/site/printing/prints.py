"""What was handed to CUPS, on the disk before and after: after a crash nothing is sent again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from agents.site.database import Database

CREATING, CREATED, SENDING, SENT = "creating", "created", "sending", "sent"
"""Before CUPS is asked for a job; it has a number and no document; the document is on its way;
CUPS has it."""
KEEP = 30 * 86_400.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS prints (
    key TEXT PRIMARY KEY, stage TEXT NOT NULL, printer TEXT NOT NULL, path TEXT NOT NULL,
    job INTEGER NOT NULL DEFAULT 0, begin_by REAL NOT NULL, at REAL NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Print:
    """One print by its command's key. `begin_by`: the time (Unix) after which it is taken back."""

    key: str
    stage: str
    printer: str
    path: str
    job: int
    begin_by: float


class Prints:
    """The prints of this agent."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as connection:
            connection.execute(SCHEMA)

    def begin(self, key: str, printer: str, path: str, begin_by: float) -> None:
        """Note a print before CUPS hears of it. Each key prints once: sqlite3.IntegrityError."""
        now = time.time()
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM prints WHERE at < ?", (now - KEEP,))
            connection.execute(
                "INSERT INTO prints (key, stage, printer, path, begin_by, at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (key, CREATING, printer, path, begin_by, now),
            )

    def step(self, key: str, stage: str, job: int) -> None:
        """Note how far it has come."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE prints SET stage = ?, job = ? WHERE key = ?", (stage, job, key)
            )

    def of(self, key: str) -> Print | None:
        """The print of a command, where it got so far."""
        rows: list[Any] = self._database.rows(
            "SELECT key, stage, printer, path, job, begin_by FROM prints WHERE key = ?", (key,)
        )
        return Print(*rows[0]) if rows else None
