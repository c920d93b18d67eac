"""Every hostile class through a real peer: the upload door of the running portal, or Orthanc.

Each ends stored, as a no-op, or in quarantine with a reason; worker and web stay alive.
"""

from __future__ import annotations

import hashlib
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless, generate_uid

from tests.dicom.hostile import REFUSED, fresh, written
from tests.servers.portal import Portal, wait

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("case", REFUSED)
def test_refused_files_are_kept_with_a_reason(portal: Portal, case: str) -> None:
    data = REFUSED[case]()
    pids = {name: portal.stack.pid(name) for name in ("web", "worker", "follow")}
    status, answer = portal.upload(data)
    assert (status, answer["outcome"]) == (202, "quarantined")
    assert answer["words"]
    digest = hashlib.sha256(data).hexdigest()
    assert [row for row in portal.quarantine() if row[1] == digest]
    assert portal.stack.health()[0] == 200
    assert pids == {name: portal.stack.pid(name) for name in pids}


@pytest.mark.parametrize("preamble", [b"MZ", b"\x7fELF", b"<html><script>", b"%PDF-1.4"])
def test_preambles_of_other_formats_are_harmless(portal: Portal, preamble: bytes) -> None:
    data = written(fresh())
    data = preamble.ljust(128, b"\0") + data[128:]
    assert portal.upload(data)[0] == 201


@pytest.mark.parametrize(
    "values",
    [
        {"PatientName": "<img src=x onerror=alert(1)>"},
        {"PatientID": "../../../../tmp/evil"},
        {"StudyDescription": "x" * 5000},
        {"PatientName": "'; DROP TABLE studies_study; --"},
    ],
    ids=["markup", "path", "long", "sql"],
)
def test_hostile_text_is_only_text(portal: Portal, values: dict[str, str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = fresh(**values)
        assert portal.upload(written(dataset))[0] == 201
    assert portal.count(dataset.StudyInstanceUID) == 1
    assert not Path("/tmp/evil").exists()


def test_the_same_image_by_another_route_is_a_no_op(portal: Portal, tmp_path: Path) -> None:
    dataset = fresh()
    path = tmp_path / "one.dcm"
    path.write_bytes(written(dataset))
    portal.stack.storescu([path])
    portal.wait_count(dataset.StudyInstanceUID, 1)
    status, answer = portal.upload(path.read_bytes())
    assert (status, answer["outcome"]) == (200, "duplicate")
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert portal.upload(written(dataset, implicit_vr=True, little_endian=True))[0] == 200
    assert portal.count(dataset.StudyInstanceUID) == 1


def test_the_same_pixels_compressed_are_a_no_op(portal: Portal) -> None:
    dataset = fresh("MR_small.dcm")
    assert portal.upload(written(dataset))[0] == 201
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    assert portal.upload(written(dataset))[0] == 200


def test_other_content_under_the_same_uid_is_a_conflict(portal: Portal, tmp_path: Path) -> None:
    dataset = fresh()
    assert portal.upload(written(dataset))[0] == 201
    dataset.PixelData = np.zeros(dataset.Rows * dataset.Columns, "<u2").tobytes()
    path = tmp_path / "conflict.dcm"
    path.write_bytes(written(dataset))
    portal.stack.storescu([path])
    wait(lambda: any(r[0] == "conflicting-content" for r in portal.quarantine()), 20, "conflict")
    assert portal.count(dataset.StudyInstanceUID) == 1


def test_another_patient_within_a_study(portal: Portal, tmp_path: Path) -> None:
    dataset = fresh()
    assert portal.upload(written(dataset))[0] == 201
    dataset.PatientID = "SOMEBODY-ELSE"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    path = tmp_path / "other.dcm"
    path.write_bytes(written(dataset))
    portal.stack.storescu([path])
    wait(lambda: any(r[0] == "other-patient" for r in portal.quarantine()), 20, "other patient")
    assert portal.count(dataset.StudyInstanceUID) == 1


@pytest.mark.parametrize("first", ["technician", "northtech"])
def test_two_sites_with_the_same_uids_and_other_pixels(portal: Portal, first: str) -> None:
    ours = fresh(PatientID="P-OURS")
    theirs = dcmread(BytesIO(written(ours)))
    theirs.PatientID = "P-THEIRS"
    theirs.PixelData = np.full(ours.Rows * ours.Columns, 7, "<u2").tobytes()
    send = {"technician": written(ours), "northtech": written(theirs)}
    second = "northtech" if first == "technician" else "technician"
    assert portal.upload(send[first], who=first)[0] == 201
    assert portal.upload(send[second], who=second)[0] == 201
    assert portal.upload(send[first], who=first)[0] == 200
    for who, pid in (("radiologist", "P-OURS"), ("stranger", "P-THEIRS")):
        found = portal.studies(who=who, StudyInstanceUID=ours.StudyInstanceUID)
        assert [s["00100020"]["Value"] for s in found] == [[pid]]
    frame = (
        f"/dicom-web/studies/{ours.StudyInstanceUID}/series/{ours.SeriesInstanceUID}"
        f"/instances/{ours.SOPInstanceUID}/frames/1"
    )
    assert ours.PixelData in portal.request("GET", frame)[1]
    assert theirs.PixelData in portal.request("GET", frame, who="stranger")[1]
