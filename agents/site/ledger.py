"""What became of each watched file. A file is a path, a size and a time of change."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agents.site.database import Database

DONE = "done"
"""The portal has it; where it is to be moved, it is not yet."""
MOVED = "moved"
FAILED = "failed"
RETRY = "retry"
OTHER = "other"
"""No DICOM file."""

FORGET_AFTER = 30 * 86_400.0
"""Seconds after which a file that is gone is forgotten: longer than a share stays unmounted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as the ledger knows it; `directory` is relative to the folder, "" for its top."""

    directory: str
    name: str
    size: int
    mtime_ns: int
    state: str
    attempts: int = 0
    next_at: float = 0.0
    reason: str = ""
    instance: str = ""


# A name that is no UTF-8 is a str with lone surrogates (PEP 383), which SQLite and JSON refuse.
_TO_TEXT = {0xDC80 + byte: 0xF780 + byte for byte in range(128)}
_TO_NAME = {text: name for name, text in _TO_TEXT.items()}


def as_text(name: str) -> str:
    """A file's name or path as it can be kept and told; `as_name` undoes it."""
    return name.translate(_TO_TEXT)


def as_name(text: str) -> str:
    """The name that `as_text` made a text."""
    return text.translate(_TO_NAME)


def _entry(row: tuple[Any, ...]) -> Entry:
    return Entry(as_name(row[0]), as_name(row[1]), *row[2:])


class Ledger:
    """The files of all folders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, folder: str, directory: str) -> dict[str, Entry]:
        """By name, what is known of the files directly in a directory."""
        rows: list[Any] = self._database.rows(
            "SELECT directory, name, size, mtime_ns, state, attempts, next_at, reason, instance"
            " FROM files WHERE folder = ? AND directory = ?",
            (folder, as_text(directory)),
        )
        return {each.name: each for each in map(_entry, rows)}

    def entry(self, folder: str, directory: str, name: str) -> Entry | None:
        """What is known of one file."""
        rows: list[Any] = self._database.rows(
            "SELECT directory, name, size, mtime_ns, state, attempts, next_at, reason, instance"
            " FROM files WHERE folder = ? AND directory = ? AND name = ?",
            (folder, as_text(directory), as_text(name)),
        )
        return _entry(rows[0]) if rows else None

    def put(self, folder: str, entries: Iterable[Entry]) -> None:
        """Write entries, durably and together."""
        now = time.time()
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO files (folder, directory, name, size, mtime_ns, state,"
                " attempts, next_at, reason, instance, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(folder, as_text(each.directory), as_text(each.name)),
                        *(each.size, each.mtime_ns, each.state),
                        *(each.attempts, each.next_at, each.reason, each.instance, now),
                    )
                    for each in entries
                ],
            )

    def counts(self, folder: str) -> dict[str, int]:
        """Number of files by state."""
        rows: list[Any] = self._database.rows(
            "SELECT state, count(*) FROM files WHERE folder = ? GROUP BY state", (folder,)
        )
        return dict(rows)

    def missing(self, folder: str, directory: str, names: Iterable[str]) -> None:
        """Files that a complete look at a directory did not find; forgotten only much later."""
        now = time.time()
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE files SET gone_since = coalesce(gone_since, ?)"
                " WHERE folder = ? AND directory = ? AND name = ?",
                [(now, folder, as_text(directory), as_text(name)) for name in names],
            )

    def forget(self) -> None:
        """Drop what has been gone for long."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM files WHERE gone_since < ?", (time.time() - FORGET_AFTER,)
            )

    def try_again(self, folder: str, directory: str) -> None:
        """Failed files in and below a directory are looked at as new; quarantined ones are not."""
        directory = as_text(directory)
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM files WHERE folder = ? AND state IN (?, ?) AND instance = ''"
                " AND (? = '' OR directory = ? OR substr(directory, 1, ?) = ?)",
                (
                    *(folder, FAILED, RETRY),
                    *(directory, directory, len(directory) + 1, directory + "/"),
                ),
            )
