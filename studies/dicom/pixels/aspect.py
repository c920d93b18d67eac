"""Pixels that are not square: how large a picture must be drawn to look like the body."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.multival import MultiValue

from studies.dicom.pixels.groups import group

MAX_PIXELS = 64_000_000
MAX_SIDE = 32_000
MAX_RATIO = 50.0
TOLERANCE = 0.01


def ratio(dataset: Dataset, number: int) -> float:
    """Vertical distance of pixels over horizontal distance; 1 where nothing is said.

    Distances count before a ratio (PS3.3 10.7.1.3, C.7.6.3.1.7).
    """
    measures = group(dataset, number, "PixelMeasuresSequence") or dataset
    found = (
        measures.get("PixelSpacing"),
        dataset.get("ImagerPixelSpacing"),
        dataset.get("NominalScannedPixelSpacing"),
        dataset.get("PixelAspectRatio"),
    )
    for values in found:
        if not isinstance(values, MultiValue | list) or len(values) != 2:
            continue
        try:
            rows, columns = float(values[0]), float(values[1])
        except (TypeError, ValueError):
            continue
        if rows > 0 and columns > 0 and 1 / MAX_RATIO <= rows / columns <= MAX_RATIO:
            return rows / columns
    return 1.0


def squared(
    shape: tuple[float, float], spacing: float, size: int | None = None
) -> tuple[float, float]:
    """Width and height for square pixels, the longer at most `size`; no row or column is lost
    unless the picture would become too large. `shape` is columns, rows."""
    width, height = shape
    if abs(spacing - 1) > TOLERANCE:
        width, height = width * max(1.0, 1 / spacing), height * max(1.0, spacing)
        largest = min(MAX_SIDE / max(width, height), (MAX_PIXELS / (width * height)) ** 0.5, 1.0)
        width, height = width * largest, height * largest
    if size and max(width, height) > size:
        scale = size / max(width, height)
        width, height = width * scale, height * scale
    return width, height
