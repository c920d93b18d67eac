"""Presentation states as JSON for a viewer that applies them. Runs in the child process only.

Points are columns and rows from the corner of the first pixel, or fractions of the area shown.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pydicom import Dataset, dcmread

from studies.dicom.pixels.decode import CannotDecode
from studies.dicom.pixels.graphics import outline_of
from studies.dicom.pixels.grey import own_window
from studies.dicom.pixels.tables import Table, table
from studies.dicom.pixels.values import first_number
from studies.dicom.presentation import (
    SOP_CLASSES,
    Graphic,
    GreyState,
    Shutter,
    State,
    Text,
    references,
    state_of,
)

MAX_VIEWS: Final = 20_000
MAX_BYTES: Final = 64 << 20


def described(path: Path, images: dict[str, int]) -> bytes:
    """What the state says of each frame of `images` (number of frames by SOP Instance UID) that it
    is about, as JSON: `{"views": [{"images": [[uid, frame], ...], ...}], "left_out": [...]}`.

    Frames that look the same are one view. CannotDecode.
    """
    if path.stat().st_size > MAX_BYTES:
        raise CannotDecode("it is larger than can be applied")
    dataset = dcmread(path)
    if dataset.get("SOPClassUID") not in SOP_CLASSES:
        raise CannotDecode("it is of a kind that cannot be applied")
    views: dict[str, list[tuple[str, int]]] = {}
    left_out: set[str] = set()
    count = 0
    for reference in references(dataset):
        frames = images.get(reference.sop_instance_uid, 0)
        for number in reference.frames or range(1, frames + 1):
            if not 1 <= number <= frames:
                continue
            count += 1
            if count > MAX_VIEWS:
                raise CannotDecode(f"it is about more than {MAX_VIEWS} frames")
            state = state_of(dataset, reference.sop_instance_uid, number)
            left_out |= set(_left_out(state))
            look = json.dumps(_view(state))
            views.setdefault(look, []).append((reference.sop_instance_uid, number))
    return json.dumps(
        {
            "views": [json.loads(look) | {"images": found} for look, found in views.items()],
            "left_out": sorted(left_out),
        }
    ).encode()


def _left_out(state: State) -> list[str]:
    """What a viewer cannot do from these facts, in a reader's words."""
    found = {
        "its overlay planes": bool(state.overlays),
        "its bitmap shutter": state.shutter is not None and state.shutter.bitmap is not None,
        "its subtraction of a mask": state.mask is not None,
        "its colours for greys": state.grey is not None and state.grey.palette is not None,
    }
    return [words for words, is_there in found.items() if is_there]


def _view(state: State) -> dict[str, Any]:
    area = state.area
    return {
        "grey": None if state.grey is None else _grey(state.grey),
        "rotation": state.rotation,
        "is_flipped": state.is_flipped,
        "area": None
        if area is None
        else {"edges": area.edges, "magnification": area.magnification, "fits": area.fits},
        "shutter": None if state.shutter is None else _shutter(state.shutter),
        "graphics": [one for one in map(_graphic, state.graphics) if one["points"]],
        "texts": [_text(one) for one in state.texts],
    }


def _grey(state: GreyState) -> dict[str, Any]:
    """Transformations (PS3.4 N.2.1); None for one that is the identity. First values of tables are
    as they are written: whether they are negative depends on the image."""
    slope, intercept = (
        first_number(state.modality, keyword) for keyword in ("RescaleSlope", "RescaleIntercept")
    )
    window = own_window(state.voi) if state.voi is not None else None
    return {
        "slope": slope or 1.0,
        "intercept": intercept or 0.0,
        "modality_table": _table(state.modality, "ModalityLUTSequence"),
        "voi_table": None if state.voi is None else _table(state.voi, "VOILUTSequence"),
        "window": None
        if window is None
        else {"center": window.centre, "width": window.width, "shape": window.function},
        "presentation_table": _table(state.lut, "PresentationLUTSequence"),
        "is_inverse": state.is_inverse,
    }


def _table(dataset: Dataset, keyword: str) -> dict[str, Any] | None:
    found: Table | None = table(dataset, keyword, signed=False)
    if found is None:
        return None
    return {"first": found.first, "bits": found.bits, "data": found.entries.tolist()}


def _shutter(shutter: Shutter) -> dict[str, Any]:
    """Edges and points as they are written: columns and rows from 1."""
    return {
        "rectangle": shutter.rectangle,
        "circle": shutter.circle,
        "polygon": shutter.polygon,
        "shade": shutter.shade,
        "colour": shutter.colour,
    }


def _graphic(graphic: Graphic) -> dict[str, Any]:
    return {
        "is_point": graphic.kind == "POINT",
        "points": [[round(x, 3), round(y, 3)] for x, y in outline_of(graphic)]
        if graphic.in_pixels
        else outline_of(graphic),
        "is_filled": graphic.is_filled,
        "in_pixels": graphic.in_pixels,
        "colour": graphic.colour,
    }


def _text(text: Text) -> dict[str, Any]:
    return {
        "lines": text.lines,
        "box": text.box,
        "box_in_pixels": text.box_in_pixels,
        "justification": text.justification,
        "anchor": text.anchor,
        "anchor_in_pixels": text.anchor_in_pixels,
        "anchor_visible": text.anchor_visible,
        "colour": text.colour,
    }
