"""Decoding in the confined child: right, and survivable."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file

from studies.dicom.pixels.client import PixelError, PixelService, PixelTimeout


@pytest.fixture(scope="module")
def service() -> Iterator[PixelService]:
    service = PixelService()
    yield service
    service.close()


def path(name: str) -> Path:
    return Path(get_testdata_file(name))


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm",
     "MR_small_bigendian.dcm", "MR_small_implicit.dcm"],
)  # fmt: skip
def test_lossless_encodings_have_one_decoded_digest(service: PixelService, name: str) -> None:
    assert service.decoded_digest(path(name)) == service.decoded_digest(path("MR_small.dcm"))


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "image_dfl.dcm"]
)
def test_frames_are_pydicoms_pixels(service: PixelService, name: str) -> None:
    dataset = dcmread(path(name))
    wanted = dataset.pixel_array
    got = np.frombuffer(service.frame(path(name), 1), wanted.dtype).reshape(wanted.shape)
    assert np.array_equal(got, wanted)


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "JPEG-lossy.dcm"])
def test_extended_jpeg_is_decoded(service: PixelService, name: str) -> None:
    assert len(service.frame(path(name), 1)) == 1024 * 256 * 2


def test_thumbnail_keeps_its_aspect(service: PixelService) -> None:
    image = Image.open(BytesIO(service.thumbnail(path("JPEG2000.dcm"), size=256)))
    assert image.size == (64, 256)


def test_monochrome1_is_inverted(service: PixelService) -> None:
    dataset = dcmread(path("CT_small.dcm"))
    plain = np.asarray(Image.open(BytesIO(service.render(path("CT_small.dcm"), format="png"))))
    dataset.PhotometricInterpretation = "MONOCHROME1"
    buffer = Path(os.environ["PACS_TEST_DATA_DIR"]) / "mono1.dcm"
    dataset.save_as(buffer)
    inverted = np.asarray(Image.open(BytesIO(service.render(buffer, format="png"))))
    assert np.array_equal(255 - plain, inverted)


def test_words_for_what_has_no_picture(service: PixelService) -> None:
    with pytest.raises(PixelError, match="no image"):
        service.thumbnail(path("reportsi.dcm"))


def test_a_killed_child_is_replaced(service: PixelService) -> None:
    service.thumbnail(path("CT_small.dcm"))
    child = service._idle.queue[-1]
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert service.thumbnail(path("CT_small.dcm"))


def test_too_slow_is_stopped_and_the_next_works() -> None:
    service = PixelService(timeout=0.001)
    with pytest.raises(PixelTimeout):
        service.thumbnail(path("CT_small.dcm"))
    service.timeout = 20.0
    assert service.thumbnail(path("CT_small.dcm"))
    service.close()


def test_memory_is_capped(service: PixelService, tmp_path: Path) -> None:
    dataset = dcmread(path("MR_small_RLE.dcm"))
    dataset.Rows = dataset.Columns = 16000
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit = 31
    dataset.save_as(tmp_path / "huge.dcm")
    with pytest.raises(PixelError):
        service.frame(tmp_path / "huge.dcm", 1)
    assert service.thumbnail(path("CT_small.dcm"))
