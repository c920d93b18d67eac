"""Releases of the agent program on the portal: checked when published, never signed here."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import Storage, storages
from django.db import transaction
from django.utils import timezone

from agents import release
from agents.models import AgentRelease
from agents.release import ReleaseError
from pacs import audit

AREA = "agent-releases"


def _storage() -> Storage:
    return storages["archive"]


def key_of(found: AgentRelease) -> str:
    """Where the program lies: beside the images' folders, under its SHA-256."""
    return f"{AREA}/{found.sha256}"


def publish(envelope: str, path: Path, *, actor: Any = None) -> tuple[AgentRelease, bool]:
    """Keep a signed release and its file, and whether it is new. Raises ReleaseError, OSError.

    The signature must be of a key in AGENT_RELEASE_KEYS, the file the signed one, the seq larger
    than any published before.
    """
    manifest = release.verify(envelope, release.keyring(settings.AGENT_RELEASE_KEYS))
    release.check_time(manifest)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        release.check_content(manifest, file.tell(), digest)
    made = AgentRelease(
        seq=manifest.seq,
        version=manifest.version,
        size=manifest.size,
        sha256=manifest.sha256,
        key=manifest.key,
        expires_at=datetime.fromtimestamp(manifest.expires, UTC),
        envelope=envelope,
    )
    with path.open("rb") as file:
        _storage().save(key_of(made), File(file))
    with transaction.atomic():
        newest = AgentRelease.objects.select_for_update().first()
        if newest is not None and newest.seq == made.seq and newest.sha256 == made.sha256:
            return newest, False
        if newest is not None and newest.seq >= made.seq:
            raise ReleaseError(
                "downgrade", f"Release {newest.seq} is published: the next needs a larger seq."
            )
        made.save()
        audit.record("agent.release.published", actor=actor, detail=_about(made))
    return made, True


def withdraw(found: AgentRelease, *, actor: Any, address: str = "") -> bool:
    """Offer it no more; True where it was offered. Who has it keeps it."""
    with transaction.atomic():
        rows = AgentRelease.objects.filter(pk=found.pk, withdrawn_at=None)
        if not rows.update(withdrawn_at=timezone.now()):
            return False
        audit.record("agent.release.withdrawn", actor=actor, address=address, detail=_about(found))
    return True


def offered(version: str = "") -> AgentRelease | None:
    """The newest release that agents may have, of a version where one is named."""
    rows = AgentRelease.objects.filter(withdrawn_at=None, expires_at__gt=timezone.now())
    return (rows.filter(version=version) if version else rows).first()


def read(found: AgentRelease, start: int, count: int) -> bytes:
    """Bytes of the program. Raises OSError."""
    with _storage().open(key_of(found), "rb") as file:
        file.seek(start)
        data: bytes = file.read(count)
        return data


def _about(found: AgentRelease) -> dict[str, Any]:
    return {"seq": found.seq, "version": found.version, "key": found.key}
