"""Frames less their mask (PS3.3 C.7.6.10, PS3.4 N.2.1): for vessels filled with contrast."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pydicom import Dataset

from studies.dicom.pixels.decode import CannotDecode, Pixels, frame_count, stored
from studies.dicom.pixels.grey import modality_values
from studies.dicom.presentation import GreyState
from studies.dicom.presentation_mask import Mask


def subtracted(
    dataset: Dataset, pixels: Pixels, number: int, mask: Mask, state: GreyState
) -> Pixels:
    """Frame `number`, `pixels` as stored, less its mask, in modality values. CannotDecode where
    the mask's frames are not there."""

    def average(frames: Iterable[int]) -> Pixels:
        total, count = np.zeros(pixels.shape, np.float64), 0
        for one in frames:
            if not 1 <= one <= frame_count(dataset):
                raise CannotDecode("the image has no frame that is its mask")
            found = pixels if one == number else stored(dataset, one)
            total += modality_values(dataset, found, state)
            count += 1
        return total / count

    last = min(number + mask.averaged - 1, frame_count(dataset))
    behind = _moved(average(mask.frames_for(number)), mask.down, mask.left)
    found: Pixels = average(range(number, last + 1)) - behind
    return found


def _moved(values: Pixels, down: float, left: float) -> Pixels:
    """Values moved by fractions of a pixel, interpolated; edges reach on outwards."""
    for axis, shift in ((0, down), (1, -left)):
        if shift:
            places = np.arange(values.shape[axis]) - shift
            places = places.clip(0, values.shape[axis] - 1)
            below = np.floor(places).astype(int)
            above = np.minimum(below + 1, values.shape[axis] - 1)
            part = (places - below).reshape((-1, 1) if axis == 0 else (1, -1))
            values = values.take(below, axis) * (1 - part) + values.take(above, axis) * part
    return values
