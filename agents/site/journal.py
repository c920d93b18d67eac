"""Commands and events that outlive the process: each command begins once, each event arrives.

A command is accepted, then running, then ended with its result; each step is on the disk before
the next. What was running when the agent died ends as failed: nobody knows how far it came.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from agents import protocol
from agents.site.database import Database

KEEP = 30 * 86_400.0
"""Seconds for which the key of a reported command is remembered, and an event is offered."""
ORDERED = (protocol.HL7, protocol.MPPS)
"""Events that build on one another."""
ACCEPTED, RUNNING, ENDED = "accepted", "running", "ended"


class Journal:
    """The commands that this agent was ever given."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, command: protocol.Command) -> str:
        """Note a command. Its state: "accepted" where it may begin, else "running" or "ended"."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO commands (key, id, command, requester, state, at)"
                " VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET id = excluded.id, reported = 0",
                (
                    *(command.idempotency_key, command.id, command.command, command.requester),
                    *(ACCEPTED, time.time()),
                ),
            )
            row = connection.execute(
                "SELECT state FROM commands WHERE key = ?", (command.idempotency_key,)
            ).fetchone()
        return str(row[0])

    def begin(self, key: str) -> bool:
        """True for the one who may execute the command, and on the disk before it returns."""
        with self._database.transaction() as connection:
            done = connection.execute(
                "UPDATE commands SET state = ? WHERE key = ? AND state = ?",
                (RUNNING, key, ACCEPTED),
            )
            return done.rowcount == 1

    def end(self, key: str, result: protocol.Result) -> None:
        """Note how a command ended; it is reported until the portal has taken it."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE commands SET state = ?, outcome = ?, code = ?, message = ?, data = ?,"
                " reported = 0 WHERE key = ? AND state <> ?",
                (
                    *(ENDED, result.outcome, result.code, result.message, json.dumps(result.data)),
                    *(key, ENDED),
                ),
            )

    def cancel(self, cancel: protocol.Cancel) -> str:
        """Never begin a command, even one that comes later. Its state before: "" for unknown."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT state FROM commands WHERE key = ?", (cancel.idempotency_key,)
            ).fetchone()
            if row is None:
                connection.execute(
                    "INSERT INTO commands (key, id, command, requester, state, outcome, at)"
                    " VALUES (?, ?, '', '', ?, ?, ?)",
                    (cancel.idempotency_key, cancel.id, ENDED, protocol.CANCELLED, time.time()),
                )
                return ""
            connection.execute(
                "UPDATE commands SET state = ?, outcome = ? WHERE key = ? AND state = ?",
                (ENDED, protocol.CANCELLED, cancel.idempotency_key, ACCEPTED),
            )
            connection.execute(
                "UPDATE commands SET reported = 0 WHERE key = ?", (cancel.idempotency_key,)
            )
            return str(row[0])

    def interrupted(self, resumable: Sequence[str] = ()) -> list[tuple[str, str, str]]:
        """Key, command and requester of what ran when the agent last died; ends them as failed.

        Commands of the `resumable` kinds go on: `running` gives them.
        """
        others = f"command NOT IN ({', '.join('?' * len(resumable))})"
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT key, command, requester FROM commands"  # noqa: S608 - placeholders
                f" WHERE state = ? AND {others}",
                (RUNNING, *resumable),
            ).fetchall()
            connection.execute(
                "UPDATE commands SET state = ?, outcome = ?, code = 'interrupted',"  # noqa: S608
                f" message = ? WHERE state = ? AND {others}",
                (
                    *(ENDED, protocol.FAILED),
                    "The agent stopped while it did this: it may be done, in part or not at all.",
                    *(RUNNING, *resumable),
                ),
            )
            connection.execute(
                "DELETE FROM commands WHERE reported AND at < ?", (time.time() - KEEP,)
            )
        return [(str(key), str(command), str(requester)) for key, command, requester in rows]

    def running(self) -> list[protocol.Command]:
        """What has begun and not ended; without parameters, which are not kept."""
        rows: list[Any] = self._database.rows(
            "SELECT id, key, command, requester, at FROM commands WHERE state = ?", (RUNNING,)
        )
        return [
            protocol.Command(
                id=id_,
                idempotency_key=key,
                command=command,
                requester=requester,
                ttl=0,
                expires_at=datetime.fromtimestamp(at, UTC),
            )
            for id_, key, command, requester, at in rows
        ]

    def unreported(self) -> list[protocol.Result]:
        """Results that the portal has not yet taken, oldest first."""
        rows: list[Any] = self._database.rows(
            "SELECT id, outcome, code, message, data FROM commands"
            " WHERE NOT reported AND state = ? ORDER BY at",
            (ENDED,),
        )
        return [
            protocol.Result(
                id=id_, outcome=outcome, code=code, message=words, data=json.loads(data)
            )
            for id_, outcome, code, words, data in rows
        ]

    def reported(self, id_: str) -> None:
        """The portal has taken this command's result."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE commands SET reported = 1 WHERE id = ? AND state = ?", (id_, ENDED)
            )


class Outbox:
    """Events that wait for the portal, in their order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, events: list[tuple[str, dict[str, Any]]], *, id_: str | None = None) -> None:
        """Keep events, by type and data; an `id_`, for one alone, makes it the same event again."""
        now = time.time()
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO events (id, event, at, data) VALUES (?, ?, ?, ?)",
                [(id_ or uuid.uuid4().hex, event, now, json.dumps(data)) for event, data in events],
            )

    def pending(self, most: int) -> list[protocol.Event]:
        """The oldest that wait."""
        rows: list[Any] = self._database.rows(
            "SELECT id, event, at, data FROM events ORDER BY number LIMIT ?", (most,)
        )
        return [
            protocol.Event(
                id=id_,
                event=event,
                at=datetime.fromtimestamp(at, UTC),
                data={**json.loads(data), **_age(event, at)},
            )
            for id_, event, at, data in rows
        ]

    def documents(self, id_: str) -> list[str]:
        """SHA-256 of what has to be at the portal before this event is."""
        rows = self._database.rows(
            "SELECT sha256 FROM documents WHERE event = ? ORDER BY sha256", (id_,)
        )
        return [str(sha256) for (sha256,) in rows]

    def document(self, id_: str, sha256: str) -> bytes:
        """The bytes of one of them."""
        rows: list[Any] = self._database.rows(
            "SELECT data FROM documents WHERE event = ? AND sha256 = ?", (id_, sha256)
        )
        return bytes(rows[0][0])

    def delivered(self, id_: str) -> None:
        """The portal has it, or will never take it."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM events WHERE id = ?", (id_,))
            connection.execute("DELETE FROM documents WHERE event = ?", (id_,))

    def forget(self) -> None:
        """Drop what nobody has taken for long."""
        with self._database.transaction() as connection:
            # What was acknowledged to a RIS or a modality waits for as long as it takes.
            connection.execute(
                "DELETE FROM events WHERE at < ? AND event NOT IN (?, ?)",
                (time.time() - KEEP, *ORDERED),
            )


def _age(event: str, at: float) -> dict[str, float]:
    """A scan's age by this machine's clock alone, whatever the portal's clock says."""
    return {"age": max(round(time.time() - at, 1), 0.0)} if event == protocol.SCAN else {}
