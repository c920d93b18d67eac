"""Drawings and words of a presentation state, on the finished picture (PS3.3 C.10.5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from studies.dicom.pixels import lettering
from studies.dicom.presentation import Graphic, Point, State, Text

SEGMENTS = 96
PER_SPAN = 12
MARK = 4
Placed = Callable[[Point, bool], Point]


def draw(image: Image.Image, state: State, placed: Placed) -> Image.Image:
    """The picture with what the state draws. `placed(point, in_pixels)`: where a point of the
    image, or a fraction of the area, lies on the picture."""
    if not state.graphics and not state.texts:
        return image
    colours = {one.colour for one in state.graphics} | {one.colour for one in state.texts}
    coloured = any(len(set(colour)) > 1 for colour in colours)
    image = image.convert("RGB") if coloured and image.mode == "L" else image.copy()
    pen = ImageDraw.Draw(image)
    for graphic in state.graphics:
        _draw_graphic(pen, graphic, placed, _ink(image, graphic.colour))
    for text in state.texts:
        _draw_text(pen, image, text, placed)
    return image


def _ink(image: Image.Image, colour: tuple[int, int, int]) -> lettering.Colour:
    return colour[0] if image.mode == "L" else colour


def _draw_graphic(
    pen: ImageDraw.ImageDraw, graphic: Graphic, placed: Placed, ink: lettering.Colour
) -> None:
    outline = [placed(point, graphic.in_pixels) for point in outline_of(graphic)]
    # Pillow's coordinates name pixels, those of DICOM their corners.
    outline = [(math.floor(x), math.floor(y)) for x, y in outline]
    if not outline:
        return
    if graphic.kind == "POINT":
        for x, y in outline:
            pen.line([(x - MARK, y), (x + MARK, y)], fill=ink)
            pen.line([(x, y - MARK), (x, y + MARK)], fill=ink)
        return
    if graphic.is_filled and len(outline) > 2:
        pen.polygon(outline, fill=ink, outline=ink)
    else:
        pen.line(outline, fill=ink)


def outline_of(graphic: Graphic) -> list[Point]:
    """A graphic as points of a line, in its own coordinates; empty where it has too few points."""
    points = graphic.points
    if graphic.kind == "CIRCLE" and len(points) == 2:
        (x, y), on_it = points
        radius = math.dist((x, y), on_it)
        return _ellipse((x, y), (radius, 0.0), (0.0, radius))
    if graphic.kind == "ELLIPSE" and len(points) == 4:
        major, minor = _half(points[0], points[1]), _half(points[2], points[3])
        centre = ((points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2)
        return _ellipse(centre, major, minor)
    if graphic.kind == "INTERPOLATED" and len(points) > 2:
        return _smooth(points)
    if graphic.kind in {"POINT", "POLYLINE", "INTERPOLATED"}:
        return list(points)
    return []


def _half(start: Point, end: Point) -> Point:
    return (end[0] - start[0]) / 2, (end[1] - start[1]) / 2


def _ellipse(centre: Point, major: Point, minor: Point) -> list[Point]:
    turns = (2 * math.pi * step / SEGMENTS for step in range(SEGMENTS + 1))
    return [
        (
            centre[0] + major[0] * math.cos(turn) + minor[0] * math.sin(turn),
            centre[1] + major[1] * math.cos(turn) + minor[1] * math.sin(turn),
        )
        for turn in turns
    ]


def _smooth(points: Sequence[Point]) -> list[Point]:
    """A Catmull-Rom curve through the points; closed where they are."""
    closed = points[0] == points[-1]
    before = points[-2] if closed else points[0]
    after = points[1] if closed else points[-1]
    knots = [before, *points, after]
    curve = []
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        for step in range(PER_SPAN):
            t = step / PER_SPAN
            x, y = (
                0.5
                * (
                    2 * b[k]
                    + (c[k] - a[k]) * t
                    + (2 * a[k] - 5 * b[k] + 4 * c[k] - d[k]) * t**2
                    + (3 * b[k] - a[k] - 3 * c[k] + d[k]) * t**3
                )
                for k in (0, 1)
            )
            curve.append((x, y))
    return [*curve, points[-1]]


def _draw_text(pen: ImageDraw.ImageDraw, image: Image.Image, text: Text, placed: Placed) -> None:
    ink = _ink(image, text.colour)
    edge: lettering.Colour = 0 if image.mode == "L" else (0, 0, 0)
    size = min(max(min(image.size) // 40, 10), 48)
    left = top = 0.0
    room = float(image.width)
    anchor = placed(text.anchor, text.anchor_in_pixels) if text.anchor is not None else None
    if text.box is not None:
        corners = [placed(corner, text.box_in_pixels) for corner in text.box]
        left, right = sorted(x for x, _ in corners)
        top, bottom = sorted(y for _, y in corners)
        room = right - left
        high = (bottom - top) / max(len(text.lines), 1) / 1.3
        size = int(min(max(high, 8), 96))
        while size > 8 and any(lettering.width(line, size) > room for line in text.lines):
            size -= 1
        if anchor is not None and text.anchor_visible:
            near = (min(max(anchor[0], left), right), min(max(anchor[1], top), bottom))
            pen.line([near, anchor], fill=ink)
    elif anchor is not None:
        left, top = anchor
    for number, line in enumerate(text.lines):
        spare = room - lettering.width(line, size) if text.box is not None else 0.0
        shift = {"CENTER": spare / 2, "RIGHT": spare}.get(text.justification, 0.0)
        place = (left + shift, top + number * round(size * 1.3))
        lettering.draw_line(pen, place, line, size, ink, edge)
