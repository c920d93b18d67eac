"""Directories of what devices write."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from pydicom import dcmread

from tests.dicom import greys
from tests.dicom.test_deidentify import written

CT = "1.2.840.10008.5.1.4.1.1.2"


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """A series or an image whose number is "A12" is listed, and its bytes stay."""
    image = greys.image(
        np.zeros((8, 8), dtype=np.uint16), SOPClassUID=CT, Modality="CT", PatientID="P-1",
        PatientName="Doe^Jane", StudyID="S", StudyDate="20260102", StudyTime="101112",
        AccessionNumber="", SeriesNumber=5555, InstanceNumber=7777,
    )  # fmt: skip
    image.file_meta.MediaStorageSOPClassUID = CT
    data = written(image)
    for was, now in ((b"7777", b"A12 "), (b"5555", b"S-1 ")):
        assert data.count(b"IS\x04\x00" + was) == 1
        data = data.replace(b"IS\x04\x00" + was, b"IS\x04\x00" + now)
    files, root = tmp_path / "files", tmp_path / "root"
    files.mkdir()
    (files / "00000000").write_bytes(data)
    asked = {"files": str(files), "root": str(root), "institution": "", "viewer": False}
    command = [sys.executable, "-m", "agents.site.disc.fileset"]
    done = subprocess.run(
        command, input=json.dumps(asked).encode(), capture_output=True, check=True, timeout=60
    )
    assert json.loads(done.stdout)["images"] == 1
    records = dcmread(root / "DICOMDIR").DirectoryRecordSequence
    (listed,) = [each.ReferencedFileID for each in records if "ReferencedFileID" in each]
    assert root.joinpath(*listed).read_bytes() == data
