"""Backup and archive at OpenStack Swift, which checks signatures and refuses in its own words."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from django.utils import timezone

from pacs.settings.storages import archive_storage, backup_storage
from studies import archive
from studies.archive.errors import ArchiveRefuses
from studies.backup import engine, keys, target, verify
from studies.backup.errors import BackupRefuses
from studies.backup.models import BackupHealth, BackupState
from studies.dicom.payload import Payload
from tests.servers.swift import OWNER, READER, STRANGER, Swift

Store = Callable[[int], list[Any]]
REFUSED = {
    "a wrong secret": (OWNER[0], "wrong-secret"),
    "nobody's key": ("clinic:nobody", "right-secret"),
    "the key of a user who may nothing": READER,
    "the key of another account": STRANGER,
}


@pytest.fixture
def bucket(swift: Swift) -> str:
    name = f"images-{uuid.uuid4().hex[:12]}"
    client = boto3.client(
        "s3",
        endpoint_url=swift.url,
        aws_access_key_id=OWNER[0],
        aws_secret_access_key=OWNER[1],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=name)
    client.close()
    return name


def backup_at(swift: Swift, who: tuple[str, str], bucket: str) -> dict[str, Any]:
    entry = backup_storage(swift.address(who, bucket))
    assert entry is not None
    return entry


def archive_at(settings: Any, tmp_path: Path, address: str) -> None:
    entry = archive_storage(address, "")
    settings.STORAGES = {**settings.STORAGES, "archive": entry}
    settings.ARCHIVE_CACHE_DIR = tmp_path / "copies"


def put(data: bytes) -> str:
    payload = Payload.from_bytes(data)
    return archive.put(payload, site_id=1, sha256=payload.sha256)


@pytest.mark.parametrize("who", REFUSED.values(), ids=REFUSED)
def test_a_refused_backup_waits_is_told_and_goes_on_when_it_is_put_right(
    db: None,
    backup_to: Callable[..., None],
    swift: Swift,
    bucket: str,
    store_images: Store,
    who: tuple[str, str],
) -> None:
    backup_to(backup_at(swift, who, bucket), sealed=True)
    keys.confirm(keys.create(), "test")
    store_images(3)
    engine.run()
    assert {state.state for state in BackupState.objects.all()} == {"pending"}
    assert "refuses" in BackupHealth.objects.get().last_error
    assert who[1] not in BackupHealth.objects.get().last_error
    with pytest.raises(BackupRefuses):
        target.put("a", BytesIO(b"x"), 1)

    backup_to(backup_at(swift, OWNER, bucket), sealed=True)
    BackupState.objects.update(next_attempt_at=timezone.now())  # as if the pauses were over
    BackupHealth.objects.update(paused_until=None)
    engine.run()
    assert BackupState.objects.filter(state="done").count() == 3
    assert verify.verify(BackupState.objects.all()).is_clean


def test_nobody_reads_without_a_signature(swift: Swift, bucket: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{swift.url}/{bucket}/pacs/a", timeout=10)
    refused.value.close()
    assert refused.value.code in {400, 401, 403}


def test_a_large_backup_goes_in_parts_and_comes_back(
    db: None, backup_to: Callable[..., None], swift: Swift, bucket: str
) -> None:
    backup_to(backup_at(swift, OWNER, bucket))
    data = os.urandom(18 * 2**20)
    target.put("large", BytesIO(data), len(data))
    assert target.size_of("large") == len(data)
    assert b"".join(target.stream("large")) == data


def test_an_archive_is_written_and_read_in_stretches(
    settings: Any, tmp_path: Path, swift: Swift, bucket: str
) -> None:
    archive_at(settings, tmp_path, swift.address(OWNER, bucket))
    data = os.urandom(9 * 2**20 + 77)
    key = put(data)
    for copy in (tmp_path / "copies").rglob("*"):
        if copy.is_file():
            copy.unlink()
    assert archive.opened(key, len(data)).read(5 * 2**20, 100) == data[5 * 2**20 :][:100]
    assert list(archive.all_keys()) == [key]
    with archive.open_archived(key) as file:
        assert file.read() == data


@pytest.mark.parametrize("who", REFUSED.values(), ids=REFUSED)
def test_a_refusing_archive_takes_nothing_and_says_why(
    settings: Any, tmp_path: Path, swift: Swift, bucket: str, who: tuple[str, str]
) -> None:
    archive_at(settings, tmp_path, swift.address(who, bucket))
    with pytest.raises(ArchiveRefuses, match="check its address and credentials"):
        put(b"x" * 1000)
    assert "check its address and credentials" in str(archive.trouble())
