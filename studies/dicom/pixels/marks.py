"""Measurements on the finished picture: their lines, and what they measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from studies.dicom.pixels import lettering
from studies.dicom.pixels.decode import CannotDecode
from studies.dicom.pixels.rendering import Mark
from studies.dicom.presentation import Point

SMALLEST, LARGEST = 11, 40
SHARE = 32  # letters take a thirty-second part of the picture's smaller side
Box = tuple[float, float, float, float]


def draw(
    image: Image.Image, marks: Sequence[Mark], placed: Callable[[Point], Point]
) -> Image.Image:
    """The picture with the marks on it. Words that no font has are left out, lines never are."""
    image = image.copy()
    pen = ImageDraw.Draw(image)
    ink: lettering.Colour = 255 if image.mode == "L" else (255, 255, 255)
    edge: lettering.Colour = 0 if image.mode == "L" else (0, 0, 0)
    size = min(max(min(image.size) // SHARE, SMALLEST), LARGEST)
    line = max(1, size // 9)
    taken: list[Box] = []
    outlines = [[placed(point) for point in mark.points] for mark in marks]
    for mark, outline in zip(marks, outlines, strict=True):
        _draw_line(pen, outline, line, size / 2 if mark.has_ticks else 0, ink, edge)
    for mark, outline in zip(marks, outlines, strict=True):
        if mark.text and outline:
            _draw_words(pen, image.size, mark.text, outline, size, taken, ink, edge)
    return image


def _draw_line(
    pen: ImageDraw.ImageDraw,
    outline: list[Point],
    line: int,
    tick: float,
    ink: lettering.Colour,
    edge: lettering.Colour,
) -> None:
    strokes = [outline] if len(outline) > 1 else []
    for end, inner in (outline[:2], outline[:-3:-1]) if len(outline) > 1 and tick else ():
        strokes.append(_tick(end, inner, tick))
    if len(outline) == 1:
        x, y = outline[0]
        tick = tick or line * 4
        strokes = [[(x - tick, y), (x + tick, y)], [(x, y - tick), (x, y + tick)]]
    for colour, width in ((edge, line + 2), (ink, line)):
        for stroke in strokes:
            pen.line(stroke, fill=colour, width=width, joint="curve")


def _tick(end: Point, inner: Point, length: float) -> list[Point]:
    """A short stroke across the line at its end."""
    x, y = end[0] - inner[0], end[1] - inner[1]
    long = math.hypot(x, y) or 1.0
    across = (-y / long * length / 2, x / long * length / 2)
    return [(end[0] - across[0], end[1] - across[1]), (end[0] + across[0], end[1] + across[1])]


def _draw_words(
    pen: ImageDraw.ImageDraw,
    room: tuple[int, int],
    words: str,
    outline: list[Point],
    size: int,
    taken: list[Box],
    ink: lettering.Colour,
    edge: lettering.Colour,
) -> None:
    try:
        width, height = lettering.width(words, size), size * 1.3
    except CannotDecode:
        return
    gap = size / 2
    last, first = max(outline), min(outline)
    candidates = (
        (last[0] + gap, last[1] - height / 2),
        (first[0] - gap - width, first[1] - height / 2),
        (last[0] - width / 2, last[1] + gap),
        (last[0] - width / 2, last[1] - gap - height),
    )
    inside = [
        (min(max(x, 2.0), room[0] - width - 2), min(max(y, 2.0), room[1] - height - 2))
        for x, y in candidates
    ]
    boxes = [(x, y, x + width, y + height) for x, y in inside]
    # The first place that needed no moving and covers no other words; else the first free one.
    best = min(
        range(len(boxes)),
        key=lambda one: (_covers(boxes[one], taken), math.dist(inside[one], candidates[one]), one),
    )
    taken.append(boxes[best])
    lettering.draw_line(pen, inside[best], words, size, ink, edge)


def _covers(box: Box, taken: list[Box]) -> bool:
    return any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
        for other in taken
    )
