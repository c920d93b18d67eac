"""Pictures of small uncompressed grey images, made in the caller's own process, at once.

Nothing is decoded: samples are bytes of the file, and what is read of its header are numbers. It
takes about as long as handing the work to the decoder's process would. Everything else, and all
that surprises, is left to that process.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from studies.dicom.pixels import display, lean, native
from studies.dicom.pixels.rendering import JPEG, PNG, QUALITY, Rendering

LARGEST: Final = 1 << 20
"""Bytes of a frame: 0.5 MB of a CT slice take 1 ms."""

NOT_PLAIN: Final = (
    "ModalityLUTSequence",
    "VOILUTSequence",
    "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence",
)


def may_be(span: tuple[int, int], wanted: Rendering) -> bool:
    """Whether a frame at `span` (offset, length) may be had as it is wanted: whole, at its own
    size, without annotation."""
    asked = replace(wanted, kind=JPEG, quality=QUALITY, window=None, is_inverted=False)
    return (
        wanted.kind in {JPEG, PNG}
        and asked == Rendering()
        and 0 < span[0] <= native.MAX_LEAN
        and 0 < span[1] <= LARGEST
    )


def picture(data: bytes, span: tuple[int, int], wanted: Rendering) -> bytes | None:
    """The encoded picture of the frame at `span` of a file that `data` begins with; None for what
    the decoder must see."""
    try:
        return _picture(data, span, wanted)
    except Exception:
        return None


def _picture(data: bytes, span: tuple[int, int], wanted: Rendering) -> bytes | None:
    dataset = lean.shown(data)
    if dataset is None or any(keyword in dataset for keyword in NOT_PLAIN):
        return None
    if dataset.get("PhotometricInterpretation") not in {"MONOCHROME1", "MONOCHROME2"}:
        return None
    if wanted.window is None and dataset.get("WindowCenter") is None:
        return None  # to count all samples takes longer
    offset, length = span
    samples = native.samples(dataset, memoryview(data)[offset : offset + length])
    if samples is None or samples.ndim != 2:
        return None
    return display.encoded(dataset, [display.finished(dataset, samples, 1, wanted, None)], wanted)
