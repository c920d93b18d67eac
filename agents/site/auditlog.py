"""The agent's own record of who asked for what: appended, never rewritten, each line sealed.

A line is JSON with `hash`, the SHA-256 of the line before it and its own content, so a line that is
changed, taken out or put in shows. Cutting off the end shows only against a hash kept elsewhere:
`head` is reported to the portal by `ping`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

START = "0" * 64
TAIL = 1 << 20


class AuditLog:
    """Appends to one file; each line is on the disk when `record` returns."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.head, torn = self._end()
        if torn:
            os.write(self._file, b"\n")
            self.record("torn", detail={"words": "the line before was cut off as it was written"})

    def _end(self) -> tuple[str, bool]:
        """Hash of the last whole line, and whether half a line follows it."""
        size = os.fstat(self._file).st_size
        data = os.pread(self._file, TAIL, max(size - TAIL, 0))
        torn = bool(data) and not data.endswith(b"\n")
        for line in reversed(data.split(b"\n")):
            entry = _entry(line)
            if entry is not None:
                return str(entry["hash"]), torn
        return START, torn

    def record(self, action: str, *, requester: str = "", detail: dict[str, Any]) -> None:
        """Append a line. OSError where it cannot be written: then the action must not happen."""
        with self._lock:
            entry = {
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "action": action,
                "requester": requester,
                "detail": detail,
            }
            seal = _seal(self.head, entry)
            line = json.dumps({**entry, "hash": seal}, separators=(",", ":")).encode() + b"\n"
            size = os.fstat(self._file).st_size
            try:
                if os.write(self._file, line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(self._file)
            except OSError:
                # Half a line would spoil the next one.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, size)
                raise
            self.head = seal

    def close(self) -> None:
        os.close(self._file)


def verify(path: Path) -> list[str]:
    """What is wrong with a log, a sentence for each broken line. Empty: nothing."""
    wrong = []
    head = START
    torn = False
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            entry = _entry(line)
            if entry is None:
                torn = True
                wrong.append(f"line {number}: not a whole line")
                continue
            seal = entry.pop("hash")
            if torn and entry["action"] == "torn":
                wrong.pop()
            torn = False
            if seal != _seal(head, entry):
                wrong.append(f"line {number}: not what was written after the line before it")
            head = str(seal)
    return wrong


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "hash" in entry and "action" in entry else None


def _seal(head: str, entry: dict[str, Any]) -> str:
    content = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{head}{content}".encode()).hexdigest()
