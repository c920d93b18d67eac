"""The lines that a measurement is drawn as, in the points' own pixels: as measure/kinds.js."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]
Line = tuple[Point, ...]
AROUND = 64
HEAD, HEAD_ANGLE = 0.18, 0.45


def lines_of(tool: str, points: Sequence[Sequence[float]]) -> list[Line]:
    """Each line from end to end; closed ones end where they began; a single point is a place."""
    placed: Line = tuple((float(column), float(row)) for column, row in points)
    if tool == "rectangle" and len(placed) == 2:
        (x1, y1), (x2, y2) = placed
        return [((x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1))]
    if tool == "ellipse" and len(placed) == 2:
        return [_ellipse(placed)]
    if tool == "freehand" and placed:
        return [(*placed, placed[0])]
    if tool in {"bidirectional", "cobb"} and len(placed) == 4:
        return [placed[:2], placed[2:]]
    if tool == "arrow" and len(placed) == 2:
        return [placed, _head(placed)]
    return [placed]


def _ellipse(box: Line) -> Line:
    (x1, y1), (x2, y2) = box
    around = [2 * math.pi * at / AROUND for at in range(AROUND)]
    found = [
        (
            (x1 + x2) / 2 + math.cos(angle) * (x2 - x1) / 2,
            (y1 + y2) / 2 + math.sin(angle) * (y2 - y1) / 2,
        )
        for angle in around
    ]
    return (*found, found[0])


def _head(arrow: Line) -> Line:
    (x, y), tail = arrow
    way = math.atan2(tail[1] - y, tail[0] - x)
    long = math.dist((x, y), tail) * HEAD
    sides = [
        (x + math.cos(way + turn) * long, y + math.sin(way + turn) * long)
        for turn in (HEAD_ANGLE, -HEAD_ANGLE)
    ]
    return (sides[0], (x, y), sides[1])
