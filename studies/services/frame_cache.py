"""Frames that were made in another transfer syntax, kept as files in a bounded folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from django.conf import settings

from studies import cachefiles
from studies.boundedfolder import BoundedFolder

VERSION = 1
"""Raised when the same frame would come out as other bytes."""

_bounded = BoundedFolder(lambda: _folder(), lambda: settings.FRAME_CACHE_BYTES)


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
    except OSError:
        return None
    _bounded.used(path)
    return data


def save(sha256: str, number: int, syntax: str, data: bytes) -> None:
    """Keep a frame; now and then let the longest unused go."""
    if not _bounded.takes(len(data)):
        return
    with suppress(OSError):  # a full disk costs making it again, not the answer
        cachefiles.keep(cache_file(sha256, number, syntax), data)
        _bounded.wrote(len(data))
