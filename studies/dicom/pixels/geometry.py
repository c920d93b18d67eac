"""Cutting, turning and scaling pictures (PS3.18 8.3.5.1.3, PS3.3 C.10.4 and C.10.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from PIL import Image, ImageChops, ImageDraw
from pydicom import Dataset

from studies.dicom.pixels import overlays
from studies.dicom.pixels.aspect import ratio, squared
from studies.dicom.pixels.decode import CannotDecode
from studies.dicom.pixels.rendering import MAX_PIXELS, MAX_SIDE, Rendering
from studies.dicom.presentation import Point, Rgb, Shutter, State

Box = tuple[float, float, float, float]
Size = tuple[int, int]
TURNS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


class BadRegion(CannotDecode):
    """The region that was asked for is not in the image; the request is at fault."""


def fitted(image: Image.Image, dataset: Dataset, number: int, wanted: Rendering) -> Image.Image:
    """The region that is wanted, flipped, at the size that is wanted, its pixels made square."""
    box = _region(image.size, wanted)
    size = _size((box[2] - box[0], box[3] - box[1]), ratio(dataset, number), wanted)
    image = _scaled(image, box, size)
    if wanted.flip_horizontal:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if wanted.flip_vertical:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return image


def placing(source: Size, size: Size, wanted: Rendering) -> Callable[[Point], Point]:
    """Where a point of an image of `source` lies on the picture that `fitted` made of it."""
    left, top, right, bottom = _region(source, wanted)

    def placed(point: Point) -> Point:
        x = (point[0] - left) * size[0] / (right - left)
        y = (point[1] - top) * size[1] / (bottom - top)
        if wanted.flip_horizontal:
            x = size[0] - x
        if wanted.flip_vertical:
            y = size[1] - y
        return x, y

    return placed


def _region(size: Size, wanted: Rendering) -> Box:
    width, height = size
    if wanted.fractions is not None:
        left, top, right, bottom = wanted.fractions
        box = (left * width, top * height, right * width, bottom * height)
    elif wanted.region is not None:
        left, top, wide, high = wanted.region
        box = (
            left,
            top,
            width if wide is None else left + wide,
            height if high is None else top + high,
        )
    else:
        return (0, 0, width, height)
    box = (box[0], box[1], min(box[2], width), min(box[3], height))
    if box[2] - box[0] < 1e-6 or box[3] - box[1] < 1e-6:
        raise BadRegion("the region is outside the image")
    return box


def _size(
    natural: tuple[float, float], spacing: float, wanted: Rendering, scale: float = 1.0
) -> Size:
    """Of the picture: as the pixels are, or fitted to the viewport."""
    width, height = squared(natural, spacing, wanted.largest)
    if wanted.viewport is not None:
        scale = min(wanted.viewport[0] / width, wanted.viewport[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if max(size) > 2 * MAX_SIDE or size[0] * size[1] > 2 * MAX_PIXELS:
        raise CannotDecode("the picture would be too large")
    return size


def _scaled(image: Image.Image, box: Box, size: Size) -> Image.Image:
    whole = (0, 0, *image.size)
    if box == whole and size == image.size:
        return image
    if all(float(edge).is_integer() for edge in box) and size == (box[2] - box[0], box[3] - box[1]):
        return image.crop(tuple(int(edge) for edge in box))  # type: ignore[arg-type]
    return image.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)


@dataclass(frozen=True, slots=True)
class Frame:
    """How a presentation state lays an image out: the area cut, turned clockwise, flipped, scaled.

    `area` is in whole pixels of the image and may reach beyond it; what is there stays black.
    """

    area: tuple[int, int, int, int]
    rotation: int
    is_flipped: bool
    size: Size

    @classmethod
    def of(
        cls, image: Image.Image, dataset: Dataset, number: int, wanted: Rendering, state: State
    ) -> Frame:
        """The layout of one image. CannotDecode where the area is none, or too large."""
        edges: Box = (0, 0, *image.size)
        spacing, magnification = ratio(dataset, number), 1.0
        if state.area is not None:
            edges, magnification = state.area.edges, state.area.magnification
            spacing = state.area.spacing or spacing
        if any(abs(edge) > 1e6 for edge in edges):
            raise CannotDecode("the displayed area is too large")
        area = (round(edges[0]), round(edges[1]), round(edges[2]), round(edges[3]))
        natural = (area[2] - area[0], area[3] - area[1])
        if min(natural) < 1:
            raise CannotDecode("the displayed area is empty")
        if natural[0] * natural[1] > MAX_PIXELS:
            raise CannotDecode("the displayed area is too large")
        if state.rotation in (90, 270):
            natural, spacing = (natural[1], natural[0]), 1 / spacing
        size = _size(natural, spacing, wanted, magnification)
        return cls(area, state.rotation, state.is_flipped, size)

    def turned(self, image: Image.Image) -> Image.Image:
        """The image as it is laid out."""
        image = image.crop(self.area)
        if self.rotation:
            image = image.transpose(TURNS[self.rotation])
        if self.is_flipped:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return _scaled(image, (0, 0, *image.size), self.size)

    def placed(self, point: Point, in_pixels: bool) -> Point:
        """Where a point of the image, or a fraction of the area shown, lies on the picture."""
        if not in_pixels:
            return point[0] * self.size[0], point[1] * self.size[1]
        x, y = point[0] - self.area[0], point[1] - self.area[1]
        width, height = self.area[2] - self.area[0], self.area[3] - self.area[1]
        if self.rotation == 90:
            x, y, width, height = height - y, x, height, width
        elif self.rotation == 180:
            x, y = width - x, height - y
        elif self.rotation == 270:
            x, y, width, height = y, width - x, height, width
        if self.is_flipped:
            x = width - x
        return x * self.size[0] / width, y * self.size[1] / height


def shuttered(image: Image.Image, shutter: Shutter, number: int) -> Image.Image:
    """The image, frame `number`, with everything outside the shutters covered."""
    masks = []
    shade: Rgb | int = shutter.shade
    if image.mode == "RGB":
        shade = shutter.colour or (shutter.shade,) * 3
    if shutter.bitmap is not None:
        image = overlays.covered(image, *shutter.bitmap, number, shade)
    if shutter.rectangle is not None:
        left, upper, right, lower = shutter.rectangle
        masks.append(_mask(image.size, "rectangle", [(left, upper), (right, lower)]))
    if shutter.circle is not None:
        column, row, radius = shutter.circle
        box = [(column - radius, row - radius), (column + radius, row + radius)]
        masks.append(_mask(image.size, "ellipse", box))
    if shutter.polygon:
        masks.append(_mask(image.size, "polygon", list(shutter.polygon)))
    if not masks:
        return image
    seen = reduce(ImageChops.logical_and, masks)
    cover = Image.new(image.mode, image.size, shade)
    return Image.composite(image, cover, seen)


def _mask(size: Size, shape: str, points: list[Point]) -> Image.Image:
    """Pixels in a shape, its points columns and rows from 1."""
    mask = Image.new("1", size, 0)
    points = [(column - 1, row - 1) for column, row in points]
    if shape != "polygon" and (points[0][0] > points[1][0] or points[0][1] > points[1][1]):
        return mask
    getattr(ImageDraw.Draw(mask), shape)(points, fill=1)
    return mask
