"""Pictures of frames: shades or colours, cut, turned, scaled, annotated, encoded (PS3.4 N.2)."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from pydicom import Dataset, dcmread
from pydicom.pixels.processing import apply_color_lut

from studies.dicom.pixels import (
    annotate,
    colours,
    geometry,
    graphics,
    icc,
    marks,
    native,
    overlays,
    subtraction,
)
from studies.dicom.pixels.decode import CannotDecode, Pixels, open_image, rgb, stored
from studies.dicom.pixels.grey import difference_shades, shades
from studies.dicom.pixels.rendering import GIF, JPEG, MAX_PIXELS, PNG, Rendering
from studies.dicom.pixels.values import first_number
from studies.dicom.presentation import State, state_of

GIF_PIXELS = 4 * MAX_PIXELS
FRAME_MILLISECONDS = 100
PNG_LEVEL = 3


def picture(
    path: Path,
    frames: list[int],
    wanted: Rendering,
    *,
    span: tuple[int, int] | None = None,
    state_path: Path | None = None,
) -> bytes:
    """A picture of the first of `frames`; GIF moves through all of them.

    `span`: where the bytes of an uncompressed single frame lie; `state_path`: the presentation
    state to show it with. CannotDecode, geometry.BadRegion.
    """
    state_file = dcmread(state_path) if state_path is not None else None
    if state_file is not None and "MaskSubtractionSequence" in state_file:
        span = None  # other frames of the image are needed too
    whole = state_file is not None or bool(wanted.annotation) or wanted.icc != "no"
    dataset, pixels = _read(path, frames[0], span, whole=whole)
    made = [finished(dataset, pixels, frames[0], wanted, state_file)]
    if wanted.kind == GIF:
        for number in frames[1:]:
            again = stored(dataset, number)
            made.append(finished(dataset, again, number, wanted, state_file))
            if sum(one.width * one.height for one, _ in made) > GIF_PIXELS:
                raise CannotDecode("the moving picture would be too large")
    return encoded(dataset, made, wanted)


def _read(
    path: Path, number: int, span: tuple[int, int] | None, *, whole: bool
) -> tuple[Dataset, Pixels]:
    if span is not None:
        # Of a later frame the span begins behind the header, which then is read by pydicom.
        header = native.header(path, span[0], whole=whole)
        pixels = native.frame(path, header, span)
        if pixels is not None:
            return header, pixels
    dataset = open_image(path)
    return dataset, stored(dataset, number)


def finished(
    dataset: Dataset, pixels: Pixels, number: int, wanted: Rendering, state_file: Dataset | None
) -> tuple[Image.Image, bytes]:
    """One frame as a picture, and the ICC profile that belongs to it."""
    state = None
    if state_file is not None:
        state = state_of(state_file, str(dataset.SOPInstanceUID), number)
    if _is_colour(dataset, pixels):
        shown = _colour(dataset, pixels)
    else:
        shown = _grey(dataset, pixels, number, wanted, state)
    image = Image.fromarray(shown)
    if wanted.is_inverted:
        image = ImageOps.invert(image)
    if state is None:
        size = image.size
        image = geometry.fitted(image, dataset, number, wanted)
        if wanted.marks:
            image = marks.draw(image, wanted.marks, geometry.placing(size, image.size, wanted))
    else:
        image = _with_state(image, dataset, pixels, number, wanted, state)
    if wanted.annotation:
        image = annotate.burn(image, dataset, wanted.annotation)
    return icc.coloured(image, wanted.icc, dataset, state.profile if state else b"")


def _grey(
    dataset: Dataset, pixels: Pixels, number: int, wanted: Rendering, state: State | None
) -> Pixels:
    """Shades, or the colours that a pseudo-colour state gives them."""
    if state is None or state.grey is None:
        return shades(dataset, pixels, number, wanted.window)
    if state.mask is None:
        shown = shades(dataset, pixels, number, state=state.grey)
    else:
        found = subtraction.subtracted(dataset, pixels, number, state.mask, state.grey)
        shown = difference_shades(found, dataset, pixels, state.grey)
    return shown if state.grey.palette is None else colours.mapped(shown, state.grey.palette)


def _with_state(
    image: Image.Image,
    dataset: Dataset,
    pixels: Pixels,
    number: int,
    wanted: Rendering,
    state: State,
) -> Image.Image:
    if state.shutter is not None:
        image = geometry.shuttered(image, state.shutter, number)
    image = overlays.drawn(image, state.overlays, dataset, pixels, number)
    frame = geometry.Frame.of(image, dataset, number, wanted, state)
    return graphics.draw(frame.turned(image), state, frame.placed)


def _is_colour(dataset: Dataset, pixels: Pixels) -> bool:
    return pixels.ndim == 3 or dataset.PhotometricInterpretation == "PALETTE COLOR"


def _colour(dataset: Dataset, pixels: Pixels) -> Pixels:
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        return colours.bytes_of(apply_color_lut(pixels, dataset))
    pixels = rgb(dataset, pixels)
    top = float(2 ** int(dataset.BitsStored) - 1) if pixels.dtype.kind == "u" else None
    return colours.bytes_of(pixels, top)


def encoded(dataset: Dataset, made: list[tuple[Image.Image, bytes]], wanted: Rendering) -> bytes:
    image, profile = made[0]
    options: dict[str, Any] = {"icc_profile": profile} if profile else {}
    if wanted.kind == JPEG:
        options["quality"] = wanted.quality
    if wanted.kind == PNG:
        options["compress_level"] = PNG_LEVEL
    if wanted.kind == GIF and len(made) > 1:
        options |= {
            "save_all": True,
            "append_images": [one for one, _ in made[1:]],
            "duration": _milliseconds(dataset),
            "loop": 0,
        }
    out = BytesIO()
    image.save(out, wanted.kind, **options)
    return out.getvalue()


def _milliseconds(dataset: Dataset) -> int:
    """How long a frame stays (PS3.3 C.7.6.5)."""
    time = first_number(dataset, "FrameTime")
    rate = first_number(dataset, "RecommendedDisplayFrameRate") or first_number(dataset, "CineRate")
    found = time or (1000 / rate if rate and rate > 0 else FRAME_MILLISECONDS)
    return round(min(max(found, 20), 10_000))
