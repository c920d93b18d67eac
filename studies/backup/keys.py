"""The keys that backups are sealed with, and their copy outside of this machine.

Keys live in PACS_BACKUP_KEYS (base64, comma-separated, the first seals, all open), else in
`secrets/backup-keys` of the data directory, one a line.
"""

from __future__ import annotations

import base64
import binascii
import os
import zlib
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from pacs.sealing import Key
from pacs.storage import sync_directory
from studies.backup.errors import NotEscrowed
from studies.backup.models import BackupKey

GROUP = 4


def key_file() -> Path:
    return Path(settings.DATA_DIR) / "secrets" / "backup-keys"


def keys() -> list[Key]:
    """Every key that is here, the one that seals first."""
    texts = list(settings.BACKUP_KEYS)
    if not texts:
        try:
            texts = key_file().read_text(encoding="ascii").split()
        except FileNotFoundError:
            texts = []
    try:
        return [Key(base64.b64decode(text, validate=True)) for text in texts]
    except (ValueError, binascii.Error) as error:
        raise ImproperlyConfigured(
            "a backup key (PACS_BACKUP_KEYS or secrets/backup-keys) is not 32 bytes in base64"
        ) from error


def sealing_key() -> Key:
    """The key that new backups are sealed with. Raises NotEscrowed until it is safe to lose this
    machine."""
    found = keys()
    if not found:
        raise NotEscrowed("There is no backup key yet: run manage.py escrow_key.")
    if not BackupKey.objects.filter(key_id=found[0].id, escrowed_at__isnull=False).exists():
        raise NotEscrowed("The backup key is not confirmed: run manage.py escrow_key.")
    return found[0]


def create() -> Key:
    """A new key, first in the key file; older ones stay to open what they sealed."""
    if settings.BACKUP_KEYS:
        raise ImproperlyConfigured("The keys come from PACS_BACKUP_KEYS: put the new one there.")
    key = Key.new()
    _write([key, *keys()])
    return key


def adopt(key: Key) -> None:
    """Have a key here that was written down elsewhere: on the machine that takes over."""
    held = keys()
    if any(each.id == key.id for each in held) or settings.BACKUP_KEYS:
        return
    _write([*held, key])


def _write(found: list[Key]) -> None:
    """Replace the key file; a crash leaves the old one or the new one, whole."""
    path = key_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [base64.b64encode(each.secret).decode() for each in found]
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        handle.write("\n".join(lines) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def sheet(key: Key) -> str:
    """The key to be written down: 13 groups of four letters and digits, and a check at the end.

    Base32 (RFC 4648) of the 32 bytes, and CRC-32 of them in hexadecimal: no letter looks like
    another digit, and a slip of the pen is noticed.
    """
    text = base64.b32encode(key.secret).decode().rstrip("=")
    groups = [text[at : at + GROUP] for at in range(0, len(text), GROUP)]
    return " ".join([*groups, f"{zlib.crc32(key.secret):08X}"])


def read_sheet(text: str) -> Key:
    """The key of `sheet`, however it was spaced. Raises ValueError in plain words."""
    letters = "".join(text.upper().replace("-", " ").split())
    if len(letters) != 52 + 8:
        raise ValueError("A key has 52 letters and digits and 8 more to check them.")
    body, check = letters[:52], letters[52:]
    try:
        secret = base64.b32decode(body + "=" * (-len(body) % 8))
    except binascii.Error:
        raise ValueError("There is a character that keys do not have.") from None
    if f"{zlib.crc32(secret):08X}" != check:
        raise ValueError("Something is mistyped: the check at the end does not fit.")
    return Key(secret)


def confirm(key: Key, by: str) -> BackupKey:
    """A person has shown that the key is kept elsewhere: from now on it seals."""
    row, _ = BackupKey.objects.get_or_create(key_id=key.id)
    if row.escrowed_at is None:
        row.escrowed_at, row.escrowed_by = timezone.now(), by[:150]
        row.save(update_fields=["escrowed_at", "escrowed_by"])
    return row
