"""Every hostile class through a real peer: the upload door of the running portal, or Orthanc.

Each ends stored, as a no-op, or in quarantine with a reason; worker and web stay alive.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    generate_uid,
)

from tests.servers.orthanc import OrthancServer
from tests.servers.portal import Portal

pytestmark = pytest.mark.integration


def fresh(name: str = "CT_small.dcm", **values: object) -> Dataset:
    """A real file under new UIDs."""
    dataset = dcmread(get_testdata_file(name))
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.SOPInstanceUID = generate_uid()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def written(dataset: Dataset, **options: object) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, **options)
    return buffer.getvalue()


def nested(depth: int) -> bytes:
    dataset = fresh()
    inner = Dataset()
    inner.PatientComments = "innermost"
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedStudySequence = Sequence([inner])
        inner = outer
    dataset.update(inner)
    import sys

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        return written(dataset)
    finally:
        sys.setrecursionlimit(limit)


def deflate_bomb() -> bytes:
    dataset = fresh()
    del dataset.PixelData
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    plain = written(dataset)
    meta_end = 144 + int.from_bytes(plain[140:144], "little")
    body = zlib.decompress(plain[meta_end:], -zlib.MAX_WBITS)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    squeezed = packer.compress(body)
    squeezed += packer.compress(b"\xe0\x7f\x10\x00OW\0\0" + (2**30).to_bytes(4, "little"))
    zeros = bytes(2**20)
    for _ in range(2**10):
        squeezed += packer.compress(zeros)
    return plain[:meta_end] + squeezed + packer.flush()


def lying_length() -> bytes:
    data = bytearray(written(fresh()))
    at = data.index(b"\x10\x00\x20\x00LO")
    data[at + 6 : at + 8] = (60_000).to_bytes(2, "little")
    return bytes(data)


def huge_claims() -> bytes:
    return written(fresh(Rows=65535, Columns=65535, NumberOfFrames=999_999))


def truncated() -> bytes:
    return written(fresh())[:-5000]


def short_pixels() -> bytes:
    dataset = fresh()
    dataset.PixelData = dataset.PixelData[:1000]
    return written(dataset)


def no_uids() -> bytes:
    dataset = fresh()
    dataset.StudyInstanceUID = "../../etc/passwd"
    return written(dataset)


REFUSED = {
    "empty": lambda: b"",
    "non-DICOM": lambda: b"%PDF-1.7 this is no image" * 100,
    "DICM and 10 MB of zeros": lambda: bytes(128) + b"DICM" + bytes(10_000_000),
    "deflate bomb of 1 GB": deflate_bomb,
    "nested 50 deep": lambda: nested(50),
    "nested 1,500 deep": lambda: nested(1500),
    "lying length": lying_length,
    "65535 x 65535 x 999,999 frames": huge_claims,
    "truncated file": truncated,
    "truncated pixels": short_pixels,
    "UIDs that are no UIDs": no_uids,
}


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
    import warnings

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
    from tests.servers.portal import wait

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
    from tests.servers.portal import wait

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


def test_a_file_that_kills_orthanc_does_not_hurt_the_portal(portal: Portal, tmp_path: Path) -> None:
    with OrthancServer(tmp_path / "victim") as orthanc:
        with contextlib.suppress(OSError):
            orthanc.rest("POST", "/instances", nested(50), timeout=20)
        assert portal.stack.health()[0] == 200
