"""Frames of uncompressed files: the header once, then one read a frame."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread

from studies.dicom.pixels import lean
from studies.dicom.pixels.decode import CannotDecode, Pixels

HEADERS = 8
MAX_LEAN = 1 << 18
Span = tuple[int, int]


@lru_cache(maxsize=HEADERS)
def _whole(path: str, size: int, changed: int) -> Dataset:
    return dcmread(path, stop_before_pixels=True)


def header(path: Path, pixels_at: int, *, whole: bool) -> Dataset:
    """The data set before Pixel Data, whose value is at `pixels_at`; not to be altered, kept for
    the next frame. Without `whole`, what a frame is shown by (`lean.shown`) is enough."""
    found = None if whole else shown(path, pixels_at)
    if found is None:
        facts = path.stat()
        found = _whole(str(path), facts.st_size, facts.st_mtime_ns)
    return found


def shown(path: Path, pixels_at: int) -> Dataset | None:
    """What a frame is shown by; None where only pydicom can read it."""
    if not 0 < pixels_at <= MAX_LEAN:
        return None
    with path.open("rb", buffering=0) as file:
        # Whatever the VR is: the element's head has 8 or 12 bytes, the walk looks at 12.
        return lean.shown(file.read(pixels_at + 4))


def frame(path: Path, dataset: Dataset, span: Span) -> Pixels | None:
    """The samples at `span` (offset, length), as `samples`."""
    offset, length = span
    with path.open("rb", buffering=0) as file:
        data = os.pread(file.fileno(), length, offset)
    if len(data) != length:
        raise CannotDecode("the image data is cut off")
    return samples(dataset, data)


def samples(dataset: Dataset, data: bytes | memoryview) -> Pixels | None:
    """A frame's bytes as rows x columns or rows x columns x 3; None where these are not plain whole
    bytes, so that the general decoder must have them."""
    bits, count = dataset.get("BitsAllocated"), dataset.get("SamplesPerPixel", 1)
    rows, columns = dataset.get("Rows"), dataset.get("Columns")
    interpretation = dataset.get("PhotometricInterpretation")
    if not isinstance(rows, int) or not isinstance(columns, int) or rows < 1 or columns < 1:
        return None
    if (count, bits) not in {(1, 8), (1, 16), (3, 8)}:
        return None
    if count == 3 and interpretation not in {"RGB", "YBR_FULL"}:
        return None
    if len(data) != rows * columns * count * (bits // 8):
        return None
    kind = ("<i" if dataset.get("PixelRepresentation") == 1 else "<u") + str(bits // 8)
    pixels: Pixels = np.frombuffer(data, kind)
    if count == 1:
        return pixels.reshape(rows, columns)
    if dataset.get("PlanarConfiguration") == 1:
        return np.ascontiguousarray(pixels.reshape(3, rows, columns).transpose(1, 2, 0))
    return pixels.reshape(rows, columns, 3)
