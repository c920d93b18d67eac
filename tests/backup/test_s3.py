"""S3 by a real server process: uploads, ranges of names, refusals, troubles."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import boto3
import pytest

from pacs.settings.storages import backup_storage
from studies.backup import engine, keys, target, verify
from studies.backup.errors import BackupDown, BackupRefuses, Missing
from studies.backup.models import BackupHealth, BackupState
from tests.servers.ports import free_port

Store = Callable[[int], list[Any]]


def address(server: str, bucket: str = "images") -> dict[str, Any]:
    found = backup_storage(f"s3://key:secret@{bucket}/pacs?endpoint_url={server}")
    assert found is not None
    return found


@pytest.fixture
def s3_backup(db: None, backup_to: Callable[..., None], s3_server: str) -> str:
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="images")
    client.close()
    backup_to(address(s3_server), sealed=True)
    keys.confirm(keys.create(), "test")
    return s3_server


def test_backed_up_and_verified(s3_backup: str, store_images: Store) -> None:
    held = store_images(5)
    engine.run()
    assert BackupState.objects.filter(state="done").count() == 5
    assert verify.verify(BackupState.objects.all()).is_clean
    wanted = {f"archive/{each.archive_key}.sealed" for each in held}
    assert wanted <= set(target.names("archive"))
    assert target.size_of("archive/none") is None
    with pytest.raises(Missing):
        list(target.stream("archive/none"))


def test_a_missing_bucket_is_told(
    db: None, backup_to: Callable[..., None], s3_server: str, store_images: Store
) -> None:
    backup_to(address(s3_server, "elsewhere"))
    store_images(1)
    engine.run()
    assert BackupState.objects.get().state == "pending"
    assert "refuses" in BackupHealth.objects.get().last_error
    with pytest.raises(BackupRefuses):
        target.put("a", BytesIO(b"x"), 1)


def test_a_server_that_is_gone_is_waited_for(db: None, backup_to: Callable[..., None]) -> None:
    backup_to(address(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(BackupDown):
        target.put("a", BytesIO(b"x"), 1)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDenied", BackupRefuses),
        ("InvalidAccessKeyId", BackupRefuses),
        ("SignatureDoesNotMatch", BackupRefuses),
        ("SlowDown", BackupDown),
        ("InternalError", BackupDown),
        ("NoSuchKey", Missing),
    ],
)
def test_answers_by_what_has_to_be_done(code: str, error: type[Exception]) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(error):
        target._translate(ClientError({"Error": {"Code": code}}, "PutObject"))
