"""The disaster drill: an empty machine, the backup storage and the key on paper."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from pacs.sealing import Key
from tests.backup.cloudinary_service import CLOUD, KEY, SECRET, CloudinaryService
from tests.servers import migrated
from tests.servers.stack import CHECKOUT

IMAGES = 12

FILL = """
import sys
from io import BytesIO
from pathlib import Path
from pacs import audit
from pacs.accounts.models import Site, User
from studies.backup import database, engine, keys
from studies.services import ingest
site = Site.objects.create(name="Main", slug="main")
User.objects.create_user("reader", password="a-long-enough-password")
for path in sorted(Path(sys.argv[1]).iterdir()):
    with path.open("rb") as file:
        assert ingest.store(file, source="upload:test", site=site).outcome == "stored"
    if path.name == "5.dcm":
        while engine.run():
            pass
        audit.record("drill.before", site=site)
        database.take()
while engine.run():
    pass
"""
TELL = """
import hashlib, json
from pacs.accounts.models import Site, User
from pacs.audit.models import AuditEvent
from studies import archive
from studies.models import Instance
print(json.dumps({
    "files": {i.sop_instance_uid: [i.file_sha256, hashlib.sha256(
        archive.open_archived(i.archive_key).read()).hexdigest()] for i in Instance.objects.all()},
    "users": list(User.objects.values_list("username", flat=True)),
    "sites": list(Site.objects.values_list("slug", flat=True)),
    "audit": list(AuditEvent.objects.values_list("action", flat=True)),
}))
"""


class Machine:
    """A data directory, and the portal's commands in it as processes of their own."""

    def __init__(self, data_dir: Path, backup: str) -> None:
        data_dir.mkdir()
        self.database = data_dir / "lightbox.sqlite3"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        self.environment = {
            **kept,
            "PACS_DATA_DIR": str(data_dir),
            "PACS_BACKUP_URL": backup,
            "PACS_DEMO": "0",
            "DJANGO_SETTINGS_MODULE": "pacs.settings.development",
        }

    def manage(self, *command: str, typed: str = "") -> str:
        return self._run([str(CHECKOUT / "manage.py"), *command], typed)

    def python(self, program: str, *arguments: str) -> str:
        begin = "import django; django.setup()\n"
        return self._run(["-c", begin + program, *arguments], "")

    def _run(self, arguments: list[str], typed: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=CHECKOUT,
            input=typed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    study = generate_uid()
    for number in range(IMAGES):
        image = dcmread(get_testdata_file("CT_small.dcm"))
        image.StudyInstanceUID = study
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.save_as(folder / f"{number}.dcm")
    return folder


def facts_of(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.python(TELL).splitlines()[-1])
    return found


def wanted(images: Path) -> dict[str, list[str]]:
    found = {}
    for path in images.iterdir():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)] = [digest, digest]
    return found


@pytest.mark.integration
def test_everything_comes_back(tmp_path: Path, images: Path) -> None:
    """Six images and the users are in the database's copy; six images came after it."""
    from studies.backup.keys import sheet

    key = Key.new()
    with CloudinaryService() as service:
        url = f"cloudinary://{KEY}:{SECRET}@{CLOUD}/drill?api_url={service.url}"
        first = Machine(tmp_path / "first", url)
        migrated.sqlite(first.database)
        first.manage("escrow_key", "--adopt", typed=f"{sheet(key)}\n")
        first.python(FILL, str(images))
        assert facts_of(first)["files"] == wanted(images)
        assert len([n for n in service.objects if n.startswith("drill/archive/")]) == IMAGES

        second = Machine(tmp_path / "second", url)
        second.manage("escrow_key", "--adopt", typed=f"{sheet(key)}\n")
        second.manage("restore_database")
        second.manage("migrate", "--noinput", "-v", "0")
        told = second.manage("restore_all")
        assert "12 brought back, 0 failed" in told
        found = facts_of(second)
    assert found["files"] == wanted(images)
    assert found["users"] == ["reader"]
    assert found["sites"] == ["main"]
    assert "drill.before" in found["audit"]


@pytest.mark.integration
def test_the_index_from_the_archive_alone(tmp_path: Path, images: Path) -> None:
    first = Machine(tmp_path / "first", f"file://{tmp_path}/backup")
    migrated.sqlite(first.database)
    first.python(FILL, str(images))
    second = Machine(tmp_path / "second", "")
    (tmp_path / "first" / "archive").rename(tmp_path / "second" / "archive")
    migrated.sqlite(second.database)
    assert "12 images added" in second.manage("restore_all", "--index-only")
    assert "12 were known" in second.manage("restore_all", "--index-only")
    found = facts_of(second)
    assert found["files"] == wanted(images)
    assert found["sites"] == ["site-1"]
