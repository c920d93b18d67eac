"""Frames by seek and read are the frames that pydicom sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from studies.dicom import frames, gate, header
from studies.dicom.errors import GateError, Reason

NAMES = [
    "CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "examples_ybr_color.dcm",
    "SC_rgb_rle_2frame.dcm", "rtdose.dcm", "rtdose_rle.dcm", "examples_rgb_color.dcm",
    "SC_ybr_full_422_uncompressed.dcm", "JPEG-lossy.dcm", "SC_rgb_small_odd.dcm",
]  # fmt: skip


def index_of(data: bytes) -> frames.FrameIndex:
    return frames.index(gate.inspect(data), header.facts(header.read(data)))


@pytest.mark.parametrize("name", NAMES)
def test_spans_are_the_frames(name: str) -> None:
    path = Path(get_testdata_file(name))
    data = path.read_bytes()
    found = index_of(data)
    dataset = dcmread(path)
    count = int(dataset.get("NumberOfFrames") or 1)
    assert found.count == count
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        wanted = list(generate_frames(dataset.PixelData, number_of_frames=count))
    else:
        size = len(dataset.PixelData) // count
        wanted = [dataset.PixelData[i * size : (i + 1) * size] for i in range(count)]
    again = frames.FrameIndex.from_json(found.to_json())
    assert again == found
    for number, frame in enumerate(wanted, 1):
        got = b"".join(data[offset : offset + length] for offset, length in again.spans(number))
        assert got == frame[: len(got)]
        assert len(frame) - len(got) <= 1
    for wrong in (0, count + 1, -1):
        with pytest.raises(IndexError):
            again.spans(wrong)


def test_no_pixels_no_frames() -> None:
    assert index_of(Path(get_testdata_file("reportsi.dcm")).read_bytes()).count == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Rows": 65535, "Columns": 65535, "NumberOfFrames": 999_999}, Reason.BAD_PIXELS),
        ({"NumberOfFrames": 99_999}, Reason.BAD_PIXELS),
        ({"Rows": 129}, Reason.TRUNCATED_PIXELS),
        ({"NumberOfFrames": 2}, Reason.TRUNCATED_PIXELS),
        ({"BitsAllocated": 0}, Reason.BAD_PIXELS),
    ],
)
def test_header_and_pixels_must_agree(changes: dict[str, int], reason: Reason) -> None:
    from io import BytesIO

    dataset = dcmread(get_testdata_file("CT_small.dcm"))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    buffer = BytesIO()
    dataset.save_as(buffer)
    with pytest.raises(GateError) as caught:
        index_of(buffer.getvalue())
    assert caught.value.reason == reason
