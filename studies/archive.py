"""The archive: original bytes under content addresses, never altered, never overwritten.

A key is `<site id>/<aa>/<sha256>`: made by the server, the same for the same bytes, so that a
store which is repeated after a crash finds its file in place and leaves no orphan.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from pacs.storage import DurableFileSystemStorage
from studies.dicom.payload import Payload


def _storage() -> Storage:
    return storages["archive"]


def key_of(site_id: int, sha256: str) -> str:
    """Where bytes with this SHA-256 of this site live."""
    return f"{site_id}/{sha256[:2]}/{sha256}"


class _PayloadFile(File):  # type: ignore[type-arg]
    """A payload as Django's storages read it."""

    def __init__(self, payload: Payload) -> None:
        self._payload = payload
        super().__init__(payload.open(), name="payload")
        self.size = len(payload)


def put(payload: Payload, *, site_id: int, sha256: str) -> str:
    """Store the bytes and return their key. Repeating it is harmless.

    They are safe after `settle`, which has to come before anybody is told.
    """
    key = key_of(site_id, sha256)
    storage = _storage()
    if isinstance(storage, DurableFileSystemStorage):
        storage.place(key, payload.pieces(), len(payload))
        return key
    if not isinstance(storage, FileSystemStorage) and storage.exists(key):
        return key
    saved = storage.save(key, _PayloadFile(payload))
    if saved != key:
        raise RuntimeError("the archive's storage renames; it must keep names as they are")
    return key


def settle(keys: Iterable[str]) -> None:
    """Return when the files under these keys would survive a power cut."""
    storage = _storage()
    if isinstance(storage, DurableFileSystemStorage):
        storage.settle(keys)


_fetch: Callable[[str], bool] | None = None


def fetch_missing_with(fetch: Callable[[str], bool]) -> None:
    """Have `fetch` asked for files that are missing: it brings them back and says whether it did.

    It may ask the database and the network, and is called in the thread of whoever reads.
    """
    global _fetch
    _fetch = fetch


def open_file(key: str) -> IO[bytes]:
    """The bytes as a file; a missing one is fetched from elsewhere, if it can be."""
    try:
        return open_archived(key)
    except FileNotFoundError:
        if _fetch is None or not _fetch(key):
            raise
        return open_archived(key)


def open_archived(key: str) -> IO[bytes]:
    """The bytes as they are in the archive itself. FileNotFoundError where they are not."""
    return _storage().open(key, "rb")


def replace(key: str, payload: Payload) -> None:
    """Put a file back that is missing or damaged; safe when it returns."""
    storage = _storage()
    if isinstance(storage, DurableFileSystemStorage):
        storage.place(key, payload.pieces(), len(payload), anew=True)
        storage.settle([key])
        return
    storage.delete(key)
    if storage.save(key, _PayloadFile(payload)) != key:
        raise RuntimeError("the archive's storage renames; it must keep names as they are")


def erase(key: str) -> None:
    """Remove a file that nothing needs any more: the only way out of the archive."""
    _storage().delete(key)
    _descriptor_path.cache_clear()


def local_path(key: str) -> Path:
    """A file here with the bytes: the archive's own, or a cached copy of a remote one.

    A missing one is fetched from elsewhere, if it can be, while the caller waits.
    """
    storage = _storage()
    if not isinstance(storage, FileSystemStorage):
        return _cached_copy(key)
    path = Path(storage.path(key))
    if _fetch is not None and not path.exists():
        _fetch(key)
    return path


def _cached_copy(key: str) -> Path:
    target = Path(settings.CACHE_DIR) / "archive" / key
    with contextlib.suppress(FileNotFoundError):
        os.utime(target)  # in use: housekeeping leaves it
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        with _storage().open(key, "rb") as source, draft.open("wb") as copy:
            for chunk in source.chunks(1 << 20):
                copy.write(chunk)
        draft.replace(target)
    return target


@lru_cache(maxsize=512)
def _descriptor_path(key: str) -> str:
    return str(local_path(key))


def read_range(key: str, offset: int, length: int) -> bytes:
    """`length` bytes from `offset`: one open, one read."""
    descriptor = os.open(_descriptor_path(key), os.O_RDONLY)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)
