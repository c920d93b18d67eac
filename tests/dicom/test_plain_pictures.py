"""Pictures made without the decoder are the decoder's, byte for byte; all others are left to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.uid import ImplicitVRLittleEndian

from studies.dicom.pixels import plain
from studies.dicom.pixels.client import PixelService
from studies.dicom.pixels.rendering import JPEG, PNG, Rendering, Voi
from tests.dicom import greys

TEST_FILES = Path(pydicom.data.__file__).parent / "test_files"
PLAIN = ("CT_small.dcm", "MR_small.dcm")
WANTED = (
    Rendering(),
    Rendering(kind=PNG, window=Voi(300, 700)),
    Rendering(kind=JPEG, quality=40, window=Voi(300, 700, "SIGMOID"), is_inverted=True),
)


@pytest.fixture(scope="module")
def service() -> Iterator[PixelService]:
    service = PixelService()
    yield service
    service.close()


def span_of(path: Path) -> tuple[int, int]:
    length = len(dcmread(path).PixelData)
    return path.read_bytes().rindex(dcmread(path).PixelData), length


def made_of(path: Path, wanted: Rendering) -> bytes | None:
    span = span_of(path)
    return plain.picture(path.read_bytes(), span, wanted) if plain.may_be(span, wanted) else None


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("implicit", [False, True])
def test_the_same_bytes(
    service: PixelService, tmp_path: Path, name: str, *, implicit: bool
) -> None:
    path = TEST_FILES / name
    if implicit:
        dataset, path = dcmread(path), tmp_path / name
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        dataset.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=True)
    for wanted in WANTED:
        made = made_of(path, wanted)
        if name == "CT_small.dcm" and wanted.window is None:  # it has no window: all are counted
            assert made is None
            continue
        assert made is not None
        assert made == service.picture(path, [1], wanted)


@pytest.mark.parametrize("case", greys.CASES)
def test_the_same_greys(service: PixelService, tmp_path: Path, case: str) -> None:
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    path = greys.save(tmp_path, greys.image(values, **greys.CASES[case]))
    made = made_of(path, Rendering(kind=PNG))
    assert made in (None, service.picture(path, [1], Rendering(kind=PNG)))


@pytest.mark.parametrize(
    "wanted",
    [
        Rendering(viewport=(4000, 4000)),
        Rendering(region=(1, 1, 5, 5)),
        Rendering(largest=20),
        Rendering(annotation=("patient",)),
        Rendering(icc="srgb"),
        Rendering(kind="GIF"),
    ],
)
def test_what_takes_longer_is_the_decoder_s(wanted: Rendering) -> None:
    path = TEST_FILES / "CT_small.dcm"
    assert made_of(path, wanted) is None


def test_images_of_other_kinds_are_the_decoder_s(tmp_path: Path) -> None:
    for name in ("examples_rgb_color.dcm", "examples_palette.dcm", "rtdose.dcm"):
        path = TEST_FILES / name
        assert made_of(path, Rendering()) is None, name
    values: Any = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    path = greys.save(
        tmp_path, greys.image(values, VOILUTSequence=greys.lut(values.ravel(), 0, 16))
    )
    assert made_of(path, Rendering()) is None
    large = greys.save(tmp_path, greys.image(np.zeros((1100, 1100), np.uint16)))
    assert made_of(large, Rendering()) is None


def test_slices_that_are_alike_do_not_share_their_pixels(tmp_path: Path) -> None:
    made = set()
    for number in range(3):
        dataset = greys.image(
            np.full((16, 16), 50 * number, np.uint16), WindowCenter=64, WindowWidth=128
        )
        folder = tmp_path / str(number)
        folder.mkdir()
        path = greys.save(folder, dataset)
        made.add(made_of(path, Rendering(kind=PNG)))
    assert len(made) == 3
    assert None not in made
