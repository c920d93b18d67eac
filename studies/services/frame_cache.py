"""Frames that were made in another transfer syntax, kept as files in a bounded folder."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from studies import cachefiles

VERSION = 1
"""Raised when the same frame would come out as other bytes."""

FRESH_SECONDS = 3600.0
SHARE = 16

_lock = threading.Lock()
_written = 0


def _folder() -> Path:
    return Path(settings.CACHE_DIR) / "frames"


def cache_file(sha256: str, number: int, syntax: str) -> Path:
    """Where frame `number` of the file with this SHA-256 is kept."""
    return _folder() / sha256[:2] / f"{sha256}-{number}-{syntax}-{VERSION}"


def load(sha256: str, number: int, syntax: str) -> bytes | None:
    """The frame if it is kept."""
    path = cache_file(sha256, number, syntax)
    try:
        data = path.read_bytes()
        if path.stat().st_mtime < time.time() - FRESH_SECONDS:
            os.utime(path)
    except OSError:
        return None
    return data


def save(sha256: str, number: int, syntax: str, data: bytes) -> None:
    """Keep a frame; now and then let the longest unused go."""
    global _written
    limit = settings.FRAME_CACHE_BYTES
    if len(data) > limit // SHARE:
        return
    with _lock:
        _written += len(data)
        full = _written > limit // SHARE
        if full:
            _written = 0
    with suppress(OSError):  # a full disk costs making it again, not the answer
        cachefiles.keep(cache_file(sha256, number, syntax), data)
        if full:
            trim()


def trim() -> None:
    """Remove the longest unused until the folder is within its bound again."""
    found: list[tuple[float, int, Path]] = []
    for folder in _folder().iterdir():
        for entry in os.scandir(folder):
            with suppress(FileNotFoundError):
                stat = entry.stat()
                found.append((stat.st_mtime, stat.st_size, Path(entry.path)))
    total = sum(size for _, size, _ in found)
    bound = settings.FRAME_CACHE_BYTES * (SHARE - 1) // SHARE
    for _, size, path in sorted(found):
        if total <= bound:
            return
        path.unlink(missing_ok=True)
        total -= size
