"""What the commands of this agent do: ping, scan-folder, upload-dicom, collect-log."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents import protocol
from agents.site import VERSION, roots
from agents.site.auditlog import AuditLog
from agents.site.commands import CommandError, Handler, Tell
from agents.site.folders import Folder
from agents.site.ledger import FAILED, Entry
from agents.site.log import Recent
from agents.site.uploader import ChangedError, RetryError

LONGEST_SCAN = 3600.0
LOG_BYTES = 150_000


class Handlers:
    """The handlers of one agent, by command."""

    def __init__(self, folders: Mapping[str, Folder], audit: AuditLog, recent: Recent) -> None:
        self._folders = folders
        self._audit = audit
        self._recent = recent
        self._started = time.monotonic()

    def table(self) -> dict[str, Handler]:
        """Command -> handler."""
        return {
            protocol.PING: self.ping,
            protocol.SCAN_FOLDER: self.scan_folder,
            protocol.UPLOAD_DICOM: self.upload_dicom,
            protocol.COLLECT_LOG: self.collect_log,
        }

    async def ping(self, params: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Version, clock and the head of the audit log, against which its end can be checked."""
        return {
            "version": VERSION,
            "platform": platform.platform(terse=True),
            "now": datetime.now(UTC).isoformat(),
            "upSeconds": int(time.monotonic() - self._started),
            "auditHead": self._audit.head,
        }

    async def scan_folder(self, params: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Look through a folder now, failed files included, until all of it is dealt with."""
        folder, inner = self._locate(params["path"])
        begun = time.monotonic()
        try:
            await folder.try_again(inner)
            total = left = await folder.unfinished(inner)
            while left:
                tell(max(total - left, 0), total)
                if time.monotonic() - begun > LONGEST_SCAN:
                    raise CommandError("timeout", f"{left} files were not sent within an hour.")
                await asyncio.sleep(0.5)
                left = await folder.unfinished(inner)
                total = max(total, left)
        except roots.OutsideError as error:
            raise CommandError("outside", str(error)) from None
        except OSError as error:
            raise CommandError("folder", f"The folder cannot be read: {error.strerror}") from None
        return {"files": total, "folder": folder.section.name}

    async def upload_dicom(self, params: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Upload one file of a configured folder now."""
        folder, inner = self._locate(params["filePath"])
        try:
            entry = await folder.upload_now(inner)
        except roots.OutsideError as error:
            raise CommandError("outside", str(error)) from None
        except ChangedError:
            raise CommandError("incomplete", "The file is still being written.") from None
        except RetryError as error:
            raise CommandError("portal", f"Not uploaded: {error.words}.") from None
        except OSError as error:
            raise CommandError("file", f"The file cannot be read: {error.strerror}") from None
        return _uploaded(entry)

    async def collect_log(self, params: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """The newest lines of the log, as many as fit into a message."""
        lines = self._recent.lines()[-params["lines"] :]
        size = 0
        for count, line in enumerate(reversed(lines)):
            size += len(line.encode()) + 4
            if size > LOG_BYTES:
                lines = lines[len(lines) - count :]
                break
        return {"lines": lines}

    def _locate(self, path: str) -> tuple[Folder, str]:
        try:
            section, inner = roots.locate(path, [each.section for each in self._folders.values()])
        except roots.OutsideError as error:
            raise CommandError("outside", str(error)) from None
        return self._folders[section.name], inner


def _uploaded(entry: Entry) -> dict[str, Any]:
    if entry.state == FAILED:
        raise CommandError("not-taken", f"The file was not taken: {entry.reason}"[:2000])
    return {"outcome": "stored", "instance": entry.instance}


def audit_path(state_dir: Path) -> Path:
    """Where an agent keeps its audit log."""
    return state_dir / "audit.jsonl"
