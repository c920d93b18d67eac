"""The JSON model against pydicom's own, for every file it ships, and for values that are none."""

from __future__ import annotations

import json
import math
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.data.data_manager import DATA_ROOT
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from studies.dicom import gate, header, json_model
from studies.dicom.elements import Elements
from studies.dicom.errors import GateError, Reason

TEST_FILES = Path(DATA_ROOT) / "test_files"
FILES = sorted(
    path
    for folder in ("test_files", "charset_files")
    for path in (Path(DATA_ROOT) / folder).rglob("*")
    if path.is_file() and path.read_bytes()[128:132] == b"DICM" and path.name != "badVR.dcm"
)


def meaning(model: dict[str, Any]) -> dict[str, Any]:
    """What a model says: no group lengths, no empty values, numbers as numbers."""
    said = {}
    for tag, element in model.items():
        if tag.endswith("0000"):
            continue
        values = [
            meaning(one) if element["vr"] == "SQ"
            else {k: str(v) for k, v in one.items() if str(v)} if isinstance(one, dict)
            else one.rstrip() if isinstance(one, str) else one
            for one in element.get("Value", [])
        ]  # fmt: skip
        values = [None if one == "" else one for one in values]
        said[tag] = (element["vr"], values, element.get("InlineBinary", ""))
    return said


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_same_as_pydicoms(path: Path) -> None:
    want = dcmread(path, stop_before_pixels=True).to_json_dict()
    dataset = header.read(path.read_bytes())
    got = json.loads(json_model.to_json(dataset, bulk_threshold=1 << 40))
    assert meaning(got) == meaning(json.loads(json.dumps(want, default=str)))


def test_facts_first_changes_nothing() -> None:
    for path in FILES:
        dataset, other = header.read(path.read_bytes()), header.read(path.read_bytes())
        header.facts(other)
        for element in other:  # pydicom's objects made of every value
            assert element.tag in dataset
        assert json.loads(json_model.to_json(other)) == json.loads(json_model.to_json(dataset))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_walk_reads_as_pydicom_does(path: Path) -> None:
    """Facts and JSON of the elements that the walk kept, of every file that passes the gate."""
    content = path.read_bytes()
    try:
        checked, kept = gate.walk(content)
    except GateError:
        return
    elements, dataset = Elements(kept, lambda: header.read(content)), header.read(content)
    assert header.facts(elements) == header.facts(dataset)
    assert json_model.to_json(elements, checked) == json_model.to_json(dataset, checked)


def test_plain_headers_need_no_parser() -> None:
    dataset = dcmread(TEST_FILES / "CT_small.dcm")
    dataset.remove_private_tags()
    del dataset.PixelPaddingValue  # of two possible VRs
    dataset.RequestAttributesSequence = [Dataset()]
    dataset.RequestAttributesSequence[0].RequestedProcedureID = "R1"
    for implicit in (False, True):
        buffer = BytesIO()
        dataset.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        )
        dataset.save_as(buffer, implicit_vr=implicit, little_endian=True)
        checked, kept = gate.walk(buffer.getvalue())
        elements = Elements(kept, lambda: pytest.fail("pydicom is asked"))
        assert header.facts(elements).instance_number == 1
        found = json.loads(json_model.to_json(elements, checked))
        assert found["00400275"]["Value"] == [{"00401001": {"vr": "SH", "Value": ["R1"]}}]


def test_what_pydicom_cannot_read_is_refused_where_it_has_to() -> None:
    content = (TEST_FILES / "CT_small.dcm").read_bytes()  # with private elements
    checked, kept = gate.walk(content)
    damaged = content[:128] + b"MCID" + content[132:]
    with pytest.raises(GateError) as caught:
        json_model.to_json(Elements(kept, lambda: header.read(damaged)), checked)
    assert caught.value.reason == Reason.UNDECODABLE


def model(dataset: Dataset) -> dict[str, Any]:
    buffer: dict[str, Any] = json.loads(json_model.to_json(dataset))
    return buffer


def raw(tag: int, vr: str, value: bytes) -> dict[str, Any]:
    """The element read from bytes, as it is in files."""
    from io import BytesIO

    from pydicom.filereader import read_dataset

    length = len(value).to_bytes(2, "little")
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    content = BytesIO(head + vr.encode() + length + value)
    element: dict[str, Any] = model(read_dataset(content, False, True))[f"{tag:08X}"]
    return element


@pytest.mark.parametrize(
    ("vr", "value", "want"),
    [
        ("IS", b"abc ", None),
        ("IS", b"1\\abc\\3 ", [1, None, 3]),
        ("IS", b"2.0 ", [2]),
        ("DS", b"1.50", [1.5]),
        ("DS", b"NaN ", None),
        ("DS", b"1e999 ", None),
        ("DS", b" 3\\4  ", [3, 4]),
        ("FD", b"\0\0\0\0\0\0\xf8\x7f", None),
        ("FL", b"\0\0\x80\x3f", [1]),
        ("US", b"\1\0\2\0", [1, 2]),
        ("SS", b"\xff\xff", [-1]),
        ("CS", b"A\\\\B ", ["A", None, "B"]),
        ("CS", b"  ", None),
        ("LT", b"one\\text", ["one\\text"]),
        ("LO", b'<img onerror="x">\n', ['<img onerror="x">\n']),
        ("AT", b"\x18\0\x63\x10", ["00181063"]),
        ("PN", b"DOE^Jane", [{"Alphabetic": "DOE^Jane"}]),
        ("PN", b"A=B=C ", [{"Alphabetic": "A", "Ideographic": "B", "Phonetic": "C"}]),
    ],
)
def test_values(vr: str, value: bytes, want: list[Any] | None) -> None:
    element = raw(0x00091010, vr, value)
    assert element["vr"] == vr
    assert element.get("Value") == want


def test_bulk_data_by_its_path() -> None:
    inner = Dataset()
    inner.add_new(0x00091002, "OB", b"x" * 2000)
    dataset = Dataset()
    dataset.ReferencedStudySequence = Sequence([Dataset(), inner])
    item = model(dataset)["00081110"]["Value"][1]
    assert item["00091002"] == {"vr": "OB", "BulkDataURI": "bulkdata/00081110/2/00091002"}


def test_pixel_data_is_a_link() -> None:
    for name, vr in (("CT_small.dcm", "OW"), ("MR_small_RLE.dcm", "OB")):
        content = next(path for path in FILES if path.name == name).read_bytes()
        found = json.loads(json_model.to_json(header.read(content), gate.inspect(content)))
        assert found["7FE00010"] == {"vr": vr, "BulkDataURI": "bulkdata/7FE00010"}
        assert not any(tag.startswith("0002") for tag in found)


def test_issuer_of_the_accession_number() -> None:
    issuer = Dataset()
    issuer.LocalNamespaceEntityID = "RIS A"
    dataset = Dataset()
    assert header.facts(dataset).issuer_of_accession == ""
    dataset.IssuerOfAccessionNumberSequence = Sequence([issuer])
    assert header.facts(dataset).issuer_of_accession == "RIS A"


def test_no_number_is_not_a_number() -> None:
    dataset = Dataset()
    dataset.add_new("FrameTime", "FD", math.nan)
    assert header.facts(dataset).frame_time is None
