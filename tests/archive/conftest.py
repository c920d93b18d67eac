"""An archive at an S3 server process, behind a proxy that can get in the way."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from pacs.settings.storages import archive_storage
from studies import archive
from tests.servers.s3 import S3Proxy


def client(url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )


@pytest.fixture
def proxy(s3_server: str) -> Iterator[S3Proxy]:
    made = S3Proxy(s3_server)
    yield made
    made.close()


@pytest.fixture
def bucket(s3_server: str) -> str:
    name = f"images-{uuid.uuid4().hex[:12]}"
    client(s3_server).create_bucket(Bucket=name)
    return name


@pytest.fixture
def s3_archive(proxy: S3Proxy, bucket: str, settings: Any, tmp_path: Path) -> Iterator[S3Proxy]:
    """The archive is at the proxy; copies of it are in a folder of the test."""
    entry = archive_storage(f"s3://key:secret@{bucket}/pacs?endpoint_url={proxy.url}", "")
    # Not override_settings: what a test sets afterwards would bring this back when it is undone.
    settings.STORAGES = {**settings.STORAGES, "archive": entry}
    settings.ARCHIVE_CACHE_DIR = tmp_path / "copies"
    yield proxy
    archive.fetch_missing_with(_original)


_original = archive._fetch  # what the app registered
