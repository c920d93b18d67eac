"""What is in a folder, against what the ledger knows. Links are never followed."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agents.site import roots
from agents.site.ledger import DONE, FAILED, RETRY, Entry, Ledger
from agents.site.options import FolderSection

MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Found:
    """A file that the ledger does not know as it is now, or that is to be tried or moved again."""

    directory: str
    name: str
    size: int
    mtime_ns: int
    entry: Entry | None

    @property
    def path(self) -> str:
        """Relative to the folder."""
        return f"{self.directory}/{self.name}" if self.directory else self.name


def look(
    section: FolderSection, ledger: Ledger, directory: str = "", *, resting: bool = False
) -> list[Found]:
    """Everything in and below a directory that is not finished. Raises OutsideError, OSError.

    `resting`: also what waits for its next attempt.
    What vanishes meanwhile is left out; a directory that cannot be read is, too.
    """
    now = math.inf if resting else time.time()
    return list(_Look(section, ledger, now).directory(directory, first=True))


def wanted(section: FolderSection, name: str) -> bool:
    """Whether the folder's patterns take a file of this name."""
    return any(fnmatchcase(name, each) for each in section.patterns) and not _ignored(section, name)


def _ignored(section: FolderSection, name: str) -> bool:
    return any(fnmatchcase(name, each) for each in section.ignore)


class _Look:
    def __init__(self, section: FolderSection, ledger: Ledger, now: float) -> None:
        self.section = section
        self.ledger = ledger
        self.now = now

    def directory(self, directory: str, *, first: bool = False) -> Iterator[Found]:
        deeper: list[str] = []
        try:
            with roots.open_directory(self.section.path, directory) as descriptor:
                found = self._files(descriptor, directory, deeper)
        except (OSError, roots.OutsideError):
            if first:
                raise
            return
        yield from found
        if self.section.recursive and directory.count("/") < MAX_DEPTH:
            for name in sorted(deeper):
                yield from self.directory(f"{directory}/{name}" if directory else name)

    def _files(self, descriptor: int, directory: str, deeper: list[str]) -> list[Found]:
        known = self.ledger.known(self.section.name, directory)
        seen: set[str] = set()
        found = []
        with os.scandir(descriptor) as entries:
            for each in entries:
                if each.is_dir(follow_symlinks=False):
                    if not _ignored(self.section, each.name):
                        deeper.append(each.name)
                    continue
                if not each.is_file(follow_symlinks=False) or not wanted(self.section, each.name):
                    continue
                try:
                    status = each.stat(follow_symlinks=False)
                except OSError:
                    continue
                seen.add(each.name)
                entry = known.get(each.name)
                if entry and (entry.size, entry.mtime_ns) != (status.st_size, status.st_mtime_ns):
                    entry = None
                if status.st_size and self._is_open(entry):
                    found.append(
                        Found(directory, each.name, status.st_size, status.st_mtime_ns, entry)
                    )
        if gone := known.keys() - seen:
            self.ledger.missing(self.section.name, directory, gone)
        return sorted(found, key=lambda each: each.mtime_ns)

    def _is_open(self, entry: Entry | None) -> bool:
        if entry is None:
            return True
        if entry.state == RETRY:
            return entry.next_at <= self.now
        if entry.state == DONE:
            return self.section.after == "move" and entry.next_at <= self.now
        if entry.state == FAILED:
            return self.section.failed_dir is not None and entry.next_at <= self.now
        return False
