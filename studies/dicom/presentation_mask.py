"""Which frames a presentation state subtracts (PS3.3 C.7.6.10, C.11.13)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset

from studies.dicom.pixels.values import first_number, numbers

MAX_FRAMES = 64


@dataclass(frozen=True, slots=True)
class Mask:
    """What is subtracted from a frame, numbers from 1.

    `frames`: averaged as the mask; empty for the frame `offset` before. `averaged`: how many
    frames from the shown one on are averaged. `down`, `left`: how far the mask is moved, in pixels.
    """

    frames: tuple[int, ...]
    offset: int
    averaged: int
    down: float
    left: float

    def frames_for(self, number: int) -> tuple[int, ...]:
        """The frames whose average is the mask of frame `number`."""
        return self.frames or (number - self.offset,)


def mask_of(dataset: Dataset) -> Mask | None:
    """The mask of a state, or None where it subtracts nothing."""
    item = next(iter(dataset.get("MaskSubtractionSequence") or ()), None)
    if item is None or str(dataset.get("RecommendedViewingMode") or "SUB").upper() != "SUB":
        return None
    operation = str(item.get("MaskOperation") or "").upper()
    frames: tuple[int, ...] = ()
    if operation == "AVG_SUB":
        frames = tuple(int(one) for one in numbers(item, "MaskFrameNumbers")[:MAX_FRAMES])
    if not frames and operation != "TID":
        return None
    shift = numbers(item, "MaskSubPixelShift")
    offset = first_number(item, "TIDOffset")
    return Mask(
        frames=frames,
        offset=1 if offset is None else int(offset),
        averaged=min(max(int(first_number(item, "ContrastFrameAveraging") or 1), 1), MAX_FRAMES),
        down=shift[0] if len(shift) == 2 else 0.0,
        left=shift[1] if len(shift) == 2 else 0.0,
    )
