"""Softcopy presentation states: which images they are about, and what they say of one
(PS3.3 A.33.1, A.33.2, C.10, C.11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydicom import Dataset

from studies.dicom.pixels.values import first_number, numbers
from studies.dicom.presentation_mask import Mask, mask_of
from studies.dicom.presentation_overlays import Overlay, overlays, shutter_group

GREYSCALE = "1.2.840.10008.5.1.4.1.1.11.1"
COLOUR = "1.2.840.10008.5.1.4.1.1.11.2"
PSEUDO_COLOUR = "1.2.840.10008.5.1.4.1.1.11.3"
SOP_CLASSES = frozenset({GREYSCALE, COLOUR, PSEUDO_COLOUR})
MAX_POINTS = 200_000
MAX_REFERENCES = 2_000

Point = tuple[float, float]
Rgb = tuple[int, int, int]
WHITE: Rgb = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Reference:
    """An image that a state is about; no `frames` means all of them."""

    sop_instance_uid: str
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GreyState:
    """Where grey transformations come from. `voi` is None where none is for this image; `palette`
    gives the greys of a pseudo-colour state their colours."""

    modality: Dataset
    voi: Dataset | None
    lut: Dataset
    is_inverse: bool
    palette: Dataset | None = None


@dataclass(frozen=True, slots=True)
class Shutter:
    """What remains visible, in columns and rows from 1, the named edges included (PS3.3 C.7.6.11).

    `rectangle`: left, upper, right, lower. `bitmap`: the data set and the group of a plane whose
    bits are covered. `shade`, 0-255, covers the rest; `colour` that of colour images, if any.
    """

    rectangle: tuple[float, float, float, float] | None
    circle: tuple[float, float, float] | None
    polygon: tuple[Point, ...]
    shade: int
    colour: Rgb | None = None
    bitmap: tuple[Dataset, int] | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """The part to be seen, in pixels of the image before it is turned: left, top, right, bottom
    edges (PS3.3 C.10.4). `spacing`: vertical over horizontal, None where the image says it;
    `fits`: no size is asked for, it is shown as large as there is room."""

    edges: tuple[float, float, float, float]
    magnification: float
    spacing: float | None
    fits: bool = True


@dataclass(frozen=True, slots=True)
class Graphic:
    """A drawing (PS3.3 C.10.5). Points in pixels of the image, or fractions of the area shown."""

    kind: str
    points: tuple[Point, ...]
    is_filled: bool
    in_pixels: bool
    colour: Rgb


@dataclass(frozen=True, slots=True)
class Text:
    """Words in a box or at an anchor."""

    lines: tuple[str, ...]
    box: tuple[Point, Point] | None
    box_in_pixels: bool
    justification: str
    anchor: Point | None
    anchor_in_pixels: bool
    anchor_visible: bool
    colour: Rgb


@dataclass(frozen=True, slots=True)
class State:
    """What a state says of one frame of one image. `rotation` clockwise, before `is_flipped`."""

    grey: GreyState | None
    rotation: int = 0
    is_flipped: bool = False
    area: Area | None = None
    shutter: Shutter | None = None
    graphics: tuple[Graphic, ...] = ()
    texts: tuple[Text, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    mask: Mask | None = None
    profile: bytes = field(default=b"", repr=False)


def references(dataset: Dataset) -> list[Reference]:
    """The images of a state in its order, at most MAX_REFERENCES (PS3.3 C.11.11)."""
    found: dict[str, Reference] = {}
    for series in dataset.get("ReferencedSeriesSequence") or ():
        for image in series.get("ReferencedImageSequence") or ():
            uid = str(image.get("ReferencedSOPInstanceUID") or "")
            if uid and len(found) < MAX_REFERENCES:
                found.setdefault(uid, Reference(uid, _frames(image)))
    return list(found.values())


def state_of(dataset: Dataset, sop_instance_uid: str, number: int) -> State:
    """What the state says of frame `number` (from 1) of an image."""

    def mine(keyword: str) -> Iterator[Dataset]:
        for item in dataset.get(keyword) or ():
            if _is_about(item, sop_instance_uid, number):
                yield item

    grey = None
    if dataset.get("SOPClassUID") in {GREYSCALE, PSEUDO_COLOUR}:
        grey = GreyState(
            modality=dataset,
            voi=next(mine("SoftcopyVOILUTSequence"), None),
            lut=dataset,
            is_inverse=str(dataset.get("PresentationLUTShape") or "").upper() == "INVERSE",
            palette=dataset if dataset.get("SOPClassUID") == PSEUDO_COLOUR else None,
        )
    layers = _layers(dataset)
    graphics: list[Graphic] = []
    texts: list[Text] = []
    points = 0
    items = sorted(mine("GraphicAnnotationSequence"), key=lambda item: _layer(item, layers)[0])
    for item in items:
        colour = _layer(item, layers)[1]
        for one in item.get("GraphicObjectSequence") or ():
            graphic = _graphic(one, colour)
            points += len(graphic.points)
            if points <= MAX_POINTS:
                graphics.append(graphic)
        texts += [_text(one, colour) for one in item.get("TextObjectSequence") or ()]
    rotation = int(first_number(dataset, "ImageRotation") or 0) % 360
    profile = dataset.get("ICCProfile")
    return State(
        grey=grey,
        rotation=rotation if rotation in (90, 180, 270) else 0,
        is_flipped=str(dataset.get("ImageHorizontalFlip") or "").upper() == "Y",
        area=next((a for i in mine("DisplayedAreaSelectionSequence") if (a := _area(i))), None),
        shutter=shutter_of(dataset),
        graphics=tuple(graphics),
        texts=tuple(texts),
        overlays=overlays(
            dataset, lambda name: layers.get(name, (0.0, WHITE)), shutter_group(dataset)
        ),
        mask=mask_of(dataset) if grey is not None else None,
        profile=profile if isinstance(profile, bytes) else b"",
    )


def _frames(image: Dataset) -> tuple[int, ...]:
    return tuple(int(number) for number in numbers(image, "ReferencedFrameNumber"))


def _is_about(item: Dataset, uid: str, number: int) -> bool:
    images = item.get("ReferencedImageSequence")
    if not images:
        return True
    return any(
        image.get("ReferencedSOPInstanceUID") == uid
        and (not (frames := _frames(image)) or number in frames)
        for image in images
    )


def shutter_of(dataset: Dataset) -> Shutter | None:
    """The shutters of a data set (PS3.3 C.7.6.11, C.11.12), or None."""
    shape = dataset.get("ShutterShape") or ()
    shapes = {shape} if isinstance(shape, str) else set(shape)
    rectangle = circle = None
    polygon: tuple[Point, ...] = ()
    if "RECTANGULAR" in shapes:
        edges = [
            first_number(dataset, f"Shutter{edge}Edge")
            for edge in ("LeftVertical", "UpperHorizontal", "RightVertical", "LowerHorizontal")
        ]
        left, upper, right, lower = edges
        if left is not None and upper is not None and right is not None and lower is not None:
            rectangle = (left, upper, right, lower)
    if "CIRCULAR" in shapes:
        centre = numbers(dataset, "CenterOfCircularShutter")
        radius = first_number(dataset, "RadiusOfCircularShutter")
        if len(centre) == 2 and radius is not None:
            circle = (centre[1], centre[0], radius)
    if "POLYGONAL" in shapes:
        values = numbers(dataset, "VerticesOfThePolygonalShutter")[: 2 * MAX_POINTS]
        polygon = tuple(zip(values[1::2], values[::2], strict=False))
        polygon = polygon if len(polygon) > 2 else ()
    group = shutter_group(dataset)
    if rectangle is None and circle is None and not polygon and group is None:
        return None
    value = first_number(dataset, "ShutterPresentationValue") or 0.0
    lab = numbers(dataset, "ShutterPresentationColorCIELabValue")
    return Shutter(
        rectangle,
        circle,
        polygon,
        _shade(value),
        colour=_rgb(lab) if len(lab) == 3 else None,
        bitmap=None if group is None else (dataset, group),
    )


def _area(item: Dataset) -> Area | None:
    top_left = numbers(item, "DisplayedAreaTopLeftHandCorner")
    bottom_right = numbers(item, "DisplayedAreaBottomRightHandCorner")
    if len(top_left) != 2 or len(bottom_right) != 2:
        return None
    # Corners are pixels, counted from 1, as they come to lie after the turn (PS3.3 C.10.4).
    (left, right), (top, bottom) = (
        sorted(pair) for pair in zip(top_left, bottom_right, strict=True)
    )
    mode = str(item.get("PresentationSizeMode") or "").upper()
    magnification = first_number(item, "PresentationPixelMagnificationRatio")
    return Area(
        (left - 1, top - 1, right, bottom),
        magnification if mode == "MAGNIFY" and magnification and magnification > 0 else 1.0,
        _spacing(item),
        fits=mode != "MAGNIFY",
    )


def _spacing(item: Dataset) -> float | None:
    for keyword in ("PresentationPixelSpacing", "PresentationPixelAspectRatio"):
        values = numbers(item, keyword)
        if len(values) == 2 and min(values) > 0 and 0.02 <= values[0] / values[1] <= 50:
            return values[0] / values[1]
    return None


def _shade(value: float) -> int:
    """A P-value of 16 bits as a shade."""
    return round(min(max(value, 0.0), 65535.0) / 257)


def _layers(dataset: Dataset) -> dict[str, tuple[float, Rgb]]:
    """Order and colour of each layer by name (PS3.3 C.10.7)."""
    found: dict[str, tuple[float, Rgb]] = {}
    for item in dataset.get("GraphicLayerSequence") or ():
        lab = numbers(item, "GraphicLayerRecommendedDisplayCIELabValue")
        grey = first_number(item, "GraphicLayerRecommendedDisplayGrayscaleValue")
        colour = WHITE
        if len(lab) == 3:
            colour = _rgb(lab)
        elif grey is not None:
            colour = (_shade(grey),) * 3
        name = str(item.get("GraphicLayer") or "")
        found[name] = (first_number(item, "GraphicLayerOrder") or 0.0, colour)
    return found


def _layer(item: Dataset, layers: dict[str, tuple[float, Rgb]]) -> tuple[float, Rgb]:
    return layers.get(str(item.get("GraphicLayer") or ""), (0.0, WHITE))


def _rgb(encoded: list[float]) -> Rgb:
    """sRGB of a CIELab value as DICOM encodes it (PS3.3 C.10.7.1.1), D50 adapted to D65."""
    lightness = encoded[0] * 100 / 65535
    a, b = (value / 257 - 128 for value in encoded[1:])
    y = (lightness + 16) / 116
    white = (0.9642, 1.0, 0.8249)
    x, y, z = (
        w * (f**3 if f > 6 / 29 else 3 * (6 / 29) ** 2 * (f - 4 / 29))
        for w, f in zip(white, (y + a / 500, y, y - b / 200), strict=True)
    )
    linear = (
        3.1338561 * x - 1.6168667 * y - 0.4906146 * z,
        -0.9787684 * x + 1.9161415 * y + 0.0334540 * z,
        0.0719453 * x - 0.2289914 * y + 1.4052427 * z,
    )
    red, green, blue = (
        12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055
        for v in (min(max(v, 0.0), 1.0) for v in linear)
    )
    return round(red * 255), round(green * 255), round(blue * 255)


def _pairs(values: list[float]) -> tuple[Point, ...]:
    return tuple(zip(values[::2], values[1::2], strict=False))


def _graphic(item: Dataset, colour: Rgb) -> Graphic:
    return Graphic(
        kind=str(item.get("GraphicType") or "").upper(),
        points=_pairs(numbers(item, "GraphicData")),
        is_filled=str(item.get("GraphicFilled") or "").upper() == "Y",
        in_pixels=str(item.get("GraphicAnnotationUnits") or "PIXEL").upper() != "DISPLAY",
        colour=colour,
    )


def _text(item: Dataset, colour: Rgb) -> Text:
    corners = _pairs(
        numbers(item, "BoundingBoxTopLeftHandCorner")
        + numbers(item, "BoundingBoxBottomRightHandCorner")
    )
    anchor = _pairs(numbers(item, "AnchorPoint"))
    words = str(item.get("UnformattedTextValue") or "").replace("\r\n", "\n").replace("\r", "\n")
    return Text(
        lines=tuple(line.rstrip() for line in words.split("\n")[:200]),
        box=(corners[0], corners[1]) if len(corners) == 2 else None,
        box_in_pixels=str(item.get("BoundingBoxAnnotationUnits") or "").upper() != "DISPLAY",
        justification=str(item.get("BoundingBoxTextHorizontalJustification") or "LEFT").upper(),
        anchor=anchor[0] if anchor else None,
        anchor_in_pixels=str(item.get("AnchorPointAnnotationUnits") or "").upper() != "DISPLAY",
        anchor_visible=str(item.get("AnchorPointVisibility") or "").upper() == "Y",
        colour=colour,
    )
