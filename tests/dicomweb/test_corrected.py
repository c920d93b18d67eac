"""DICOMweb serves what was corrected, and of rejected images nothing."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from pydicom import dcmread

from studies.corrections.services import (
    Why,
    correct_facts,
    move_series,
    reject_images,
    reject_study,
)
from studies.models import Instance, Series, Study
from tests.dicomweb.asking import TEST_FILES, Stored, ct_file, store

pytestmark = pytest.mark.django_db(transaction=True)

SAID = {"PatientName": "MÜLLER^Jürgen", "PatientID": "RIGHT-1", "AccessionNumber": "R-9"}
DICOM = {"accept": "application/dicom"}


@pytest.fixture
def why(technician: Any) -> Why:
    return Why(technician, "typing")


@pytest.fixture
def corrected(ct: Stored, why: Why) -> Stored:
    correct_facts(ct.study_pk, 0, SAID, why)
    return ct


def read(body: bytes) -> Any:
    return dcmread(BytesIO(body))


def is_right(dataset: Any) -> bool:
    return (str(dataset.PatientName), dataset.PatientID) == ("MÜLLER^Jürgen", "RIGHT-1")


def test_one_instance(client: Any, radiologist: Any, corrected: Stored) -> None:
    reply = client(radiologist).get(corrected.path, headers=DICOM)
    dataset = read(reply.body)
    assert is_right(dataset)
    assert dataset.PixelData == corrected.dataset.PixelData
    assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID
    original = dataset.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (original.PatientName, original.PatientID) == ("DOE^Jane", "P-1")


def test_a_range_of_it(client: Any, radiologist: Any, corrected: Stored) -> None:
    asked = client(radiologist)
    whole = asked.get(corrected.path, headers=DICOM).body
    for first, last in ((0, 99), (100, len(whole) - 1), (len(whole) - 5, len(whole) - 1)):
        part = asked.get(corrected.path, headers={**DICOM, "range": f"bytes={first}-{last}"})
        assert (part.status, part.body) == (206, whole[first : last + 1])


def test_the_etag_changes_with_it(client: Any, radiologist: Any, ct: Stored, why: Why) -> None:
    asked = client(radiologist)
    before = asked.get(ct.path, headers=DICOM).headers["etag"]
    correct_facts(ct.study_pk, 0, SAID, why)
    again = asked.get(ct.path, headers={**DICOM, "if-none-match": before})
    assert again.status == 200
    assert is_right(read(again.body))


def test_study_series_and_zip(client: Any, radiologist: Any, corrected: Stored) -> None:
    asked = client(radiologist)
    for path in (corrected.study_path, corrected.series_path):
        reply = asked.get(path, headers={"accept": 'multipart/related; type="application/dicom"'})
        assert [is_right(read(part.body)) for part in reply.parts] == [True]
    reply = asked.get(corrected.study_path, headers={"accept": "application/zip"})
    with ZipFile(BytesIO(reply.body)) as archive:
        assert archive.testzip() is None
        assert [is_right(read(archive.read(name))) for name in archive.namelist()] == [True]


def test_in_another_transfer_syntax(client: Any, radiologist: Any, corrected: Stored) -> None:
    jpeg_ls = "1.2.840.10008.1.2.4.80"
    accept = {"accept": f"application/dicom; transfer-syntax={jpeg_ls}"}
    dataset = read(client(radiologist).get(corrected.path, headers=accept).body)
    assert is_right(dataset)
    assert dataset.file_meta.TransferSyntaxUID == jpeg_ls
    assert (dataset.pixel_array == corrected.dataset.pixel_array).all()


@pytest.mark.parametrize(
    "name", ["image_dfl.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "JPEG2000.dcm"]
)
def test_every_encoding(client: Any, radiologist: Any, site: Any, why: Why, name: str) -> None:
    stored = store(site, (TEST_FILES / name).read_bytes())
    correct_facts(stored.study_pk, 0, SAID, why)
    accept = {"accept": "application/dicom; transfer-syntax=*"}
    dataset = read(client(radiologist).get(stored.path, headers=accept).body)
    assert is_right(dataset)
    assert dataset.file_meta.TransferSyntaxUID == stored.dataset.file_meta.TransferSyntaxUID
    assert dataset.PixelData == stored.dataset.PixelData


@pytest.mark.parametrize("level", ["study_path", "series_path", "path"])
def test_metadata(client: Any, radiologist: Any, corrected: Stored, level: str) -> None:
    (document,) = client(radiologist).get(f"{getattr(corrected, level)}/metadata").json
    assert document["00100010"]["Value"] == [{"Alphabetic": "MÜLLER^Jürgen"}]
    assert document["00080050"]["Value"] == ["R-9"]
    (item,) = document["04000561"]["Value"]
    assert item["04000550"]["Value"][0]["00100020"]["Value"] == ["P-1"]


def test_metadata_that_was_read_before(client: Any, radiologist: Any, ct: Stored, why: Why) -> None:
    asked = client(radiologist)
    before = asked.get(f"{ct.study_path}/metadata")
    assert before.json[0]["00100020"]["Value"] == ["P-1"]
    correct_facts(ct.study_pk, 0, SAID, why)
    after = asked.get(
        f"{ct.study_path}/metadata", headers={"if-none-match": before.headers["etag"]}
    )
    assert after.json[0]["00100020"]["Value"] == ["RIGHT-1"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("PatientID=RIGHT-1", 1),
        ("PatientID=P-1", 0),
        ("PatientName=m%C3%BCller*", 1),
        ("PatientName=DOE*", 0),
        ("AccessionNumber=R-9", 1),
    ],
)
def test_search(client: Any, radiologist: Any, corrected: Stored, query: str, found: int) -> None:
    for level in ("studies", "series", "instances"):
        reply = client(radiologist).get(f"/dicom-web/{level}?{query}&includefield=all")
        rows = reply.json if reply.status == 200 else []
        assert len(rows) == found
        for row in rows:
            assert row["00100020"]["Value"] == ["RIGHT-1"]


def test_search_by_an_attribute_of_documents(
    client: Any, radiologist: Any, site: Any, why: Why
) -> None:
    stored = store(site, ct_file(instance="1.2.3.77", OtherPatientIDs="WRONG-77"))
    asked = client(radiologist)
    path = f"/dicom-web/studies/{stored.study}/instances?OtherPatientIDs=WRONG-77"
    assert len(asked.get(path).json) == 1
    correct_facts(stored.study_pk, 0, {"PatientID": "RIGHT-1"}, why)
    reply = asked.get(path)
    assert reply.status == 204 or reply.json == []
    dataset = read(asked.get(stored.path, headers=DICOM).body)
    assert "OtherPatientIDs" not in dataset


def test_a_report_as_a_page(client: Any, radiologist: Any, site: Any, why: Why) -> None:
    stored = store(site, (TEST_FILES / "reportsi.dcm").read_bytes())
    asked = client(radiologist)
    accept = {"accept": "text/html"}
    before = asked.get(f"{stored.path}/rendered", headers=accept).body.decode()
    correct_facts(stored.study_pk, 0, SAID, why)
    page = asked.get(f"{stored.path}/rendered", headers=accept).body.decode()
    assert "Jürgen" in page
    assert page.count("Last Name") == before.count("Last Name") - 1


def test_annotated_pictures(client: Any, radiologist: Any, site: Any, why: Why) -> None:
    stored = store(site, ct_file(instance="1.2.3.78", size=256))
    asked = client(radiologist)
    path = f"{stored.path}/rendered?annotation=patient"
    accept = {"accept": "image/png"}
    before = asked.get(path, headers=accept)
    assert before.status == 200
    correct_facts(stored.study_pk, 0, SAID, why)
    assert asked.get(path, headers=accept).body != before.body
    plain = f"{stored.path}/rendered"
    assert asked.get(plain, headers=accept).status == 200


def test_a_moved_series_is_found_in_its_new_study_only(
    client: Any, radiologist: Any, site: Any, ct: Stored, why: Why
) -> None:
    other = store(site, ct_file(series="1.2.3.9", instance="1.2.3.9.1", seed=3))
    asked = client(radiologist)
    assert asked.get(other.path, headers=DICOM).status == 200
    series = Series.objects.get(series_instance_uid="1.2.3.9")
    move_series(ct.study_pk, 0, [series.pk], None, why)
    new = Study.objects.get(series=series)
    assert asked.get(other.path, headers=DICOM).status == 404
    path = other.path.replace(f"{ct.study}/", f"{new.study_instance_uid}/")
    assert read(asked.get(path, headers=DICOM).body).StudyInstanceUID == new.study_instance_uid
    (document,) = asked.get(f"/dicom-web/studies/{new.study_instance_uid}/metadata").json
    assert document["0020000D"]["Value"] == [new.study_instance_uid]


class TestRejected:
    def test_an_image(
        self, client: Any, radiologist: Any, admin: Any, site: Any, ct: Stored, technician: Any
    ) -> None:
        gone = store(site, ct_file(instance="1.2.3.5", number=2, seed=5))
        asked = client(radiologist)
        assert asked.get(gone.path, headers=DICOM).status == 200
        image = Instance.objects.get(sop_instance_uid="1.2.3.5")
        reject_images(ct.study_pk, 0, [], [image.pk], Why(technician, "quality"))
        assert asked.get(gone.path, headers=DICOM).status == 404
        assert asked.get(f"{gone.path}/metadata").status == 404
        assert asked.get(f"{gone.path}/frames/1").status == 404
        assert len(asked.get(f"{ct.study_path}/metadata").json) == 1
        (study,) = asked.get(f"/dicom-web/studies?StudyInstanceUID={ct.study}").json
        assert study["00201208"]["Value"] == [1]
        assert len(asked.get(f"{ct.study_path}/instances").json) == 1
        assert len(asked.get("/dicom-web/studies").json) == 1
        assert len(asked.get("/dicom-web/instances").json) == 1
        reply = asked.get(ct.study_path, headers={"accept": "application/zip"})
        with ZipFile(BytesIO(reply.body)) as archive:
            assert len(archive.namelist()) == 1
        holder = Study.objects.get(rejection__of=ct.study_pk)
        path = gone.path.replace(f"{ct.study}/", f"{holder.study_instance_uid}/")
        assert asked.get(path, headers=DICOM).status == 404
        assert client(admin).get(path, headers=DICOM).status == 200

    def test_a_study(
        self, client: Any, radiologist: Any, admin: Any, ct: Stored, technician: Any
    ) -> None:
        asked = client(radiologist)
        assert asked.get(ct.path, headers=DICOM).status == 200
        reject_study(ct.study_pk, 0, Why(technician, "safety"))
        for path in (ct.study_path, ct.path, f"{ct.study_path}/metadata"):
            assert asked.get(path).status == 404
        for query in (
            "",
            "?ModalitiesInStudy=CT",
            f"?StudyInstanceUID={ct.study}",
            "?PatientID=P-1",
        ):
            reply = asked.get(f"/dicom-web/studies{query}")
            assert reply.status == 204 or reply.json == []
        assert client(admin).get(ct.path, headers=DICOM).status == 200
