"""Pixels of one file, decoded. Runs in the child process only."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom.config
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.pixels.processing import convert_color_space
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRLittleEndian

from studies.dicom.syntaxes import DEFLATED_FRAMES, JPEG_EXTENDED

pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
Pixels = NDArray[Any]

IMAGE_PIXEL = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
MAX_FRAME_BYTES = 512 << 20


class CannotDecode(Exception):
    """The words say why, in a reader's terms."""


def open_image(path: Path) -> Dataset:
    """The data set of an image; CannotDecode where there are no pixels to see."""
    dataset = dcmread(path)
    if not any(keyword in dataset for keyword in PIXEL_KEYWORDS):
        raise CannotDecode("there is no image in this object")
    check_size(dataset)
    return dataset


def check_size(dataset: Dataset) -> None:
    """CannotDecode where a frame is larger than the decoder may hold."""
    if _samples(dataset) * (dataset.BitsAllocated // 8 or 1) > MAX_FRAME_BYTES:
        raise CannotDecode("the image is larger than can be decoded")


def _samples(dataset: Dataset) -> int:
    return int(dataset.Rows * dataset.Columns * dataset.SamplesPerPixel)


def frame_count(dataset: Dataset) -> int:
    """Number of frames; at least one."""
    return int(dataset.get("NumberOfFrames") or 1)


def stored(dataset: Dataset, number: int) -> Pixels:
    """Frame `number` (from 1) as stored: samples unconverted, colour as RGB."""
    if not 1 <= number <= frame_count(dataset):
        raise CannotDecode("there is no such frame")
    if dataset.file_meta.TransferSyntaxUID in JPEG_EXTENDED:
        found = get_frame(dataset.PixelData, number - 1, number_of_frames=frame_count(dataset))
        try:
            return np.asarray(imagecodecs.jpeg8_decode(found))
        except Exception as error:
            raise CannotDecode("the compressed image data cannot be decoded") from error
    if dataset.file_meta.TransferSyntaxUID == DEFLATED_FRAMES:
        return _inflated(dataset, number)
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


def _inflated(dataset: Dataset, number: int) -> Pixels:
    """A frame of Deflated Image Frame Compression: a native frame by itself (PS3.5 A.4.13)."""
    found = get_frame(dataset.PixelData, number - 1, number_of_frames=frame_count(dataset))
    wanted = (_samples(dataset) * int(dataset.BitsAllocated) + 7) // 8
    try:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(found, wanted)
    except zlib.error as error:
        raise CannotDecode("the compressed image data cannot be decoded") from error
    if len(data) != wanted:
        raise CannotDecode("the compressed image data ends early")
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in IMAGE_PIXEL:
        if keyword in dataset:
            setattr(one, keyword, dataset[keyword].value)
    one.set_original_encoding(False, True)
    one.PixelData = data
    one["PixelData"].VR = "OW" if one.BitsAllocated > 8 else "OB"
    pixels: Pixels = pixel_array(one, raw=True)
    return pixels


def little(pixels: Pixels, bits_allocated: int) -> Pixels:
    """The samples, little endian, in as many bytes as BitsAllocated says."""
    wanted = bits_allocated // 8 or 1
    kind = f"<{pixels.dtype.kind}{max(wanted, pixels.dtype.itemsize)}"
    found: Pixels = np.ascontiguousarray(pixels.astype(kind, copy=False))
    return found


def native(pixels: Pixels, bits_allocated: int) -> bytes:
    """Samples as explicit little endian has them, colour interleaved."""
    if bits_allocated == 1:  # eight pixels a byte, the first in the lowest bit (PS3.5 8.1.1)
        return np.packbits(pixels.ravel().astype(bool), bitorder="little").tobytes()
    return little(pixels, bits_allocated).tobytes()
