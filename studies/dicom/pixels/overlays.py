"""Overlay planes as pixels (PS3.3 C.9.2, PS3.5 8.1.2)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

from studies.dicom.pixels.decode import Pixels
from studies.dicom.pixels.rendering import MAX_PIXELS
from studies.dicom.presentation_overlays import DATA, Overlay, Rgb

Bits = NDArray[np.bool_]
ROWS, COLUMNS, FRAMES, ORIGIN, FIRST = 0x0010, 0x0011, 0x0015, 0x0050, 0x0051
ALLOCATED, POSITION = 0x0100, 0x0102


def drawn(
    image: Image.Image,
    overlays: Iterable[Overlay],
    dataset: Dataset,
    pixels: Pixels,
    number: int,
) -> Image.Image:
    """The image with the planes on it. `pixels`: frame `number` as stored, whose spare bits may
    hold planes of the image."""
    found = []
    for one in overlays:
        plane = plane_of(one.source or dataset, one.group, number, image.size)
        if plane is None and one.source is None:
            plane = _embedded(dataset, one.group, pixels)
        if plane is not None:
            found.append((plane, one.colour))
    if not found:
        return image
    if image.mode == "L" and any(len(set(colour)) > 1 for _, colour in found):
        image = image.convert("RGB")
    shown = np.array(image)
    for plane, colour in found:
        shown[plane] = colour[0] if image.mode == "L" else colour
    return Image.fromarray(shown)


def covered(
    image: Image.Image, source: Dataset, group: int, number: int, shade: Rgb | int
) -> Image.Image:
    """The image with its pixels covered where the bits of a bitmap shutter are set."""
    plane = plane_of(source, group, number, image.size)
    if plane is None:
        return image
    shown = np.array(image)
    shown[plane] = shade
    return Image.fromarray(shown)


def plane_of(source: Dataset, group: int, number: int, size: tuple[int, int]) -> Bits | None:
    """The bits of a plane for frame `number`, laid on an image of `size`, width and height; None
    where it has no data of its own, or none for this frame."""
    data = source.get((group, DATA))
    rows, columns = (_whole(source, group, element) for element in (ROWS, COLUMNS))
    if data is None or not isinstance(data.value, bytes) or rows < 1 or columns < 1:
        return None
    index = 0
    if (group, FRAMES) in source:
        index = number - _whole(source, group, FIRST, 1)
        if not 0 <= index < _whole(source, group, FRAMES, 1):
            return None
    if rows * columns > MAX_PIXELS:
        return None
    start = index * rows * columns
    raw = np.frombuffer(data.value, np.uint8)
    if data.VR == "OW" and source.original_encoding[1] is False:  # words of a big endian file
        raw = raw[: len(raw) // 2 * 2].reshape(-1, 2)[:, ::-1].ravel()
    bits = np.unpackbits(raw[start // 8 : (start + rows * columns + 7) // 8], bitorder="little")
    bits = bits[start % 8 :][: rows * columns]
    if len(bits) < rows * columns:
        return None
    return _laid(bits.reshape(rows, columns).astype(bool), _origin(source, group), size)


def _laid(bits: Bits, origin: tuple[int, int], size: tuple[int, int]) -> Bits:
    """Bits whose first is at `origin`, row and column from 1, on an empty plane of `size`."""
    plane = np.zeros((size[1], size[0]), bool)
    top, left = origin[0] - 1, origin[1] - 1
    seen = bits[max(-top, 0) :, max(-left, 0) :]
    top, left = max(top, 0), max(left, 0)
    target = plane[top : top + seen.shape[0], left : left + seen.shape[1]]
    target[...] = seen[: target.shape[0], : target.shape[1]]
    return plane


def _embedded(dataset: Dataset, group: int, pixels: Pixels) -> Bits | None:
    """A plane in the bits that Pixel Data leaves unused, as old devices wrote them."""
    position = _whole(dataset, group, POSITION, -1)
    width = pixels.dtype.itemsize * 8
    if _whole(dataset, group, ALLOCATED) != width or pixels.dtype.kind not in "iu":
        return None
    stored, high = dataset.get("BitsStored"), dataset.get("HighBit")
    if not isinstance(stored, int) or not isinstance(high, int) or pixels.ndim != 2:
        return None
    if not 0 <= position < width or high - stored < position <= high:
        return None
    return ((pixels >> position) & 1).astype(bool)


def _origin(source: Dataset, group: int) -> tuple[int, int]:
    found = source.get((group, ORIGIN))
    try:
        row, column = (int(one) for one in found.value)
    except (AttributeError, TypeError, ValueError):
        return 1, 1
    return row, column


def _whole(source: Dataset, group: int, element: int, default: int = 0) -> int:
    found = source.get((group, element))
    try:
        return default if found is None or found.value is None else int(found.value)
    except (TypeError, ValueError):
        return default
