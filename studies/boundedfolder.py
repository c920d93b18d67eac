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
    open it. `spare`: with less than this free on the disk half of what is here goes, so that a
    cache never is what fills it.
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        limit: Callable[[], int],
        young: float = 0,
        spare: Callable[[], int] = lambda: 0,
    ) -> None:
        self._folder = folder
        self._limit = limit
        self._young = young
        self._spare = spare
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
        with suppress(OSError):
            if full:
                self.trim()
            if self.is_in_the_way():
                self.make_room()

    def is_in_the_way(self) -> bool:
        """Whether the disk has less than `spare` free."""
        if not (spare := self._spare()):
            return False
        disk = os.statvfs(self._folder())
        return disk.f_bavail * disk.f_frsize < spare

    def make_room(self) -> None:
        """Remove half, the longest unused."""
        self._trim_to(sum(size for _, size, _ in _files(self._folder())) // 2)

    def trim(self) -> None:
        """Remove the longest unused until the folder is within its bound again."""
        self._trim_to(self._limit() * (SHARE - 1) // SHARE)

    def _trim_to(self, bound: int) -> None:
        found = sorted(_files(self._folder()))
        total = sum(size for _, size, _ in found)
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
