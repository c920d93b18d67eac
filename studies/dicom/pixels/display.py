"""From stored samples to what is looked at: modality LUT, VOI, inversion, colour (PS3.3 C.11)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from studies.dicom.pixels.decode import CannotDecode, Pixels, open_image, rgb, stored

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
    """Frame `number` as JPEG or PNG, its longer side at most `size` pixels, aspect kept."""
    dataset = open_image(path)
    pixels = stored(dataset, number)
    shown = (
        _colour(dataset, pixels) if _is_colour(dataset, pixels) else _grey(dataset, pixels, window)
    )
    image = Image.fromarray(shown)
    if size and max(image.size) > size:
        image.thumbnail((size, size), Image.Resampling.BILINEAR)
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
        pixels = np.clip(pixels.astype(np.float32) * (255.0 / top), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels[..., :3])


def _grey(dataset: Dataset, pixels: Pixels, window: Window | None) -> Pixels:
    padding = _padding(dataset, pixels)
    values = np.asarray(apply_modality_lut(pixels, dataset), dtype=np.float32)
    if window is None and "VOILUTSequence" in dataset:
        values = np.asarray(apply_voi_lut(pixels, dataset), dtype=np.float32)
        low, high = float(values.min()), float(values.max())
    else:
        low, high = _limits(dataset, values, padding, window)
    shown = (values - low) * (255.0 / max(high - low, 1e-6))
    grey = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 255 - grey
    if padding is not None:
        grey[padding] = 0
    return grey


def _padding(dataset: Dataset, pixels: Pixels) -> Pixels | None:
    value = dataset.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((value, limit if isinstance(limit, int) else value))
    return (pixels >= low) & (pixels <= high)


def _limits(
    dataset: Dataset, values: Pixels, padding: Pixels | None, window: Window | None
) -> Window:
    centre, width = window or (_first(dataset, "WindowCenter"), _first(dataset, "WindowWidth"))
    if centre is not None and width is not None and width >= 1:
        # PS3.3 C.11.2.1.2.1, LINEAR
        return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    seen = values[~padding] if padding is not None and not padding.all() else values
    if seen.size == 0:
        raise CannotDecode("the image is empty")
    low, high = np.percentile(seen, (0.5, 99.5))
    if low == high:
        low, high = float(seen.min()), float(seen.max())
    return float(low), float(high)


def _first(dataset: Dataset, keyword: str) -> float | None:
    value = dataset.get(keyword)
    if isinstance(value, MultiValue | list):
        value = value[0] if value else None
    try:
        return None if value is None else float(value)
    except ValueError:
        return None
