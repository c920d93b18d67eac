"""What the points of a measurement come to, to check what the viewer says of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from studies.annotations.scale import ALONG, Point, Scale

CLOSE = 0.001
SLACK = {"mm": 0.01, "mm2": 0.05, "px": 0.05, "px2": 0.5, "deg": 0.01}
"""The viewer rounds to four places; a share of CLOSE is allowed besides."""


WITHOUT_SCALE = frozenset({"probe", "arrow", "text", "calibration"})


def expected(tool: str, points: Sequence[Point], scale: Scale) -> dict[str, tuple[float, str]]:
    """Value and unit by name, of what follows from points and scale alone."""
    if tool in WITHOUT_SCALE or scale.refused:
        return {}
    if scale.axes is not None:
        return _along(points, scale) if tool == "length" else {}
    return _in_one_unit(tool, points, scale)


def fits(values: Sequence[dict[str, Any]], wanted: dict[str, tuple[float, str]]) -> bool:
    """Whether the values say what is expected, as closely as rounding allows."""
    said = {str(each["name"]): (float(each["value"]), str(each["unit"])) for each in values}
    return all(
        name in said
        and said[name][1] == unit
        and abs(said[name][0] - value) <= SLACK.get(unit, 0.01) + CLOSE * abs(value)
        for name, (value, unit) in wanted.items()
    )


def _in_one_unit(tool: str, points: Sequence[Point], scale: Scale) -> dict[str, tuple[float, str]]:
    unit = scale.unit
    if tool == "length":
        return {"length": (_distance(points[0], points[1], scale), unit)}
    if tool == "bidirectional":
        both = [_distance(points[at], points[at + 1], scale) for at in (0, 2)]
        return {"long_axis": (max(both), unit), "short_axis": (min(both), unit)}
    if tool == "angle":
        first, corner, last = points
        return {"angle": (_between((corner, first), (corner, last), scale), "deg")}
    if tool == "cobb":
        angle = _between((points[0], points[1]), (points[2], points[3]), scale)
        return {"angle": (min(angle, 180 - angle), "deg")}
    area = _shoelace(points) if tool == "freehand" else _box(points, is_round=tool == "ellipse")
    return {"area": (area * scale.row * scale.column, f"{unit}2")}


def _along(points: Sequence[Point], scale: Scale) -> dict[str, tuple[float, str]]:
    found: dict[str, tuple[float, str]] = {}
    for axis, at in zip(scale.axes or (), (0, 1), strict=True):
        far = abs(points[1][at] - points[0][at]) * axis.delta
        found.setdefault(ALONG[axis.unit], (far, axis.unit))
    return found


def _vector(line: tuple[Point, Point], scale: Scale) -> tuple[float, float]:
    (x1, y1), (x2, y2) = line
    return (x2 - x1) * scale.column, (y2 - y1) * scale.row


def _distance(first: Point, last: Point, scale: Scale) -> float:
    return math.hypot(*_vector((first, last), scale))


def _between(one: tuple[Point, Point], other: tuple[Point, Point], scale: Scale) -> float:
    """The angle of two directions, 0 to 180 degrees."""
    (ax, ay), (bx, by) = _vector(one, scale), _vector(other, scale)
    return abs(math.degrees(math.atan2(ax * by - ay * bx, ax * bx + ay * by)))


def _shoelace(points: Sequence[Point]) -> float:
    around = zip(points, [*points[1:], points[0]], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in around)) / 2


def _box(points: Sequence[Point], *, is_round: bool) -> float:
    (x1, y1), (x2, y2) = points
    return abs((x2 - x1) * (y2 - y1)) * (math.pi / 4 if is_round else 1.0)
