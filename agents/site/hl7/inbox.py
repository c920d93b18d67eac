"""Messages on their way to the portal: on the disk before they are acknowledged, each once.

A message is known by its sender (MSH-3, MSH-4) and control id (MSH-10). The same once more is
acknowledged and not kept again; another one under the same id is refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from agents import protocol
from agents.site.database import Database
from agents.site.hl7 import ack, facts
from agents.site.hl7.message import Message, Unacceptable, read
from agents.site.journal import KEEP
from agents.site.options import Hl7Section
from agents.site.problems import Problems

MOST_DATA = 100_000
# Reports carry text and small PDFs; the portal takes 200 KB, the protocol 256.
MOST_OF_REPORTS = 190_000
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS hl7_seen (sender TEXT NOT NULL, control_id TEXT NOT NULL,"
    " digest TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (sender, control_id)) WITHOUT ROWID"
)


class Inbox:
    """Takes framed messages' contents; any thread."""

    def __init__(
        self,
        section: Hl7Section,
        database: Database,
        problems: Problems,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._section = section
        self._database = database
        self._problems = problems
        self._wake = wake
        with database.transaction() as connection:
            connection.execute(SCHEMA)

    def take(self, data: bytes) -> bytes:
        """The acknowledgement of a message; AA says that it is on the disk."""
        message: Message | None = None
        try:
            message = read(data, self._section.charset)
            self._keep(message, data)
        except Unacceptable as error:
            self._problems.note("hl7", f"a message was answered {error.code}: {error.words}")
            return ack.of(message, error.code, error.words)
        except sqlite3.Error as error:
            self._problems.note("hl7", f"a message could not be kept: {error}")
            return ack.of(message, "AE", "the message could not be kept; send it again")
        self._wake()
        return ack.of(message, "AA")

    def _keep(self, message: Message, data: bytes) -> None:
        head = message.header
        sender, control_id = "^".join((head.get(3), head.get(4)))[:200], head.get(10)
        if not control_id:
            raise Unacceptable("AR", "MSH-10 is missing")
        if len(control_id) > 199:
            raise Unacceptable("AR", "MSH-10 has more than 199 characters")
        if not head.get(12).startswith("2."):
            raise Unacceptable("AR", "MSH-12 names no version 2 of HL7")
        processing = head.get(11)
        if processing and processing not in self._section.processing_ids:
            raise Unacceptable("AR", "messages of this processing id (MSH-11) are not taken")
        content = {
            "sender": sender,
            "control_id": control_id,
            "type": facts.type_of(message),
            **facts.told(message),
        }
        most = MOST_OF_REPORTS if "reports" in content else MOST_DATA
        documents = _apart(content.get("reports", []), most)
        text = json.dumps(content)
        if len(text) > most:
            raise Unacceptable("AE", "the message holds too much text")
        self._store(sender, control_id, _digest(data), text, documents)

    def _store(
        self, sender: str, control_id: str, digest: str, text: str, documents: dict[str, bytes]
    ) -> None:
        now = time.time()
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT digest FROM hl7_seen WHERE sender = ? AND control_id = ?",
                (sender, control_id),
            ).fetchone()
            if row is not None:
                if row[0] != digest:
                    raise Unacceptable("AE", "MSH-10 was the id of another message already")
                return
            connection.execute(
                "INSERT INTO hl7_seen (sender, control_id, digest, at) VALUES (?, ?, ?, ?)",
                (sender, control_id, digest, now),
            )
            # The same id for the same message, whatever this agent forgets: the portal applies
            # each once.
            name = hashlib.sha256("\0".join((sender, control_id, digest)).encode()).hexdigest()
            connection.execute(
                "INSERT INTO events (id, event, at, data) VALUES (?, ?, ?, ?)",
                (name[:32], protocol.HL7, now, text),
            )
            connection.executemany(
                "INSERT INTO documents (event, sha256, data) VALUES (?, ?, ?)",
                [(name[:32], sha256, document) for sha256, document in documents.items()],
            )

    def forget(self) -> None:
        """Drop the ids of messages that nobody sends any more."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM hl7_seen WHERE at < ?", (time.time() - KEEP,))


def _apart(reports: list[dict[str, Any]], most: int) -> dict[str, bytes]:
    """The PDFs that are too large to go with their message, by SHA-256: the largest first, until
    the rest fits. In its report such a PDF is named by its digest."""
    found: dict[str, bytes] = {}
    while len(json.dumps(reports)) > most - 1000:
        largest = max(reports, key=lambda each: len(each.get("pdf", "")), default={})
        if not largest.get("pdf"):
            break
        document = base64.b64decode(largest.pop("pdf"))
        sha256 = hashlib.sha256(document).hexdigest()
        largest["pdf_sha256"] = sha256
        found[sha256] = document
    return found


def _digest(data: bytes) -> str:
    """Of everything after MSH: a sender that tries again may write another time into it."""
    body = data.replace(b"\n", b"\r").split(b"\r", 1)
    return hashlib.sha256(body[1].strip() if len(body) > 1 else b"").hexdigest()
