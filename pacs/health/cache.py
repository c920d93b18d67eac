"""The cache directory within its bounds. Everything in it can be made again."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

# What was used this recently stays: someone may be about to open it by its name.
IN_USE_SECONDS = 3600
# What a writer that was killed left behind.
DRAFT_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Entry:
    """A cache file; `used` is the time of the last access as far as the file system keeps it."""

    used: float
    size: int
    path: str


def bound(folder: Path, limit: int, *, now: float | None = None) -> int:
    """Remove files until at most `limit` bytes are left, those first that were not used longest.

    Returns how many bytes were removed. Readers of an open file are not disturbed: its bytes stay
    until they close it. Empty folders go too.
    """
    now = time.time() if now is None else now
    entries: list[Entry] = []
    removed = 0
    for entry in _files(folder, now):
        if os.path.basename(entry.path).startswith(".") and now - entry.used > DRAFT_SECONDS:  # noqa: PTH119
            removed += _remove(entry)
        else:
            entries.append(entry)
    held = sum(entry.size for entry in entries)
    if held > limit:
        entries.sort(key=lambda entry: entry.used)
        for entry in entries:
            if held <= limit or now - entry.used < IN_USE_SECONDS:
                break
            removed += _remove(entry)
            held -= entry.size
    _remove_empty(folder, now)
    return removed


def _files(folder: Path, now: float) -> list[Entry]:
    found: list[Entry] = []
    waiting = [str(folder)]
    while waiting:
        with contextlib.suppress(FileNotFoundError), os.scandir(waiting.pop()) as listing:
            for one in listing:
                if one.is_dir(follow_symlinks=False):
                    waiting.append(one.path)
                    continue
                with contextlib.suppress(FileNotFoundError):
                    stat = one.stat(follow_symlinks=False)
                    # Never from the future: a wrong clock must not keep a file for ever.
                    used = min(max(stat.st_atime, stat.st_mtime), now)
                    size = max(stat.st_size, stat.st_blocks * 512)
                    found.append(Entry(used, size, one.path))
    return found


def _remove(entry: Entry) -> int:
    try:
        Path(entry.path).unlink()
    except FileNotFoundError:
        return 0
    return entry.size


def _remove_empty(folder: Path, now: float) -> None:
    """Folders that have been empty for a while; one that was just made has a writer."""
    for path, folders, files in os.walk(folder, topdown=False):
        if not folders and not files and path != str(folder):
            with contextlib.suppress(OSError):
                if now - Path(path).stat().st_mtime > IN_USE_SECONDS:
                    Path(path).rmdir()
