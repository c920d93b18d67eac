"""The archive: original bytes under content addresses, never altered, never overwritten.

A key is `<site id>/<aa>/<sha256>`: made by the server, the same for the same bytes, so that a
store which is repeated after a crash finds its file in place and leaves no orphan.

It lies on a disk, or at an object storage (S3); there, what is read is kept here for a while.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from pacs.storage import DurableFileSystemStorage
from studies.archive import copies
from studies.archive.errors import ArchiveDamaged
from studies.archive.opened import OpenFile, RemoteFile
from studies.dicom.payload import Payload
from studies.errors import RetriableError

if TYPE_CHECKING:
    from studies.archive.bucket import Bucket

# Up to here a file at an object storage is fetched whole when a part of it is asked for.
WHOLE = 4 * 2**20


def _storage() -> Storage:
    return storages["archive"]


def _bucket() -> Bucket | None:
    """The object storage; None for an archive on a disk."""
    storage = _storage()
    if isinstance(storage, FileSystemStorage):
        return None
    from studies.archive.bucket import bucket_of  # boto3 takes long to load

    return bucket_of(storage)


def folder() -> Path | None:
    """Where the archive lies on a disk here; None for an object storage."""
    storage = _storage()
    return Path(storage.path("")) if isinstance(storage, FileSystemStorage) else None


def trouble() -> str | None:
    """What is wrong with the object storage, in words; None where it answers, and for a disk."""
    if (bucket := _bucket()) is None:
        return None
    try:
        bucket.check()
    except RetriableError as error:
        return str(error)
    return None


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

    They are safe after `settle`, which has to come before anybody is told. Raises OSError;
    at an object storage ArchiveDown or ArchiveRefuses.
    """
    key = key_of(site_id, sha256)
    storage = _storage()
    if isinstance(storage, DurableFileSystemStorage):
        storage.place(key, payload.pieces(), len(payload))
        return key
    if (bucket := _bucket()) is not None:
        bucket.put(key, payload)
        _keep_copy(key, payload)
        return key
    if storage.save(key, _PayloadFile(payload)) != key:
        raise RuntimeError("the archive's storage renames; it must keep names as they are")
    return key


def _keep_copy(key: str, payload: Payload) -> None:
    """What has just come is looked at next: its pictures are made, its reader waits."""
    with suppress(OSError):
        copies.keep(key, payload.pieces())


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


def _fetched(key: str) -> bool:
    return _fetch is not None and _fetch(key)


def open_file(key: str) -> IO[bytes]:
    """The bytes as a file; a missing one is fetched from elsewhere, if it can be."""
    return local_path(key).open("rb")


class _Pieces(io.RawIOBase):
    """Pieces as they come, as a file that is read from front to back."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._held:
            try:
                self._held = memoryview(next(self._pieces))
            except StopIteration:
                return 0
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        self._held = self._held[count:]
        return count


def open_archived(key: str) -> IO[bytes]:
    """The bytes as they are in the archive itself, to be read from front to back.

    FileNotFoundError where they are not: at an object storage with the first read.
    """
    if (bucket := _bucket()) is not None:
        return io.BufferedReader(_Pieces(bucket.stream(key)), 1 << 20)
    return _storage().open(key, "rb")


def replace(key: str, payload: Payload) -> None:
    """Put a file back that is missing or damaged; safe when it returns."""
    storage = _storage()
    if isinstance(storage, DurableFileSystemStorage):
        storage.place(key, payload.pieces(), len(payload), anew=True)
        storage.settle([key])
        return
    if (bucket := _bucket()) is not None:
        bucket.put(key, payload)
        copies.drop(key)
        return
    storage.delete(key)
    if storage.save(key, _PayloadFile(payload)) != key:
        raise RuntimeError("the archive's storage renames; it must keep names as they are")


def erase(key: str) -> None:
    """Remove a file that nothing needs any more: the only way out of the archive."""
    if (bucket := _bucket()) is not None:
        bucket.erase(key)
        copies.drop(key)
        return
    _storage().delete(key)


def local_path(key: str) -> Path:
    """A file here with the bytes: the archive's own, or a checked copy of a remote one.

    A missing or damaged one is fetched from elsewhere, if it can be, while the caller waits. It may
    still be missing on a disk; from an object storage, FileNotFoundError, ArchiveDamaged,
    ArchiveDown and ArchiveRefuses are raised here.
    """
    if (bucket := _bucket()) is None:
        path = Path(_storage().path(key))
        if not path.exists():
            _fetched(key)
        return path
    if (kept := copies.found(key)) is not None:
        return kept
    with copies.one_at_a_time(key):
        if (kept := copies.found(key)) is not None:
            return kept
        try:
            return copies.keep(key, bucket.stream(key))
        except (FileNotFoundError, ArchiveDamaged):
            if not _fetched(key):
                raise
            return copies.keep(key, bucket.stream(key))


def opened(key: str, size: int) -> OpenFile | RemoteFile:
    """The file, of `size` bytes by the index, to be read in stretches. Raises as `local_path`."""
    if size <= WHOLE or (bucket := _bucket()) is None:
        return OpenFile(local_path(key))

    def fetch(offset: int, length: int) -> bytes:
        try:
            return bucket.read(key, offset, length, size)
        except FileNotFoundError:
            if not _fetched(key):
                raise
            return bucket.read(key, offset, length, size)

    return RemoteFile(key, size, fetch)


def all_keys() -> Iterator[str]:
    """Every key of the archive, by looking at what is there, in order."""
    if (bucket := _bucket()) is not None:
        found = bucket.keys()
    else:
        root = Path(_storage().path(""))
        found = (
            f"{site.name}/{folder.name}/{file.name}"
            for site in (sorted(root.iterdir()) if root.is_dir() else ())
            if site.name.isdigit()
            for folder in sorted(site.iterdir())
            for file in sorted(folder.iterdir())
        )
    for key in found:
        site, _, rest = key.partition("/")
        if site.isdigit() and len(rest) == 67:
            yield key
