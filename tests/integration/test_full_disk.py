"""The archive's disk is full: nothing is lost, everybody is told, and it goes on by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studies.archive.room import WORDS
from tests.servers.portal import Portal, wait
from tests.servers.smalldisk import small_disk
from tests.servers.stack import Stack

pytestmark = pytest.mark.integration

DISK = 24 * 2**20


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal whose archive is a disk of 24 MB."""
    folder = tmp_path_factory.mktemp("small")
    with small_disk(folder / "archive", DISK) as archive:
        env = {"PACS_ARCHIVE_DIR": str(archive), "PACS_MIN_FREE_BYTES": "0"}
        with Stack(folder, env=env) as stack:
            yield Portal(stack)


def fill(archive: Path) -> Path:
    """Take what is left."""
    ballast = archive / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return ballast


def last_error(portal: Portal) -> str:
    out = portal.stack.shell(
        "from studies.models import OrthancServer\nprint(OrthancServer.objects.get().last_error)"
    )
    return out.strip()


def test_full_told_kept_by_orthanc_and_resumed(small: Portal, series: Any) -> None:
    archive = small.stack.data_dir / "archive"
    before, known = series(6)
    small.stack.storescu(before)
    small.wait_count(known, 6)
    ballast = fill(archive)

    files, uid = series(20, size=256)
    small.stack.storescu(files)
    wait(lambda: "cannot be written" in last_error(small), 60, "the failure is told", small)
    assert small.count(uid) < 20
    status, body = upload(small, files[0])
    assert (status, b"disk is full: nothing was stored" in body) == (507, True)
    assert stow(small, files[1]) == 507
    # What is there is still shown, and nothing half is in the archive.
    assert small.count(known) == 6
    assert not list(archive.rglob(".*"))

    ballast.unlink()
    small.wait_count(uid, 20, 60)
    assert last_error(small) == ""
    held, sent = small.archived(), small.orthanc_hashes()
    assert held == sent
    assert small.quarantine() == []
    assert upload(small, files[0])[0] == 200


def upload(portal: Portal, path: Path) -> tuple[int, bytes]:
    status, body, _ = portal.request(
        "POST",
        "/api/dicom/upload",
        who="technician",
        body=path.read_bytes(),
        headers={"Content-Type": "application/dicom"},
    )
    return status, body


def stow(portal: Portal, path: Path) -> int:
    edge = b"boundary-of-the-test"
    body = b"\r\n".join(
        (b"--" + edge, b"Content-Type: application/dicom", b"", path.read_bytes(), b"--%s--" % edge)
    )
    status, _, _ = portal.request(
        "POST",
        "/dicom-web/studies",
        who="technician",
        body=body,
        headers={
            "Content-Type": (
                f'multipart/related; type="application/dicom"; boundary={edge.decode()}'
            ),
            "Accept": "application/dicom+json",
        },
    )
    return status


def test_nearly_full_keeps_room_for_everything_else(small: Portal, series: Any) -> None:
    """With room left for the database, images wait; reading and health go on."""
    stack = small.stack
    stack.stop()
    stack.env["PACS_MIN_FREE_BYTES"] = str(8 * 2**20)
    stack.start()
    archive = stack.data_dir / "archive"
    free = DISK - sum(path.stat().st_size for path in archive.rglob("*") if path.is_file())
    ballast = archive / "ballast"
    ballast.write_bytes(bytes(free - 6 * 2**20))
    files, uid = series(4)
    stack.storescu(files)
    wait(lambda: last_error(small) == WORDS, 60, "the shortage is told", small)
    assert small.count(uid) == 0
    status, answer = stack.health()
    assert status == 200
    assert json.loads(answer)["parts"]["room"] == "nearly full, no images are taken"
    assert json.loads(answer)["status"] == "degraded"
    status, body = upload(small, files[0])
    assert (status, b"disk is full: nothing was stored" in body) == (507, True)
    ballast.unlink()
    small.wait_count(uid, 4, 60)
    assert json.loads(stack.health()[1])["parts"]["room"] == "ok"
    assert small.archived() == small.orthanc_hashes()
