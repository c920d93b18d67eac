"""Files that can be made again, in a folder that stays within a bound: the longest unused go."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

FRESH_SECONDS = 3600.0
SHARE = 16


class BoundedFolder:
    """`folder` and `limit` in bytes are asked for anew each time: settings may change in tests.

    `young`: files used within so many seconds stay, since who was told their path may be about to
    open it.
    """

    def __init__(
        self, folder: Callable[[], Path], limit: Callable[[], int], young: float = 0
    ) -> None:
        self._folder = folder
        self._limit = limit
        self._young = young
        self._lock = threading.Lock()
        self._written = 0

    def takes(self, size: int) -> bool:
        """Whether a file of this size is worth its room."""
        return size <= self._limit() // SHARE

    def used(self, path: Path) -> bool:
        """Whether the file is there; if so it counts as used now."""
        try:
            if path.stat().st_mtime < time.time() - (self._young / 2 or FRESH_SECONDS):
                os.utime(path)
        except OSError:
            return False
        return True

    def wrote(self, size: int) -> None:
        """Tell of a file that was written; now and then the longest unused go."""
        with self._lock:
            self._written += size
            full = self._written > self._limit() // SHARE
            if full:
                self._written = 0
        if full:
            with suppress(OSError):
                self.trim()

    def trim(self) -> None:
        """Remove the longest unused until the folder is within its bound again."""
        found = sorted(_files(self._folder()))
        total = sum(size for _, size, _ in found)
        bound = self._limit() * (SHARE - 1) // SHARE
        young = time.time() - self._young
        for used, size, path in found:
            if total <= bound or (self._young and used > young):
                return
            path.unlink(missing_ok=True)
            total -= size


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    waiting = [folder]
    while waiting:
        with suppress(FileNotFoundError), os.scandir(waiting.pop()) as listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                    continue
                with suppress(FileNotFoundError):
                    stat = entry.stat()
                    yield stat.st_mtime, stat.st_size, Path(entry.path)
