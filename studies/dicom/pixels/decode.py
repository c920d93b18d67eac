"""Pixels of one file, decoded. Runs in the child process only."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom.config
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame
from pydicom.pixels.processing import convert_color_space
from pydicom.pixels.utils import pixel_array

pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
Pixels = NDArray[Any]

JPEG_EXTENDED = frozenset(
    {
        "1.2.840.10008.1.2.4.51",
        "1.2.840.10008.1.2.4.53",
        "1.2.840.10008.1.2.4.55",
    }
)
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
MAX_FRAME_BYTES = 512 << 20


class CannotDecode(Exception):
    """The words say why, in a reader's terms."""


def open_image(path: Path) -> Dataset:
    """The data set of an image; CannotDecode where there are no pixels to see."""
    dataset = dcmread(path)
    if not any(keyword in dataset for keyword in PIXEL_KEYWORDS):
        raise CannotDecode("there is no image in this object")
    size = (
        dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * (dataset.BitsAllocated // 8 or 1)
    )
    if size > MAX_FRAME_BYTES:
        raise CannotDecode("the image is larger than can be decoded")
    return dataset


def frame_count(dataset: Dataset) -> int:
    """Number of frames; at least one."""
    return int(dataset.get("NumberOfFrames") or 1)


def stored(dataset: Dataset, number: int) -> Pixels:
    """Frame `number` (from 1) as stored: samples unconverted, colour as RGB."""
    if not 1 <= number <= frame_count(dataset):
        raise CannotDecode("there is no such frame")
    if dataset.file_meta.TransferSyntaxUID in JPEG_EXTENDED:
        found = get_frame(dataset.PixelData, number - 1, number_of_frames=frame_count(dataset))
        return np.asarray(imagecodecs.jpeg8_decode(found))
    try:
        pixels: Pixels = pixel_array(dataset, index=number - 1, raw=True)
    except Exception as error:
        raise CannotDecode("the compressed image data cannot be decoded") from error
    return pixels


def rgb(dataset: Dataset, pixels: Pixels) -> Pixels:
    """Colour pixels as 8-bit-per-sample RGB of their own depth."""
    interpretation = str(dataset.PhotometricInterpretation)
    if interpretation in ("YBR_FULL", "YBR_FULL_422") and not _decoder_made_rgb(dataset):
        return convert_color_space(pixels, "YBR_FULL", "RGB")
    return pixels


def _decoder_made_rgb(dataset: Dataset) -> bool:
    return bool(dataset.file_meta.TransferSyntaxUID in JPEG_EXTENDED)


def digest(path: Path) -> str:
    """SHA-256 over every frame's samples, little endian, whatever the encoding."""
    dataset = open_image(path)
    total = hashlib.sha256(f"{dataset.Rows}x{dataset.Columns}".encode())
    for number in range(1, frame_count(dataset) + 1):
        pixels = stored(dataset, number)
        if pixels.ndim == 3:
            pixels = rgb(dataset, pixels)
        kind = pixels.dtype.newbyteorder("<")
        total.update(np.ascontiguousarray(pixels.astype(kind, copy=False)).tobytes())
    return total.hexdigest()


def raw_frame(path: Path, number: int) -> bytes:
    """Frame `number` as explicit little endian samples, colour interleaved."""
    dataset = open_image(path)
    pixels = stored(dataset, number)
    if dataset.BitsAllocated == 1:  # eight pixels a byte, the first in the lowest bit (PS3.5 8.1.1)
        return np.packbits(pixels.ravel().astype(bool), bitorder="little").tobytes()
    wanted = dataset.BitsAllocated // 8 or 1
    if pixels.dtype.itemsize < wanted:
        pixels = pixels.astype(f"<{pixels.dtype.kind}{wanted}")
    return np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)).tobytes()
