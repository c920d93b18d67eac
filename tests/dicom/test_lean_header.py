"""The header cut apart in one pass equals the one that pydicom reads."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom.data
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from studies.dicom.pixels import lean

TEST_FILES = Path(pydicom.data.__file__).parent / "test_files"
NATIVE = ("CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "examples_overlay.dcm",
          "examples_rgb_color.dcm", "examples_palette.dcm", "SC_rgb_small_odd.dcm",
          "rtdose.dcm")  # fmt: skip


def same(ours: Dataset, theirs: Dataset) -> bool:
    """Every value and VR; text is compared where it is ASCII."""
    assert sorted(ours.keys()) == sorted(theirs.keys())
    return all(ours[element.tag] == element for element in theirs)


def as_read(dataset: Dataset, syntax: str) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    out = BytesIO()
    dataset.save_as(
        out, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True,
        enforce_file_format=True,
    )  # fmt: skip
    return out.getvalue()


@pytest.mark.parametrize("name", NATIVE)
def test_real_files(name: str) -> None:
    data = (TEST_FILES / name).read_bytes()
    ours, theirs = lean.header(data), dcmread(BytesIO(data), stop_before_pixels=True)
    if any(element.is_undefined_length for element in theirs):
        assert ours is None
        return
    assert ours is not None
    assert same(ours, theirs)
    assert ours.file_meta.TransferSyntaxUID == theirs.file_meta.TransferSyntaxUID


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_sequences_and_tables(syntax: str) -> None:
    dataset = dcmread(TEST_FILES / "CT_small.dcm")
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4, 0, 16])
    table.add_new("LUTData", "OW", b"\1\0\2\0\3\0\4\0")
    dataset.VOILUTSequence = [table, table]
    data = as_read(dataset, syntax)
    ours = lean.header(data)
    assert ours is not None
    assert same(ours, dcmread(BytesIO(data), stop_before_pixels=True))
    assert ours.VOILUTSequence[1].LUTData == b"\1\0\2\0\3\0\4\0"


def plain() -> bytes:
    return (TEST_FILES / "CT_small.dcm").read_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        plain()[:131],
        plain()[:400],
        plain()[132:],
        (TEST_FILES / "MR_small_bigendian.dcm").read_bytes(),
        (TEST_FILES / "JPEG2000.dcm").read_bytes(),
        (TEST_FILES / "no_meta.dcm").read_bytes(),
        plain().replace(b"\x10\0\x10\0PN", b"\x10\0\x10\0??", 1),
        plain().replace(b"\x10\0\x10\0PN", b"\1\0\x10\0PN", 1),  # tags that do not ascend
    ],
)
def test_the_rest_is_pydicom_s(data: bytes) -> None:
    assert lean.header(data) is None


def test_a_sequence_of_undefined_length_is_pydicom_s() -> None:
    dataset = dcmread(TEST_FILES / "CT_small.dcm")
    dataset.VOILUTSequence = [Dataset()]
    dataset["VOILUTSequence"].is_undefined_length = True
    assert lean.header(as_read(dataset, ExplicitVRLittleEndian)) is None


def test_what_a_frame_is_shown_by() -> None:
    ours, theirs = lean.shown(plain()), dcmread(BytesIO(plain()), stop_before_pixels=True)
    assert ours is not None
    for element in ours:
        assert element == theirs[element.tag]
    module = [tag for tag in theirs.keys() if tag.group == 0x0028]  # noqa: SIM118
    assert {tag for tag in module if not 0x0106 <= tag.element <= 0x0111} == set(ours.keys())
    assert lean.shown(plain()) is ours
    assert lean.shown(plain()[:400]) is None
