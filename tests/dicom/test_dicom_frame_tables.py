"""Frames of fragments: by tables, by markers, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from studies.dicom import frames, gate, header
from studies.dicom.errors import GateError, Reason
from studies.dicom.gate import Gate, PixelLocation
from studies.dicom.header import Facts

JPEG = "1.2.840.10008.1.2.4.50"


def known() -> tuple[Gate, Facts]:
    content = Path(get_testdata_file("CT_small.dcm")).read_bytes()
    return gate.inspect(content), header.facts(header.read(content))


def index(
    sizes: list[int], count: int, *, syntax: str = JPEG, **location: object
) -> frames.FrameIndex:
    """The index of fragments of `sizes` bytes, from offset 1000 on."""
    found, facts = known()
    at, fragments = 1000, []
    for size in sizes:
        at += 8
        fragments.append((at, size))
        at += size
    pixel = PixelLocation(992, at - 992, fragments=tuple(fragments), encapsulated=True)
    pixel = replace(pixel, starts_frame=(False,) * len(sizes))
    pixel = replace(pixel, **location)
    return frames.index(
        replace(found, pixel=pixel, transfer_syntax_uid=syntax),
        replace(facts, number_of_frames=count),
    )


THREE = [10, 20, 30, 40, 50]
SPLIT = [((1008, 10), (1026, 20)), ((1054, 30),), ((1092, 40), (1140, 50))]


@pytest.mark.parametrize(
    "location",
    [
        {"offset_table": (0, 46, 84)},
        {"extended_offsets": (0, 46, 84)},
        {"extended_offsets": (7, 8, 9), "offset_table": (0, 46, 84)},
        {"starts_frame": (True, False, True, True, False)},
        {"offset_table": (0, 47, 84), "starts_frame": (True, False, True, True, False)},
    ],
)
def test_frames_of_several_fragments(location: dict[str, object]) -> None:
    found = index(THREE, 3, **location)
    assert [found.spans(number) for number in (1, 2, 3)] == SPLIT
    assert frames.FrameIndex.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "location",
    [
        {},
        {"offset_table": (0, 46)},
        {"offset_table": (0, 84, 46)},
        {"offset_table": (8, 46, 84)},
        {"starts_frame": (False, True, True, True, False)},
        {"starts_frame": (True, True, True, True, True)},
    ],
)
def test_frames_that_nothing_tells_apart(location: dict[str, object]) -> None:
    assert index(THREE, 3, **location).needs_decode


def test_fragments_of_one_frame_and_one_each() -> None:
    assert len(index(THREE, 1).spans(1)) == 5
    assert index(THREE, 5).spans(5) == ((1140, 50),)


@pytest.mark.parametrize("sizes", [[], [0], [10, 20]])
def test_fewer_fragments_than_frames(sizes: list[int]) -> None:
    with pytest.raises(GateError) as caught:
        index(sizes, 3)
    assert caught.value.reason == Reason.BAD_PIXELS


@pytest.mark.parametrize("member", ["100", "100.1", "102", "107", "108"])
def test_video_is_one_stream(member: str) -> None:
    found = index([5000], 250, syntax="1.2.840.10008.1.2.4." + member)
    assert (found.count, found.needs_decode) == (250, True)


def test_native_bytes_under_a_compressed_syntax() -> None:
    found, facts = known()
    with pytest.raises(GateError) as caught:
        frames.index(replace(found, transfer_syntax_uid=JPEG), facts)
    assert caught.value.reason == Reason.BAD_PIXELS


@pytest.mark.parametrize(
    "change",
    [{"rows": None}, {"columns": 0}, {"bits_allocated": None}, {"rows": -5},
     {"samples_per_pixel": 999}, {"number_of_frames": 0}, {"number_of_frames": 10**9}],
)  # fmt: skip
def test_nonsense_of_size(change: dict[str, int | None]) -> None:
    found, facts = known()
    with pytest.raises(GateError) as caught:
        frames.index(found, replace(facts, **change))
    assert caught.value.reason == Reason.BAD_PIXELS


@pytest.mark.parametrize(
    ("rows", "columns", "decode"), [(8, 8, False), (4, 2, False), (3, 3, True)]
)
def test_single_bits(rows: int, columns: int, decode: bool) -> None:
    found, facts = known()
    bits = replace(facts, rows=rows, columns=columns, bits_allocated=1, number_of_frames=4)
    result = frames.index(found, bits)
    assert result.needs_decode is decode
    if not decode:
        offset, length = result.spans(3)[0]
        assert found.pixel is not None
        assert length == rows * columns // 8
        assert offset == found.pixel.offset + 2 * length


def test_more_bytes_than_needed_and_a_missing_pad() -> None:
    found, facts = known()
    assert frames.index(found, replace(facts, rows=127)).spans(1)[0][1] == 127 * 128 * 2
