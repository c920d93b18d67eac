"""How far rows and columns of a frame are apart, and in what: as the viewer's measure/scale.js.

Points are [column, row], the centre of the first pixel being (0, 0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Point = Sequence[float]
PROJECTIONS = frozenset({"CR", "DX", "DR", "RG", "RF", "XA", "MG", "IO", "PX"})
PIXEL_SPACING, IMAGER_SPACING, SCANNED_SPACING = "00280030", "00181164", "00182010"
ASPECT_RATIO, CALIBRATION_TYPE, MODALITY = "00280034", "00280A02", "00080060"
SHARED_GROUPS, FRAME_GROUPS, PIXEL_MEASURES = "52009229", "52009230", "00289110"
REGIONS = "00186011"
# Physical units (PS3.3 C.8.5.5.1.15): ours, and how many of it one is.
UNITS = {3: ("mm", 10.0), 4: ("s", 1.0), 5: ("Hz", 1.0), 7: ("cm/s", 1.0)}
ALONG = {"mm": "distance", "s": "time", "Hz": "frequency", "cm/s": "velocity"}


@dataclass(frozen=True, slots=True)
class Axis:
    """How far two neighbours are apart along a direction, in `unit`."""

    unit: str
    delta: float


@dataclass(frozen=True, slots=True)
class Scale:
    """`unit` is "mm" or "px"; `axes` (across, down) where the two directions measure different
    things, `refused` where nothing can be told."""

    row: float = 1.0
    column: float = 1.0
    unit: str = "px"
    at_detector: bool = False
    axes: tuple[Axis, Axis] | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Region:
    """A region of an ultrasound picture (PS3.3 C.8.5.5); edges are the outermost pixels inside."""

    left: float
    top: float
    right: float
    bottom: float
    is_low: bool
    x: Axis | None = field(default=None)
    y: Axis | None = field(default=None)

    def holds(self, point: Point) -> bool:
        return (
            self.left - 0.5 <= point[0] <= self.right + 0.5
            and self.top - 0.5 <= point[1] <= self.bottom + 0.5
        )


def scale_of(
    document: dict[str, Any],
    frame: int,
    points: Sequence[Point],
    calibration: tuple[Sequence[Point], float] | None = None,
) -> Scale:
    """The scale at some points of a frame (from 1) of an instance, by its DICOM JSON.

    `calibration`: the ends of a line that a reader drew, and its length in mm.
    """
    dataset = _of_frame(document, frame)
    if regions := regions_of(dataset):
        return _in_region(regions, points, _in_pixels(dataset))
    row, column, source = _spacing(dataset)
    is_at_detector = _is_at_detector(dataset, row, column, source)
    if calibration is not None and (source != "patient" or is_at_detector):
        (first, last), length = calibration
        shape = (row, column) if source != "none" else (1.0, 1.0)
        drawn = math.hypot((last[0] - first[0]) * shape[1], (last[1] - first[1]) * shape[0])
        if drawn > 0 and length > 0:
            times = length / drawn
            return Scale(shape[0] * times, shape[1] * times, "mm")
    if source not in {"patient", "detector"}:
        return _in_pixels(dataset)
    return Scale(row, column, "mm", is_at_detector)


def may_calibrate(document: dict[str, Any], frame: int) -> bool:
    """Whether a length that a reader knows may stand for the spacing of the file."""
    dataset = _of_frame(document, frame)
    if regions_of(dataset):
        return False
    row, column, source = _spacing(dataset)
    return source != "patient" or _is_at_detector(dataset, row, column, source)


def _of_frame(document: dict[str, Any], frame: int) -> dict[str, Any]:
    """The instance's attributes with its pixel measures over them (PS3.3 C.7.6.16.2.1)."""
    dataset = dict(document)
    for tag, at in ((SHARED_GROUPS, 0), (FRAME_GROUPS, frame - 1)):
        groups = _items(document, tag)
        if 0 <= at < len(groups):
            for measures in _items(groups[at], PIXEL_MEASURES)[:1]:
                dataset.update(measures)
    return dataset


def _spacing(dataset: dict[str, Any]) -> tuple[float, float, str]:
    """Between rows, between columns, and whose it is (PS3.3 10.7.1.3)."""
    for source, tag in (
        ("patient", PIXEL_SPACING),
        ("detector", IMAGER_SPACING),
        ("detector", SCANNED_SPACING),
    ):
        found = _numbers(dataset, tag)
        if len(found) > 1 and min(found[:2]) > 0:
            return found[0], found[1], source
    ratio = _numbers(dataset, ASPECT_RATIO)
    if len(ratio) > 1 and min(ratio[:2]) > 0:
        return ratio[0] / ratio[1], 1.0, "ratio"
    return 1.0, 1.0, "none"


def _in_pixels(dataset: dict[str, Any]) -> Scale:
    row, column, source = _spacing(dataset)
    return Scale(row, column) if source == "ratio" else Scale()


def _is_at_detector(dataset: dict[str, Any], row: float, column: float, source: str) -> bool:
    if source == "detector":
        return True
    if source != "patient" or _text(dataset, MODALITY) not in PROJECTIONS:
        return False
    imager = _numbers(dataset, IMAGER_SPACING)
    if _text(dataset, CALIBRATION_TYPE) or len(imager) < 2:
        return False
    return math.isclose(imager[0], row, rel_tol=1e-6) and math.isclose(
        imager[1], column, rel_tol=1e-6
    )


def regions_of(dataset: dict[str, Any]) -> list[Region]:
    """The regions of an ultrasound picture; none of other pictures."""
    found = []
    for item in _items(dataset, REGIONS):
        edges = [_numbers(item, tag) for tag in ("00186018", "0018601A", "0018601C", "0018601E")]
        if not all(edges):
            continue
        left, top, right, bottom = (each[0] for each in edges)
        if right < left or bottom < top:
            continue
        flags = _numbers(item, "00186016")
        found.append(
            Region(
                left, top, right, bottom,
                bool(flags and int(flags[0]) & 1),
                _axis(item, "00186024", "0018602C"),
                _axis(item, "00186026", "0018602E"),
            )
        )  # fmt: skip
    return found


def _axis(item: dict[str, Any], unit_tag: str, delta_tag: str) -> Axis | None:
    code, delta = _numbers(item, unit_tag), _numbers(item, delta_tag)
    if not code or not delta or not delta[0] or int(code[0]) not in UNITS:
        return None
    unit, times = UNITS[int(code[0])]
    return Axis(unit, abs(delta[0]) * times)


def _in_region(regions: list[Region], points: Sequence[Point], otherwise: Scale) -> Scale:
    each = [_at(regions, point) for point in points]
    if not any(each):
        return otherwise
    common = [region for region in each[0] if all(region in found for found in each)]
    if not common:
        return Scale(refused=True)
    first = common[0]
    if any((other.x, other.y) != (first.x, first.y) for other in common):
        return otherwise
    if first.x is None or first.y is None:
        return otherwise
    if first.x.unit == first.y.unit == "mm":
        return Scale(first.y.delta, first.x.delta, "mm")
    return Scale(axes=(first.x, first.y))


def _at(regions: list[Region], point: Point) -> list[Region]:
    """Regions that hold a point; those of high priority where there are some (C.8.5.5.1.3)."""
    found = [region for region in regions if region.holds(point)]
    return [region for region in found if not region.is_low] or found


def _values(dataset: dict[str, Any], tag: str) -> list[Any]:
    found = (dataset.get(tag) or {}).get("Value")
    return found if isinstance(found, list) else []


def _items(dataset: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    return [one for one in _values(dataset, tag) if isinstance(one, dict)]


def _numbers(dataset: dict[str, Any], tag: str) -> list[float]:
    """All values as numbers; none unless every one is one."""
    try:
        found = [float(one) for one in _values(dataset, tag)]
    except (TypeError, ValueError):
        return []
    return found if all(map(math.isfinite, found)) else []


def _text(dataset: dict[str, Any], tag: str) -> str:
    found = _values(dataset, tag)
    return str(found[0]).strip() if found and found[0] is not None else ""
