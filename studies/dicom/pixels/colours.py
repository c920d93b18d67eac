"""Colours of eight bits: deep ones scaled, greys through a palette (PS3.3 C.7.6.3.1.5)."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut

from studies.dicom.pixels.decode import CannotDecode, Pixels


def bytes_of(pixels: Pixels, top: float | None = None) -> Pixels:
    """RGB of any depth as bytes. `top`: the value that is full intensity, else the type's last."""
    if pixels.dtype != np.uint8:
        if top is None:
            top = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else 1.0
        scaled = np.rint(pixels.astype(np.float32) * (255.0 / top))
        pixels = np.clip(scaled, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels[..., :3])


def mapped(shades: Pixels, palette: Dataset) -> Pixels:
    """Shades, 0 to 255, as the colours of a palette, whose whole range they go through.
    CannotDecode where the palette is none."""
    try:
        count, first, _ = palette.RedPaletteColorLookupTableDescriptor
        last = (count or 1 << 16) - 1
        every = np.rint(np.arange(256) * (last / 255)).astype(np.uint16) + np.uint16(first)
        found = bytes_of(apply_color_lut(every, palette))
    except Exception as error:  # of a data set that may say anything
        raise CannotDecode("the presentation state's palette cannot be read") from error
    return found[shades]
