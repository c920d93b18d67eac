"""The folder in which a disc is made: bounded, emptied after every disc and at every start.

A note beside the files says how far the disc has come. Only with it can be said, after a crash,
whether anything was written to a disc.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from agents.site import durable
from agents.site.commands import CommandError

PREPARING, WRITING = "preparing", "writing"
PREFIX = "disc-"
MARGIN = 64 * 2**20
"""Bytes of the disk that stay free for the agent's own files."""


@dataclass(frozen=True, slots=True)
class Note:
    """Whose disc this is, and "preparing" or "writing"."""

    key: str
    id: str
    requester: str
    stage: str
    target: str


class Job:
    """One disc's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.root = folder / "root"
        self.image = folder / "image.iso"

    @property
    def name(self) -> str:
        return self.folder.name

    def note(self, note: Note) -> None:
        """Say how far it has come; on the disk when it returns. Raises OSError."""
        durable.write(self.folder / "note", {slot: getattr(note, slot) for slot in Note.__slots__})

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Work:
    """The work folder. `most`: bytes that it may ever hold."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder
        self._most = most

    def begin(self, note: Note) -> Job:
        """A new, empty folder with its note. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        job = Job(self.folder / name_of(note.key))
        job.remove()
        job.files.mkdir(parents=True, mode=0o700)
        job.note(note)
        durable.sync(self.folder)
        return job

    def require(self, size: int) -> None:
        """Raises CommandError "room" where `size` more bytes do not fit."""
        if size > self._most:
            raise CommandError(
                "room",
                f"These studies need {megabytes(size)} MB to make a disc of; the agent's work "
                f"folder may hold {megabytes(self._most)} MB.",
            )
        free = shutil.disk_usage(self.folder).free
        if size > free - MARGIN:
            raise CommandError(
                "room",
                f"These studies need {megabytes(size)} MB to make a disc of; the agent's disk "
                f"has {megabytes(max(free - MARGIN, 0))} MB left.",
            )

    def left(self) -> list[Note]:
        """The notes of discs that the agent died over; their folders are removed."""
        found = []
        for folder in sorted(self.folder.glob(f"{PREFIX}*")) if self.folder.is_dir() else []:
            if folder.is_symlink() or not folder.is_dir():
                continue
            # Without a note it died before the first one: nothing was written.
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append(Note(**json.loads((folder / "note").read_text())))
            shutil.rmtree(folder, ignore_errors=True)
        return found


def name_of(key: str) -> str:
    """The name of a command's folder and image: nothing of it comes from the portal as it is."""
    return PREFIX + hashlib.sha256(key.encode()).hexdigest()[:16]


def megabytes(size: int) -> int:
    """Rounded up, as people compare it with what is printed on a disc."""
    return -(-size // 1_000_000)
