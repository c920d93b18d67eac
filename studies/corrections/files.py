"""Corrected files: what stands before the pixel data is made anew, the rest is the archive's."""

from __future__ import annotations

import io
import mmap
from pathlib import Path
from typing import Any

from django.conf import settings

from studies import archive, cachefiles
from studies.corrections.overlays import overlay_of
from studies.dicom.overlay import Overlay, Patched, patch
from studies.models import Instance


def patched(archive_key: str, overlay: Overlay) -> Patched:
    """The corrected form of an archived file. Raises FileNotFoundError, GateError."""
    with (
        archive.local_path(archive_key).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return patch(data, overlay)


def corrected_copy(archive_key: str, name: str, overlay: Overlay) -> Path:
    """A file in the cache with the corrected form, for what reads files only. Raises as above."""
    path = Path(settings.CACHE_DIR) / "corrected" / name[:2] / f"{name}.dcm"
    if not path.exists():
        before, rest_at = patched(archive_key, overlay)
        with archive.local_path(archive_key).open("rb") as file:
            file.seek(rest_at)
            cachefiles.keep(path, before + file.read())
    return path


def overlay_of_instance(instance: Instance) -> Overlay | None:
    """What is corrected of an instance; best with `series__study` selected."""
    return overlay_of(instance.series.study, instance.series)


class SplicedFile(io.RawIOBase):
    """Some bytes, and then a file from an offset on, as one file to read."""

    name = "corrected"
    """pydicom asks buffered files for theirs."""

    def __init__(self, before: bytes, rest: Any, rest_at: int, size: int) -> None:
        super().__init__()
        self._before = before
        self._rest = rest
        self._rest_at = rest_at
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = len(buffer)
        if self._at < len(self._before):
            piece = self._before[self._at : self._at + wanted]
        else:
            self._rest.seek(self._rest_at + self._at - len(self._before))
            piece = self._rest.read(wanted)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def close(self) -> None:
        self._rest.close()
        super().close()
