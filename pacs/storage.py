"""File storage that survives a power cut: written beside, fsynced, renamed into place; and that of
the browser's files.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@deconstructible(path="pacs.storage.DurableFileSystemStorage")
class DurableFileSystemStorage(FileSystemStorage):
    """Django's file storage whose `save` returns only when bytes and name are on the disk.

    `place` and `settle` are its two halves, for who writes many files before anybody is told.

    A name that exists is kept as it is: the archive's keys are content addresses, so the same
    name means the same bytes.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: Any) -> str:
        self.place(name, content.chunks(1 << 20), content.size)
        self.settle([name])
        return name

    def place(self, name: str, chunks: Iterable[bytes], size: int, *, anew: bool = False) -> None:
        """Write a file. Its bytes are on the disk when this returns, its name after `settle`.

        `anew`: also where there is one of that size, which is known to be damaged.
        """
        target = Path(self.path(name))
        with contextlib.suppress(FileNotFoundError):
            if not anew and target.stat().st_size == size:
                return
        self._make_directory(target.parent)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                for chunk in chunks:
                    handle.write(chunk)
                handle.flush()
                os.fsync(handle.fileno())
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def settle(self, names: Iterable[str]) -> None:
        """Have the names of placed files on the disk: one fsync a folder, however many files."""
        for directory in sorted({os.path.dirname(self.path(name)) for name in names}):  # noqa: PTH120
            sync_directory(Path(directory))

    def _make_directory(self, directory: Path) -> None:
        if directory.is_dir():
            return
        self._make_directory(directory.parent)
        directory.mkdir(mode=0o750, exist_ok=True)
        sync_directory(directory.parent)


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """WhiteNoise's, with gzip alone.

    It takes Brotli where some other package brings that, which makes a first start five times as
    long for files that are a seventh smaller.
    """

    def create_compressor(self, **kwargs: Any) -> Compressor:
        return super().create_compressor(**kwargs, use_brotli=False)
