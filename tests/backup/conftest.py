"""A backup storage in a folder, a confirmed key, and a study whose files are in the archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from pacs.accounts.models import Site
from pacs.sealing import Key
from studies.backup import keys, target
from tests.backup.cloudinary_service import CLOUD, KEY, SECRET, CloudinaryService


@pytest.fixture
def backup_to(settings: Any, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """`backup_to(entry, sealed=...)`: have this STORAGES entry as the backup storage."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def use(entry: dict[str, Any], *, sealed: bool = False) -> None:
            described = {**settings.STORAGES, "backup": entry}
            stack.enter_context(
                override_settings(
                    STORAGES=described, BACKUP_SEALED=sealed, DATA_DIR=tmp_path, BACKUP_THREADS=8
                )
            )
            target.describe.cache_clear()

        yield use


@pytest.fixture
def folder_backup(backup_to: Callable[..., None], tmp_path: Path) -> Path:
    """A folder as the backup storage, not sealed."""
    place = tmp_path / "backup"
    options = {"location": str(place)}
    backup_to({"BACKEND": "pacs.storage.DurableFileSystemStorage", "OPTIONS": options})
    return place


@pytest.fixture
def cloudinary_service() -> Iterator[CloudinaryService]:
    with CloudinaryService() as service:
        yield service


@pytest.fixture
def cloudinary_backup(
    db: None, backup_to: Callable[..., None], cloudinary_service: CloudinaryService
) -> CloudinaryService:
    """Cloudinary as the backup storage, sealed with a confirmed key."""
    options = {
        "cloud_name": CLOUD,
        "api_key": KEY,
        "api_secret": SECRET,
        "prefix": "pacs",
        "api_url": cloudinary_service.url,
        "timeout": 20,
    }
    backup_to(
        {"BACKEND": "pacs.cloudinary_storage.CloudinaryStorage", "OPTIONS": options}, sealed=True
    )
    keys.confirm(keys.create(), "test")
    return cloudinary_service


@pytest.fixture
def confirmed_key(db: None, tmp_path: Path, settings: Any) -> Key:
    settings.DATA_DIR = tmp_path
    key = keys.create()
    keys.confirm(key, "test")
    return key


@pytest.fixture
def store_images(site: Site) -> Callable[[int], list[Any]]:
    """`store_images(3)`: that many images through the one door, as their rows."""
    from pydicom import dcmread
    from pydicom.data import get_testdata_file
    from pydicom.uid import generate_uid

    from studies.models import Instance
    from studies.services import ingest

    def make(number: int) -> list[Any]:
        found = []
        for _ in range(number):
            image = dcmread(get_testdata_file("CT_small.dcm"))
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            data = BytesIO()
            image.save_as(data)
            data.seek(0)
            result = ingest.store(data, source="upload:test", site=site)
            found.append(Instance.objects.get(sop_instance_uid=result.sop_instance_uid))
        return found

    return make
