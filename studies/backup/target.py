"""The backup storage behind one small interface, whatever it is; its errors by what to do."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from functools import cache
from typing import IO, Any, NoReturn

import urllib3.exceptions
from cloudinary import exceptions as cloudinary_errors
from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from pacs.cloudinary_storage import CloudinaryStorage, TooLargeForPlan, WrongUpload
from pacs.s3 import Trouble, trouble
from studies.backup.errors import BackupDown, BackupRefuses, Missing, TooLarge

REFUSED = "The backup storage refuses the portal: check its address and credentials."
DOWN = "The backup storage does not answer."
SLOWER = "The backup storage wants fewer requests."


def is_configured() -> bool:
    """Whether there is a backup storage at all."""
    return "backup" in settings.STORAGES


def is_sealed() -> bool:
    """Whether what goes there is encrypted here first."""
    return bool(settings.BACKUP_SEALED)


def _storage() -> Storage:
    return storages["backup"]


class _Sized(File):  # type: ignore[type-arg]
    """An open file of known size, for Django's storages."""

    def __init__(self, handle: IO[bytes], size: int) -> None:
        super().__init__(handle, name="object")
        self.size = size


def put(name: str, handle: IO[bytes], size: int, *, replace: bool = False) -> int:
    """Store `size` bytes under `name`; how many are there then. Repeating it is harmless.

    `replace`: what is there under the name is damaged. Raises BackupDown, BackupRefuses, TooLarge.
    """
    storage = _storage()
    try:
        if replace and isinstance(storage, FileSystemStorage):
            storage.delete(name)
        saved = storage.save(name, _Sized(handle, size))
        if saved != name:
            raise BackupRefuses("The backup storage renames objects: it must keep names.")
        # Cloudinary's answer to the upload has told size and MD5 already.
        return size if isinstance(storage, CloudinaryStorage) else storage.size(name)
    except Exception as error:
        _translate(error)


def stream(name: str) -> Iterator[bytes]:
    """The bytes of an object. Raises Missing, BackupDown or BackupRefuses."""
    storage = _storage()
    try:
        if isinstance(storage, CloudinaryStorage):
            yield from storage.stream(name)
            return
        with storage.open(name, "rb") as handle:
            while block := handle.read(1 << 20):
                yield block
    except Exception as error:
        _translate(error)


def size_of(name: str) -> int | None:
    """How long an object is; None where there is none."""
    storage = _storage()
    try:
        return storage.size(name)
    except Exception as error:
        try:
            _translate(error)
        except Missing:
            return None


def names(prefix: str) -> list[str]:
    """Names that begin with the folder `prefix` (no slash at its end), sorted."""
    storage = _storage()
    try:
        if isinstance(storage, CloudinaryStorage):
            return sorted(storage.names(f"{prefix}/"))
        if isinstance(storage, FileSystemStorage):
            return sorted(_walk(storage, prefix))
        bucket: Any = storage
        full = "/".join(part for part in (bucket.location.strip("/"), prefix) if part) + "/"
        cut = len(full) - len(prefix) - 1
        return sorted(each.key[cut:] for each in bucket.bucket.objects.filter(Prefix=full))
    except Exception as error:
        _translate(error)


def _walk(storage: Storage, folder: str) -> Iterator[str]:
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        if not name.startswith("."):
            yield f"{folder}/{name}"
    for name in folders:
        yield from _walk(storage, f"{folder}/{name}")


def _translate(error: Exception) -> NoReturn:
    """Raise what the error means; one of ours passes."""
    if isinstance(error, BackupDown | BackupRefuses | TooLarge | Missing):
        raise error
    if isinstance(error, TooLargeForPlan):
        raise TooLarge("Larger than the backup storage takes.") from error
    if isinstance(error, FileNotFoundError):
        raise Missing("There is no such object at the backup storage.") from error
    for translate in (_of_cloudinary, _of_aws, _of_network):
        found = translate(error)
        if found is not None:
            raise found from error
    raise error


def _of_cloudinary(error: Exception) -> Exception | None:
    if isinstance(error, cloudinary_errors.NotFound):
        return Missing("There is no such object at the backup storage.")
    if isinstance(error, cloudinary_errors.AuthorizationRequired | cloudinary_errors.NotAllowed):
        return BackupRefuses(REFUSED)
    if isinstance(error, cloudinary_errors.RateLimited):
        return BackupDown(SLOWER)
    if isinstance(error, cloudinary_errors.BadRequest):
        if "too large" in str(error).lower():
            return TooLarge("Larger than the backup storage takes.")
        return BackupRefuses(
            "The backup storage finds the request wrong: check clock and settings."
        )
    if isinstance(error, cloudinary_errors.Error):
        return BackupDown(DOWN)
    return None


def _of_aws(error: Exception) -> Exception | None:
    match trouble(error):
        case Trouble.MISSING:
            return Missing("There is no such object at the backup storage.")
        case Trouble.TOO_LARGE:
            return TooLarge("Larger than the backup storage takes.")
        case Trouble.REFUSED:
            return BackupRefuses(REFUSED)
        case Trouble.SLOWER:
            return BackupDown(SLOWER)
        case Trouble.DOWN:
            return BackupDown(DOWN)
    return None


def _of_network(error: Exception) -> Exception | None:
    if isinstance(error, WrongUpload):
        return BackupDown("The backup storage holds other bytes than were sent.")
    if isinstance(error, PermissionError):
        return BackupRefuses(REFUSED)
    known = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException)
    return BackupDown(DOWN) if isinstance(error, known) else None


@cache
def describe() -> str:
    """The kind of the storage, for people."""
    storage = _storage()
    if isinstance(storage, CloudinaryStorage):
        return "Cloudinary"
    return "A folder" if isinstance(storage, FileSystemStorage) else "Object storage (S3)"
