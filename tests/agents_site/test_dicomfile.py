"""Whole, cut off or no DICOM, told from real files of every transfer syntax."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from agents.site import dicomfile

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(path for path in FOLDER.glob("*.dcm") if path.read_bytes()[128:132] == b"DICM")


def judge(data: bytes) -> str:
    return dicomfile.inspect(io.BytesIO(data), len(data))


def test_there_are_many() -> None:
    assert len(FILES) > 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_real_files(path: Path) -> None:
    data = path.read_bytes()
    expected = {"rtplan_truncated.dcm", "MR_truncated.dcm"}
    assert judge(data) == ("truncated" if path.name in expected else "complete")


SOUND = [
    "CT_small.dcm",  # explicit little endian
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "JPEG2000.dcm",  # encapsulated
    "MR_small_RLE.dcm",
    "examples_ybr_color.dcm",  # frames
    "reportsi.dcm",  # nested sequences
    "rtplan.dcm",
]


@pytest.mark.parametrize("name", SOUND)
def test_cut_anywhere_in_a_value_shows(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    pixels = dcmread(FOLDER / name).get("PixelData")
    for cut in (1, 100, len(data) // 3):
        assert judge(data[:-cut]) == "truncated", cut
    if pixels:
        assert judge(data[: len(data) - len(pixels) // 2]) == "truncated"


@pytest.mark.parametrize("data", [b"", b"x", b"\0" * 200, b"GIF89a" * 40, b"\0" * 128 + b"DIC"])
def test_other_files(data: bytes) -> None:
    assert judge(data) == "other"


def test_deflated_cannot_be_judged() -> None:
    data = (FOLDER / "image_dfl.dcm").read_bytes()
    assert judge(data[:-100]) == "complete"


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_garbage_is_answered(tail: bytes) -> None:
    assert judge(b"\0" * 128 + b"DICM" + tail) in {"complete", "truncated"}


def test_nested_without_end_is_answered() -> None:
    item = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    assert judge((FOLDER / "CT_small.dcm").read_bytes()[:400] + item * 5000) in {
        "complete",
        "truncated",
    }
