"""The database itself at the backup storage: a consistent copy, compressed, sealed.

SQLite by its own backup interface, PostgreSQL by pg_dump. A copy is taken while the portal works.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from pacs import audit
from pacs.sealing import SealError, seal, unseal
from studies.backup import health, keys, target
from studies.backup.errors import BackupDown, Damaged, Missing
from studies.backup.models import BackupHealth, DatabaseBackup

DUMP_SECONDS = 3600
FOLDER = "database"


def is_due() -> bool:
    """Whether the last copy is as old as PACS_BACKUP_DATABASE_MINUTES allows, less some time to
    make the next."""
    allowed = timedelta(minutes=settings.BACKUP_DATABASE_MINUTES)
    last = DatabaseBackup.objects.values_list("taken_at", flat=True).first()
    return last is None or timezone.now() - last > allowed * 0.8


def claim() -> bool:
    """Whether the copy that is due is ours to make; of several workers only one is told so."""
    if not is_due():
        return False
    health.row()
    now = timezone.now()
    return bool(
        BackupHealth.objects.filter(
            Q(database_claimed_at=None)
            | Q(database_claimed_at__lt=now - timedelta(minutes=settings.BACKUP_DATABASE_MINUTES)),
            pk="backup",
        ).update(database_claimed_at=now)
    )


def take() -> DatabaseBackup:
    """Copy the database to the backup storage now. Raises NotEscrowed, BackupDown, ..."""
    key = keys.sealing_key() if target.is_sealed() else None
    at = timezone.now()
    folder = Path(settings.DATA_DIR) / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    kind = "sqlite" if connection.vendor == "sqlite" else "pgdump"
    name = f"{FOLDER}/{at:%Y%m%dT%H%M%SZ}.{kind}.z" + (".sealed" if key else "")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        dump = Path(place) / "dump"
        _dump(dump)
        digest = hashlib.sha256()
        pieces: Iterable[bytes] = _compressed(_blocks(dump, digest))
        if key is not None:
            pieces = seal(pieces, key, name)
        packed = Path(place) / "packed"
        with packed.open("wb") as handle:
            for piece in pieces:
                handle.write(piece)
        size = packed.stat().st_size
        with packed.open("rb") as handle:
            if target.put(name, handle, size) != size:
                raise BackupDown("The backup storage holds other bytes than were sent.")
    BackupHealth.objects.filter(pk="backup").update(database_claimed_at=None)
    row = DatabaseBackup.objects.create(
        taken_at=at,
        remote_name=name,
        size=size,
        sha256=digest.hexdigest(),
        key_id=key.id if key else "",
    )
    audit.record("backup.database", detail={"bytes": size})
    return row


def newest() -> str:
    """The name of the newest copy at the storage, whatever this database knows. Raises Missing."""
    names = target.names(FOLDER)
    if not names:
        raise Missing("There is no copy of a database at the backup storage.")
    return names[-1]


def bring_back(name: str, into: Path) -> None:
    """Write the dump `name` to the file `into`. Raises Missing, Damaged, BackupDown, ..."""
    pieces: Iterable[bytes] = target.stream(name)
    if name.endswith(".sealed"):
        pieces = unseal(pieces, keys.keys(), name)
    unpack = zlib.decompressobj()
    try:
        with into.open("wb") as handle:
            for piece in pieces:
                handle.write(unpack.decompress(piece))
            handle.write(unpack.flush())
            handle.flush()
            os.fsync(handle.fileno())
    except (zlib.error, SealError) as error:
        raise Damaged("The copy of the database is damaged, or sealed with another key.") from error
    if not unpack.eof:
        raise Damaged("The copy of the database is cut off.")


def _dump(into: Path) -> None:
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with sqlite3.connect(into) as copy:
            connection.connection.backup(copy, pages=2000, sleep=0.01)
        copy.close()
        return
    facts: dict[str, Any] = connection.settings_dict
    environment = {**os.environ, "PGPASSWORD": facts["PASSWORD"], "PGCONNECT_TIMEOUT": "10"}
    wanted = ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--compress=0"]
    address = ["-h", facts["HOST"] or "localhost", "-p", str(facts["PORT"]), "-U", facts["USER"]]
    done = subprocess.run(
        [*wanted, *address, "-f", str(into), facts["NAME"]],
        env=environment,
        timeout=DUMP_SECONDS,
        check=False,
        capture_output=True,
    )
    if done.returncode:
        raise BackupDown("pg_dump failed; is it of the server's version?")


def _blocks(path: Path, digest: Any) -> Iterator[bytes]:
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
            yield block


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    pack = zlib.compressobj(3)
    for piece in pieces:
        if packed := pack.compress(piece):
            yield packed
    yield pack.flush()
