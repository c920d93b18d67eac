"""The two copies of a file: reading each whole, checked, and writing one from the other."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from django.conf import settings

from pacs.sealing import Key, SealError, seal, sealed_size, unseal
from studies import archive
from studies.backup import keys, target
from studies.backup.errors import Damaged, Missing
from studies.dicom.payload import Payload

IN_MEMORY = 8 * 2**20
LARGEST = 2**40
SEALED_SUFFIX = ".sealed"
ARCHIVE_DAMAGED = "The file in the archive is not what was stored."
ARCHIVE_MISSING = "The file is missing in the archive."
BACKUP_DAMAGED = "The copy at the backup storage is not what was stored."


def remote_name(archive_key: str, *, sealed: bool) -> str:
    """Where a file of the archive lies at the backup storage."""
    return f"archive/{archive_key}{SEALED_SUFFIX if sealed else ''}"


def spool() -> tempfile.SpooledTemporaryFile[bytes]:
    """A temporary file beside the archive's incoming ones; small content stays in memory."""
    folder = Path(settings.DATA_DIR) / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.SpooledTemporaryFile(IN_MEMORY, "w+b", dir=str(folder))


def checked(pieces: Iterable[bytes], sha256: str, words: str) -> Iterator[bytes]:
    """The pieces as they are; raises Damaged after the last where they are not `sha256`."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != sha256:
        raise Damaged(words)


def archived(archive_key: str, sha256: str) -> Iterator[bytes]:
    """A file of the archive in pieces. Raises Missing or Damaged."""
    try:
        with archive.open_archived(archive_key) as handle:
            yield from checked(_blocks(handle), sha256, ARCHIVE_DAMAGED)
    except FileNotFoundError:
        raise Missing(ARCHIVE_MISSING) from None


def backed_up(name: str, sha256: str) -> Iterator[bytes]:
    """A file at the backup storage in pieces, unsealed. Raises Missing, Damaged, BackupDown, ..."""
    pieces: Iterable[bytes] = target.stream(name)
    if name.endswith(SEALED_SUFFIX):
        pieces = unseal(pieces, keys.keys(), name)
    try:
        yield from checked(pieces, sha256, BACKUP_DAMAGED)
    except SealError as error:
        raise Damaged(BACKUP_DAMAGED) from error


def send(
    archive_key: str, sha256: str, size: int, key: Key | None, *, replace: bool = False
) -> tuple[str, int]:
    """Upload a file of the archive, sealed where there is a key: its name and size there.

    The bytes are compared with their SHA-256 before any of them leaves. Raises Missing, Damaged,
    BackupDown, BackupRefuses, TooLarge.
    """
    name = remote_name(archive_key, sealed=key is not None)
    pieces: Iterable[bytes] = archived(archive_key, sha256)
    wanted = size
    if key is not None:
        pieces, wanted = seal(pieces, key, name), sealed_size(size)
    with spool() as handle:
        for piece in pieces:
            handle.write(piece)
        if handle.tell() != wanted:
            raise Damaged(ARCHIVE_DAMAGED)
        handle.seek(0)
        there = target.put(name, handle, wanted, replace=replace)
    if there != wanted:
        raise Damaged(BACKUP_DAMAGED)
    return name, wanted


def bring_back(archive_key: str, name: str, sha256: str, site_id: int) -> None:
    """Put the backup's copy into the archive. Raises Missing, Damaged, BackupDown, ..."""
    if archive.key_of(site_id, sha256) != archive_key:
        raise Damaged("The key of the archive does not belong to these bytes.")
    payload = Payload.read(
        backed_up(name, sha256),
        limit=LARGEST,
        spool_dir=Path(settings.DATA_DIR) / "incoming",
    )
    try:
        archive.replace(archive_key, payload)
    finally:
        payload.close()


def _blocks(handle: IO[bytes]) -> Iterator[bytes]:
    while block := handle.read(1 << 20):
        yield block
