"""From stored samples to what is looked at: modality LUT, VOI, inversion, colour (PS3.3 C.11)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut

from studies.dicom.pixels.aspect import squared
from studies.dicom.pixels.decode import CannotDecode, Pixels, open_image, rgb, stored
from studies.dicom.pixels.groups import group
from studies.dicom.pixels.tables import table

Window = tuple[float, float]


def picture(
    path: Path,
    number: int = 1,
    *,
    window: Window | None = None,
    size: int | None = None,
    kind: str = "JPEG",
    quality: int = 85,
) -> bytes:
    """Frame `number` as JPEG or PNG, its longer side at most `size` pixels, as wide and high as
    its pixels' spacing says."""
    dataset = open_image(path)
    pixels = stored(dataset, number)
    shown = (
        _colour(dataset, pixels)
        if _is_colour(dataset, pixels)
        else _grey(dataset, pixels, number, window)
    )
    image = Image.fromarray(shown)
    wanted = squared(dataset, number, image.size, size)
    if wanted != image.size:
        image = image.resize(wanted, Image.Resampling.BILINEAR, reducing_gap=2.0)
    out = BytesIO()
    image.save(out, kind, **({"quality": quality} if kind == "JPEG" else {}))
    return out.getvalue()


def _is_colour(dataset: Dataset, pixels: Pixels) -> bool:
    return pixels.ndim == 3 or dataset.PhotometricInterpretation == "PALETTE COLOR"


def _colour(dataset: Dataset, pixels: Pixels) -> Pixels:
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
    else:
        pixels = rgb(dataset, pixels)
    if pixels.dtype != np.uint8:
        top = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else 1.0
        if pixels.dtype.kind == "u" and dataset.PhotometricInterpretation != "PALETTE COLOR":
            top = float(2 ** int(dataset.BitsStored) - 1)
        pixels = np.clip(np.rint(pixels.astype(np.float32) * (255.0 / top)), 0, 255).astype(
            np.uint8
        )
    return np.ascontiguousarray(pixels[..., :3])


def _grey(dataset: Dataset, pixels: Pixels, number: int, window: Window | None) -> Pixels:
    padding = _padding(dataset, pixels)
    pixels = _without_overlay(dataset, pixels)
    values = _modality(dataset, pixels, number)
    # PS3.3 C.11.2.1: where a table and windows are offered, the table.
    found = table(dataset, "VOILUTSequence", signed=bool((values < 0).any()))
    if window is None and found is not None:
        shown = found.applied(values) * (255.0 / (2**found.bits - 1))
    else:
        shown = _windowed(dataset, values.astype(np.float32), number, padding, window)
    grey: Pixels = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 255 - grey
    if padding is not None:
        grey[padding] = 0
    return grey


def _without_overlay(dataset: Dataset, pixels: Pixels) -> Pixels:
    """Samples without the bits above BitsStored, where old devices kept overlays (PS3.5 8.1.2)."""
    stored, allocated = dataset.get("BitsStored"), dataset.get("BitsAllocated")
    if pixels.dtype.kind not in "iu" or not isinstance(stored, int) or allocated not in (8, 16, 32):
        return pixels
    spare = pixels.dtype.itemsize * 8 - stored
    if stored < 1 or spare < 1 or dataset.get("HighBit", stored - 1) != stored - 1:
        return pixels
    return (pixels << spare) >> spare


def _modality(dataset: Dataset, pixels: Pixels, number: int) -> Pixels:
    """What the samples mean (PS3.3 C.11.1); enhanced images say it per frame (C.7.6.16.2.9)."""
    source = group(dataset, number, "PixelValueTransformationSequence")
    if source is None:
        found = table(
            dataset, "ModalityLUTSequence", signed=dataset.get("PixelRepresentation") == 1
        )
        if found is not None:
            return found.applied(pixels)
        source = dataset
    slope, intercept = _first(source, "RescaleSlope"), _first(source, "RescaleIntercept")
    if slope is None and intercept is None:
        return pixels
    return pixels.astype(np.float64) * (slope or 1.0) + (intercept or 0.0)


def _windowed(
    dataset: Dataset, values: Pixels, number: int, padding: Pixels | None, window: Window | None
) -> Pixels:
    """Values as 0 to 255 by the window that was asked for, the image's first, or percentiles."""
    source = group(dataset, number, "FrameVOILUTSequence") or dataset
    function = str(source.get("VOILUTFunction") or "LINEAR").upper()
    centre, width = window or (_first(source, "WindowCenter"), _first(source, "WindowWidth"))
    if centre is not None and width is not None and width > 0:
        if function == "SIGMOID":  # PS3.3 C.11.2.1.3.1
            power = np.clip(-4.0 * (values - centre) / width, -60, 60)
            sigmoid: Pixels = 255.0 / (1.0 + np.exp(power))
            return sigmoid
        if function == "LINEAR_EXACT" or width < 1:  # PS3.3 C.11.2.1.3.2
            low, high = centre - width / 2, centre + width / 2
        else:  # PS3.3 C.11.2.1.2.1
            low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
            if width == 1:
                return np.where(values > low, np.float32(255), np.float32(0))
    else:
        low, high = _percentiles(values, padding)
    scaled: Pixels = (values - low) * (255.0 / max(high - low, 1e-30))
    return scaled


def _percentiles(values: Pixels, padding: Pixels | None) -> Window:
    seen = values[~padding] if padding is not None and not padding.all() else values.ravel()
    seen = seen[np.isfinite(seen)]
    if seen.size == 0:
        raise CannotDecode("the image is empty")
    low, high = np.percentile(seen, (0.5, 99.5))
    if low == high:
        low, high = seen.min(), seen.max()
    return float(low), float(high)


def _padding(dataset: Dataset, pixels: Pixels) -> Pixels | None:
    value = dataset.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((value, limit if isinstance(limit, int) else value))
    return (pixels >= low) & (pixels <= high)


def _first(dataset: Dataset, keyword: str) -> float | None:
    value = dataset.get(keyword)
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
