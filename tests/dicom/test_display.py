"""Greys and shapes of pictures made on the server."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.sequence import Sequence

from studies.dicom.pixels.client import PixelService
from tests.dicom import greys


@pytest.fixture(scope="module")
def service() -> Iterator[PixelService]:
    service = PixelService()
    yield service
    service.close()


def png(service: PixelService, path: Path, frame: int = 1) -> Any:
    return np.asarray(Image.open(BytesIO(service.render(path, frame, format="png"))))


@pytest.mark.parametrize("case", greys.CASES)
def test_greys_are_those_of_the_standard(service: PixelService, tmp_path: Path, case: str) -> None:
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    dataset = greys.image(values, **greys.CASES[case])
    shown = png(service, greys.save(tmp_path, dataset)).astype(float)
    assert shown.min() < 10
    assert shown.max() > 245
    assert np.abs(shown - np.clip(greys.wanted(dataset, values), 0, 255)).max() <= 1.01


def test_tables_of_odd_depth_and_of_bytes(service: PixelService, tmp_path: Path) -> None:
    """What pydicom refuses: a modality table of 12 bits, and eight-bit entries packed in bytes."""
    values = np.arange(256, dtype=np.uint16).reshape(16, 16)
    dataset = greys.image(
        values,
        ModalityLUTSequence=greys.lut(np.arange(256) * 16, 0, 12),
        WindowCenter=2048, WindowWidth=4096,
    )  # fmt: skip
    shown = png(service, greys.save(tmp_path, dataset))
    assert np.abs(shown - np.arange(256).reshape(16, 16) * (16 * 255 / 4095)).max() <= 1
    packed = greys.lut(np.arange(256), 0, 8)
    packed[0].LUTData = bytes(range(255, -1, -1))
    dataset = greys.image(values, VOILUTSequence=packed)
    assert np.array_equal(png(service, greys.save(tmp_path, dataset)), 255 - values)


def test_a_signed_first_value_that_is_written_unsigned(
    service: PixelService, tmp_path: Path
) -> None:
    values = np.arange(-128, 128, dtype=np.int16).reshape(16, 16)
    dataset = greys.image(
        values, BitsStored=16, VOILUTSequence=greys.lut(np.arange(256), 65536 - 128, 8)
    )
    assert np.array_equal(png(service, greys.save(tmp_path, dataset)), values + 128)


SPACINGS: list[dict[str, Any]] = [
    {"PixelAspectRatio": [2, 1]},
    {"PixelSpacing": [1, 0.5]},
    {"ImagerPixelSpacing": [0.4, 0.2], "PixelAspectRatio": [1, 2]},
    {"PixelSpacing": [0, 0], "NominalScannedPixelSpacing": [2, 1]},
]


@pytest.mark.parametrize("spacing", SPACINGS)
def test_pixels_that_are_higher_than_wide(
    service: PixelService, tmp_path: Path, spacing: dict[str, Any]
) -> None:
    """A disc of 40 columns and 20 rows is round when it is seen."""
    y, x = np.mgrid[:50, :100]
    disc = ((((y - 24.5) * 2) ** 2 + (x - 49.5) ** 2 < 400) * 4095).astype(np.uint16)
    file = greys.save(tmp_path, greys.image(disc, **spacing))
    full = png(service, file)
    assert full.shape == (100, 100)
    bright = full > 127
    across, down = bright.any(axis=0).sum(), bright.any(axis=1).sum()
    assert abs(int(across) - int(down)) <= 2
    assert abs(int(across) - 40) <= 1
    assert Image.open(BytesIO(service.thumbnail(file, size=64))).size == (64, 64)


def test_pixels_that_are_wider_than_high(service: PixelService, tmp_path: Path) -> None:
    values = np.tile(np.arange(50, dtype=np.uint16), (100, 1))
    file = greys.save(tmp_path, greys.image(values, PixelAspectRatio=[1, 2]))
    assert png(service, file).shape == (100, 100)
    plain = greys.save(tmp_path, greys.image(values))
    assert png(service, plain).shape == (100, 50)


def test_a_spacing_that_cannot_be_meant_changes_nothing(
    service: PixelService, tmp_path: Path
) -> None:
    values = np.tile(np.arange(50, dtype=np.uint16), (100, 1))
    for spacing in ([1000, 0.001], [0.7, 0.7001]):
        file = greys.save(tmp_path, greys.image(values, PixelSpacing=spacing))
        assert png(service, file).shape == (100, 50)


def test_spacing_of_an_enhanced_frame(service: PixelService, tmp_path: Path) -> None:
    dataset = greys.image(np.tile(np.arange(64, dtype=np.uint16), (32, 1)))
    measures, groups = Dataset(), Dataset()
    measures.PixelSpacing = [2, 1]
    groups.PixelMeasuresSequence = Sequence([measures])
    dataset.SharedFunctionalGroupsSequence = Sequence([groups])
    assert png(service, greys.save(tmp_path, dataset)).shape == (64, 64)


def test_what_the_browser_leaves_to_the_server(service: PixelService, tmp_path: Path) -> None:
    """One bit, colour above eight bits, and a segmented palette."""
    bits = (np.indices((16, 16)).sum(axis=0) % 3 == 0).astype(np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little")
    dataset = greys.image(packed.reshape(-1, 1), BitsAllocated=1, BitsStored=1)
    dataset.Rows = dataset.Columns = 16
    assert np.array_equal(png(service, greys.save(tmp_path, dataset)), bits * 255)

    deep = np.zeros((8, 8, 3), np.uint16)
    deep[..., 0], deep[..., 1] = 4095, 2048
    dataset = greys.image(
        deep, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB"
    )
    assert png(service, greys.save(tmp_path, dataset))[0, 0].tolist() == [255, 128, 0]

    index = np.arange(256, dtype=np.uint8).reshape(16, 16)
    ramp = np.array([0, 1, 0, 1, 255, 65535], "<u2").tobytes()  # 0, then 255 steps
    dataset = greys.image(index, BitsAllocated=8, BitsStored=8)
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"Segmented{colour}PaletteColorLookupTableData", ramp)
    shown = png(service, greys.save(tmp_path, dataset)).astype(int)
    assert np.abs(shown - index[..., None]).max() <= 1
