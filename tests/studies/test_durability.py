"""What has to be on the disk before an image counts as stored."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pacs import statements
from studies import archive
from studies.dicom.payload import Payload
from studies.models import Instance
from studies.services import ingest
from tests.dicomweb.asking import ct_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths as they are synced and put in place, and tables as they are written, in order."""
    found: list[str] = []
    real_sync, real_replace, real_insert = os.fsync, Path.replace, statements.insert

    def fsync(descriptor: int) -> None:
        real_sync(descriptor)
        found.append(f"sync {os.readlink(f'/proc/self/fd/{descriptor}')}")

    def replace(self: Path, target: Any) -> Path:
        found.append(f"place {self}")
        return real_replace(self, target)

    def insert(model: Any, *arguments: Any) -> None:
        found.append(f"rows {model.__name__}")
        real_insert(model, *arguments)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(statements, "insert", insert)
    return found


def test_file_then_name_then_rows(site: Any, steps: list[str]) -> None:
    ingest.store(BytesIO(ct_file()), source="test", site=site)
    path = archive.local_path(Instance.objects.get().archive_key)
    place = next(at for at, step in enumerate(steps) if step.startswith("place"))
    draft = steps[place].removeprefix("place ")
    assert steps.index(f"sync {draft}") < place
    folder = len(steps) - 1 - steps[::-1].index(f"sync {path.parent}")
    assert place < folder < steps.index("rows Instance")


def test_a_batch_syncs_each_file_and_each_folder_once(
    site: Any, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # All in one folder, as files of a batch now and then are.
    monkeypatch.setattr(archive, "key_of", lambda site_id, sha256: f"{site_id}/aa/{sha256}")
    files = [ct_file(number=number) for number in (1, 2, 3)]
    prepared = [
        ingest.prepare(Payload.from_bytes(file), source="test", site_id=site.pk) for file in files
    ]
    folder = archive.local_path(prepared[0].archive_key).parent
    assert sum(step.startswith(f"sync {folder}/") for step in steps) == 3
    before = steps.count(f"sync {folder}")
    results = ingest.commit(prepared)
    assert [result.outcome for result in results] == ["stored"] * 3
    assert steps.count(f"sync {folder}") == before + 1
    assert steps.index("rows Instance") > len(steps) - 1 - steps[::-1].index(f"sync {folder}")


def test_what_another_has_just_placed_is_settled_too(site: Any, steps: list[str]) -> None:
    """The file may be there without its name being safe: its placer has not come so far."""
    payload = Payload.from_bytes(ct_file())
    archive.put(payload, site_id=site.pk, sha256=payload.sha256)
    steps.clear()
    ingest.store(BytesIO(payload.data), source="test", site=site)
    folder = archive.local_path(Instance.objects.get().archive_key).parent
    assert steps.index(f"sync {folder}") < steps.index("rows Instance")
