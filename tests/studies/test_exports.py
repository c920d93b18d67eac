"""Taking studies and pictures out of the portal: who may, what is in it, what is audited."""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import AsyncClient, Client
from pydicom import Dataset, dcmread
from pydicom.fileset import FileSet
from pydicom.uid import generate_uid

from pacs.accounts.models import Role, Site, User
from pacs.audit.models import AuditEvent
from studies.corrections.services import Why, correct_facts, reject_images
from studies.demo import synth
from studies.exports import zipped
from studies.exports.zipped import Member, zip_pieces
from studies.models import Instance, Study, StudyGrant
from studies.services import ingest
from tests.conftest import person
from tests.dicom import greys

pytestmark = pytest.mark.django_db
LogIn = Callable[[User], Client]
US = "1.2.840.10008.5.1.4.1.1.6.1"
CT = "1.2.840.10008.5.1.4.1.1.2"


def put(site: Site, *datasets: Dataset) -> Study:
    """One study of these."""
    uid = generate_uid()
    for number, dataset in enumerate(datasets, 1):
        dataset.StudyInstanceUID, dataset.InstanceNumber = uid, number
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        file.seek(0)
        assert ingest.store(file, source="test", site=site, actor=None).outcome == "stored"
    return Study.objects.get(site=site, study_instance_uid=uid)


def image(kind: str = CT, **elements: Any) -> Dataset:
    return greys.image(
        np.array([[1, 2], [3, 4]], np.uint16),
        **{
            "SOPClassUID": kind,
            "PatientName": "WRONG^Wilma",
            "PatientID": "WRONG-1",
            "PatientBirthDate": "19600203",
            "InstitutionName": "Hospital of the Town",
            "StudyDescription": "Thorax of Wilma",
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "BurnedInAnnotation": "NO",
            **elements,
        },
    )


@pytest.fixture
def scanned(site: Site, tmp_path: Path) -> Study:
    """Three CT slices of the demo, that say nothing of burned-in words."""
    for path in synth.ct_series(tmp_path, slices=3, size=32, seed=31):
        with Path(path).open("rb") as file:
            ingest.store(file, source="test", site=site, actor=None)
    return Study.objects.filter(site=site).latest("id")


@pytest.fixture
def mixed(site: Site) -> Study:
    return put(
        site,
        image(),
        image(BurnedInAnnotation=None),
        image(BurnedInAnnotation="YES"),
        image(US),
        image(ConvolutionKernel="for Wilma"),
    )


async def _fetched(client: Client, path: str, data: dict[str, Any]) -> tuple[Any, bytes]:
    own = AsyncClient()
    own.cookies = client.cookies
    answer: Any = await own.post(path, data)
    if not answer.streaming:
        return answer, answer.content
    return answer, b"".join([part async for part in answer.streaming_content])


def fetched(client: Client, path: str, **data: Any) -> tuple[Any, bytes]:
    return asyncio.run(_fetched(client, path, data))


def unpacked(body: bytes, folder: Path) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
        return archive.namelist()


@pytest.mark.django_db(transaction=True)
def test_the_study_with_its_directory(
    scanned: Study, technician: User, logged_in: LogIn, tmp_path: Path
) -> None:
    said = {"PatientName": "RIGHT^Robin", "PatientID": "RIGHT-1"}
    correct_facts(scanned.pk, 0, said, Why(technician, "typing"))
    answer, body = fetched(logged_in(technician), f"/studies/{scanned.pk}/export/dicom.zip")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert answer["Content-Disposition"] == f'attachment; filename="study-{scanned.pk}.zip"'
    assert answer["Cache-Control"] == "no-store"
    root = tmp_path / "disc"
    names = unpacked(body, root)
    assert names[:2] == ["DICOMDIR", "README.TXT"]
    assert len(names) == 5
    file_set = FileSet(root / "DICOMDIR")
    try:
        assert len(file_set) == 3
        assert file_set.find_values("PatientID") == ["RIGHT-1"]
        for each in file_set:
            found = dcmread(each.path)
            assert (found.PatientID, found.SOPInstanceUID) == ("RIGHT-1", each.SOPInstanceUID)
            assert found.pixel_array.shape == (32, 32)
    finally:
        # pydicom leaves the folder of its work to the garbage collector.
        file_set._stage["t"].cleanup()
    dump = subprocess.run(
        ["dcmdump", "-q", "+P", "0004,1500", str(root / "DICOMDIR")],
        capture_output=True, text=True, check=True, timeout=30,
    ).stdout  # fmt: skip
    assert dump.count("PT000000\\ST000000\\SE000000\\IM") == 3
    (root / "DICOMDIR").unlink()
    made = subprocess.run(
        ["dcmmkdir", "--general-purpose", "+r", "+id", str(root), "+D", "DICOMDIR", "PT000000"],
        cwd=root, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (made.returncode, made.stderr) == (0, "")
    event = AuditEvent.objects.get(action="study.exported")
    assert (event.actor_name, event.study_id, event.detail) == (
        "technician",
        scanned.pk,
        {"images": 3},
    )


@pytest.mark.django_db(transaction=True)
def test_rejected_images_stay_here(
    scanned: Study, technician: User, logged_in: LogIn, tmp_path: Path
) -> None:
    gone, *stays = Instance.objects.filter(series__study=scanned).order_by("id")
    reject_images(scanned.pk, 0, [], [gone.pk], Why(technician, "quality"))
    _, body = fetched(logged_in(technician), f"/studies/{scanned.pk}/export/dicom.zip")
    names = unpacked(body, tmp_path / "disc")
    found = {dcmread(tmp_path / "disc" / name).SOPInstanceUID for name in names[2:]}
    assert found == {each.sop_instance_uid for each in stays}
    assert gone.sop_instance_uid.encode() not in body


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_names_nobody(
    mixed: Study, radiologist: User, logged_in: LogIn, tmp_path: Path
) -> None:
    path = f"/studies/{mixed.pk}/export/deidentified.zip"
    answer, body = fetched(logged_in(radiologist), path)
    assert answer.status_code == 200
    named = r'attachment; filename="deidentified-[0-9a-f]{8}\.zip"'
    assert re.fullmatch(named, answer["Content-Disposition"])
    names = unpacked(body, tmp_path / "strict")
    assert names == ["series-001/00001.dcm", "LEFT-OUT.TXT"]
    for secret in (b"WRONG", b"Wilma", b"wilma", b"19600203", b"Hospital", b"20260102"):
        assert secret not in body
    for instance in Instance.objects.filter(series__study=mixed):
        assert instance.sop_instance_uid.encode() not in body
    assert mixed.study_instance_uid.encode() not in body
    text = (tmp_path / "strict" / "LEFT-OUT.TXT").read_text()
    assert text.splitlines() == [
        "1 left out: ConvolutionKernel would still name the patient.",
        "1 left out: its header does not say that no words are burned into it.",
        "1 left out: its header says that words are burned into it.",
        "1 left out: ultrasound.",
    ]
    found = dcmread(tmp_path / "strict" / names[0])
    assert found.PatientIdentityRemoved == "YES"
    assert found.pixel_array.tolist() == [[1, 2], [3, 4]]
    event = AuditEvent.objects.get(action="study.deidentified")
    assert event.detail == {"images": 2, "of": 5, "silent": False}

    answer, body = fetched(logged_in(radiologist), path, silent="on")
    names = unpacked(body, tmp_path / "lenient")
    assert names == ["series-001/00001.dcm", "series-002/00001.dcm", "LEFT-OUT.TXT"]
    one, two = (dcmread(tmp_path / "lenient" / name) for name in names[:2])
    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert one.PatientID == two.PatientID != found.PatientID


@pytest.mark.django_db(transaction=True)
def test_corrected_words_do_not_come_back(
    site: Site, technician: User, radiologist: User, logged_in: LogIn
) -> None:
    """The original attributes, which a correction keeps beside the new ones, are names too."""
    study = put(site, image())
    said = {"PatientName": "RIGHT^Robin", "PatientID": "RIGHT-1"}
    correct_facts(study.pk, 0, said, Why(technician, "typing"))
    _, body = fetched(logged_in(radiologist), f"/studies/{study.pk}/export/deidentified.zip")
    assert body.startswith(b"PK")
    assert not [each for each in (b"WRONG", b"Wilma", b"RIGHT", b"Robin") if each in body]


def test_what_the_page_says(mixed: Study, radiologist: User, logged_in: LogIn) -> None:
    client = logged_in(radiologist)
    page = client.get(f"/studies/{mixed.pk}/export/").content.decode()
    assert "Download with names" in page
    assert f"/studies/{mixed.pk}/export/check/" in page
    part = " ".join(client.get(f"/studies/{mixed.pk}/export/check/").content.decode().split())
    assert "2 of 5</b> images say themselves" in part
    assert "3 of 5" in part
    assert '<span class="numbers">1</span>: ultrasound' in part
    assert "burned into it" in part
    assert AuditEvent.objects.filter(action="export.opened").count() == 1


def test_nothing_can_be_given(site: Site, radiologist: User, logged_in: LogIn) -> None:
    study = put(site, image(US))
    client = logged_in(radiologist)
    assert (
        "No image of this study"
        in client.get(f"/studies/{study.pk}/export/check/").content.decode()
    )
    answer = client.post(f"/studies/{study.pk}/export/deidentified.zip")
    assert answer.status_code == 409
    assert not AuditEvent.objects.filter(action="study.deidentified").exists()


@pytest.mark.parametrize("what", ["", "check/", "dicom.zip", "deidentified.zip"])
def test_who_may_not(
    what: str,
    scanned: Study,
    site: Site,
    technician: User,
    referrer: User,
    stranger: User,
    logged_in: LogIn,
) -> None:
    StudyGrant.objects.create(study=scanned, user=referrer, granted_by=technician)
    path = f"/studies/{scanned.pk}/export/{what}"
    outside = [stranger, referrer]
    if what in ("check/", "deidentified.zip"):
        outside.append(technician)
    for user in outside:
        client = logged_in(user)
        ask = client.post if what.endswith("zip") else client.get
        assert ask(path).status_code == 404, user
    assert not AuditEvent.objects.filter(action__contains="export").exists()


def picture(client: Client, study: Study, uid: str, **changes: Any) -> Any:
    body = {"sop_instance_uid": uid, "frame": 1, "form": "png", "deidentified": False, **changes}
    return client.post(f"/api/studies/{study.pk}/pictures/", body, content_type="application/json")


def test_a_picture_is_asked_for_first(
    mixed: Study, radiologist: User, referrer: User, stranger: User, logged_in: LogIn
) -> None:
    client = logged_in(radiologist)
    plain, silent, yes, us, _ = (
        each.sop_instance_uid
        for each in Instance.objects.filter(series__study=mixed).order_by("id")
    )
    name = picture(client, mixed, us).json()["name"]
    assert name.startswith(f"picture-study-{mixed.pk}-series-1-image-")
    assert name.endswith(".png")
    assert "WRONG" not in name
    event = AuditEvent.objects.get(action="picture.exported")
    assert (event.actor_name, event.study_id) == ("radiologist", mixed.pk)
    assert event.detail["form"] == "png"
    assert not event.detail["deidentified"]

    found = picture(client, mixed, plain, deidentified=True, form="jpeg")
    assert found.status_code == 200
    assert re.fullmatch(r"picture-[0-9a-f]{8}\.jpg", found.json()["name"])
    for uid, words, looked in (
        (silent, "does not say", False),
        (yes, "says that words", True),
        (us, "ultrasound", True),
    ):
        refused = picture(client, mixed, uid, deidentified=True, silent=looked)
        assert refused.status_code == 409
        assert words in refused.json()["detail"]
    assert picture(client, mixed, silent, deidentified=True, silent=True).status_code == 200
    assert picture(client, mixed, plain, printed=True).status_code == 200
    assert AuditEvent.objects.filter(action="picture.printed").count() == 1
    assert picture(client, mixed, "1.2.3").status_code == 404
    assert picture(client, mixed, plain, form="gif").status_code == 400
    assert picture(logged_in(stranger), mixed, plain).status_code == 404
    StudyGrant.objects.create(study=mixed, user=referrer, granted_by=radiologist)
    assert picture(logged_in(referrer), mixed, plain).status_code == 403
    assert AuditEvent.objects.filter(action__startswith="picture").count() == 4


def test_an_archive_of_any_size_takes_little_memory() -> None:
    """Two hundred megabytes, piece by piece."""
    piece, count = b"\7" * (1 << 20), 50
    members = (Member(f"{n}.dcm", lambda: iter([piece] * count)) for n in range(4))
    tracemalloc.start()
    size = sum(len(part) for part in zip_pieces(members))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 200 * len(piece)
    assert most < 8 << 20


async def test_who_goes_away_ends_the_making() -> None:
    closed = []

    def pieces() -> Any:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    stream = zipped.streamed(pieces())
    assert await anext(stream) == b"x"
    await stream.aclose()  # type: ignore[attr-defined]
    assert closed == [True]


def test_a_technician_has_the_study_only(site: Site, scanned: Study, logged_in: LogIn) -> None:
    client = logged_in(person("hands", site, Role.TECHNICIAN))
    page = client.get(f"/studies/{scanned.pk}/export/").content.decode()
    assert "Download with names" in page
    assert "names nobody" not in page
