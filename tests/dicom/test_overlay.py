"""The overlay on real files of every encoding, read by programs that we did not write."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from studies.dicom import gate
from studies.dicom.errors import GateError
from studies.dicom.overlay import Overlay, merged, of_document, patch
from tests.dicomweb.asking import TEST_FILES, ct_file

DCIODVFY = Path(sys.executable).with_name("dciodvfy")
NAME, ID, STUDY, ACCESSION = 0x00100010, 0x00100020, 0x0020000D, 0x00080050
OTHER_IDS, AGE = 0x00101000, 0x00101010
AT = "20261126120000.000000+0000"
OWN = {NAME, ID, STUDY, ACCESSION, OTHER_IDS, AGE, 0x04000561, 0x00080005}


def overlay(name: str = "RIGHT^Robin") -> Overlay:
    values = {NAME: name, ID: "NEW-1", STUDY: "1.2.3.4", ACCESSION: "A-9"}
    return Overlay(values, frozenset({OTHER_IDS, AGE}), AT)


def apply(data: bytes, wanted: Overlay) -> bytes:
    before, rest_at = patch(data, wanted)
    return before + data[rest_at:]


def real_files() -> list[Path]:
    """What pydicom ships and passes the gate."""
    found = []
    for path in sorted(TEST_FILES.glob("*.dcm")):
        with contextlib.suppress(GateError):
            gate.inspect(path.read_bytes())
            found.append(path)
    return found


@pytest.mark.parametrize("name", ["RIGHT^Robin", "MÜLLER^Jürgen", "قباني^لنزار=山田^太郎"])
def test_real_files(name: str) -> None:
    files = real_files()
    assert len(files) > 50
    for path in files:
        data = path.read_bytes()
        made = apply(data, overlay(name))
        checked, before = gate.inspect(made), gate.inspect(data)
        assert checked.pixel_digest == before.pixel_digest, path
        assert checked.sop_instance_uid == before.sop_instance_uid
        old, new = dcmread(BytesIO(data)), dcmread(BytesIO(made))
        assert str(new.PatientName) == name, path
        assert (new.PatientID, new.StudyInstanceUID) == ("NEW-1", "1.2.3.4"), path
        assert OTHER_IDS not in new
        assert AGE not in new
        assert new.file_meta == old.file_meta
        item = new.OriginalAttributesSequence[-1]
        was = item.ModifiedAttributesSequence[0]
        assert (was.get("PatientName") or "") == (old.get("PatientName") or ""), path
        assert was.StudyInstanceUID == old.StudyInstanceUID
        assert item.ReasonForTheAttributeModification == "CORRECT"
        for element in old:
            if element.tag not in OWN and element.tag.element:
                assert new[element.tag] == element, (path, element.tag)


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "image_dfl.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm"]
)
def test_dcmtk_reads_it(name: str, tmp_path: Path) -> None:
    source = TEST_FILES / name
    target = tmp_path / "corrected.dcm"
    target.write_bytes(apply(source.read_bytes(), overlay()))
    said = subprocess.run(
        ["dcmdump", "-q", "+P", "PatientName", "+P", "PatientID", "+P", "0400,0561", target],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert "[RIGHT^Robin]" in said.stdout
    assert "[NEW-1]" in said.stdout
    assert "ModifiedAttributesSequence" in said.stdout


def errors(data: bytes, folder: Path) -> set[str]:
    """What dciodvfy calls errors."""
    path = folder / "file.dcm"
    path.write_bytes(data)
    said = subprocess.run([DCIODVFY, path], capture_output=True, text=True, timeout=60, check=False)
    return {line for line in said.stderr.splitlines() if line.startswith("Error")}


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "reportsi.dcm"])
def test_dciodvfy_finds_no_fault_of_ours(name: str, tmp_path: Path) -> None:
    source = TEST_FILES / name
    data = source.read_bytes()
    assert errors(apply(data, overlay()), tmp_path) <= errors(data, tmp_path)


def test_a_second_correction_adds_an_item() -> None:
    once = apply(ct_file(), overlay())
    twice = dcmread(BytesIO(apply(once, Overlay({NAME: "THIRD^Name"}, at=AT))))
    names = [
        item.ModifiedAttributesSequence[0].PatientName for item in twice.OriginalAttributesSequence
    ]
    assert names == ["DOE^Jane", "RIGHT^Robin"]


def test_what_is_right_already_stays_the_file_it_is() -> None:
    data = ct_file()
    assert patch(data, Overlay({NAME: "DOE^Jane", ID: "P-1"}, frozenset({AGE}), AT)) == (b"", 0)


def test_text_of_another_character_set_is_rewritten() -> None:
    data = ct_file(SpecificCharacterSet="ISO_IR 144", StudyDescription="Люкceмбypг")
    new = dcmread(BytesIO(apply(data, Overlay({NAME: "山田^太郎"}, at=AT))))
    assert new.SpecificCharacterSet == "ISO_IR 192"
    assert new.StudyDescription == "Люкceмбypг"
    assert str(new.PatientName) == "山田^太郎"
    was = new.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert was.SpecificCharacterSet == "ISO_IR 144"


def test_a_name_that_its_character_set_has() -> None:
    data = ct_file(SpecificCharacterSet="ISO_IR 100", PatientName="Møller^Søren")
    new = dcmread(BytesIO(apply(data, Overlay({NAME: "Müller^Jürgen"}, at=AT))))
    assert new.SpecificCharacterSet == "ISO_IR 100"
    assert str(new.PatientName) == "Müller^Jürgen"
    was = new.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert str(was.PatientName) == "Møller^Søren"


def test_only_the_head_is_read() -> None:
    """Of a large file nothing behind the patient and study is touched."""
    data = ct_file(size=512)
    before, rest_at = patch(data, overlay())
    assert len(before) < 4096
    assert rest_at < 4096


@pytest.mark.parametrize("length", [0, 131, 132, 140, 200, 300])
def test_what_is_cut_off_is_refused_or_kept(length: int) -> None:
    data = ct_file()[:length]
    with contextlib.suppress(GateError):
        patch(data, overlay())


def json_of(dataset: Dataset) -> dict[str, Any]:
    return dataset.to_json_dict(bulk_data_threshold=1 << 20)  # type: ignore[return-value]


def test_the_document_says_what_the_file_says() -> None:
    data = ct_file(OtherPatientIDs="X")
    document = json_of(dcmread(BytesIO(data)))
    said = merged(document, of_document(document, overlay("MÜLLER^Jürgen")))
    file = json_of(dcmread(BytesIO(apply(data, overlay("MÜLLER^Jürgen")))))
    for tag in ("00100010", "00100020", "0020000D", "00080050"):
        assert said[tag] == file[tag]
    assert f"{OTHER_IDS:08X}" not in said
    (item,), (other,) = said["04000561"]["Value"], file["04000561"]["Value"]
    for tag in ("00100020", "0020000D", f"{OTHER_IDS:08X}"):
        assert item["04000550"]["Value"][0][tag] == other["04000550"]["Value"][0][tag]
    assert item["04000562"] == other["04000562"]
