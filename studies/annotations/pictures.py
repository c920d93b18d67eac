"""Key images as pictures: the frame as it was seen, with its measurements drawn."""

from __future__ import annotations

from collections.abc import Iterable

from studies.annotations import outlines, wording
from studies.annotations.models import KeyImage, Measurement
from studies.dicom.pixels.client import PixelError, PixelTimeout
from studies.dicom.pixels.rendering import PNG, Mark, Rendering, Voi
from studies.models import Instance
from studies.services import renderings

LARGEST = 1280
"""Pixels of the longer side: 300 a inch on half a page."""

SMALLEST = 768
"""Smaller frames are drawn larger, so that lines and letters on them can be read."""

MAX_MARKS = 100
TICKED = frozenset({"length", "bidirectional", "calibration"})


class PictureError(Exception):
    """There is no picture; `words` are fit for a reader and say nothing of the patient."""

    code = "picture"

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class FrameMissing(PictureError):
    """The study does not have this frame, or no longer."""

    code = "frame-missing"


class FrameBroken(PictureError):
    """The frame is there and cannot be shown: trying again gives the same."""

    code = "frame-broken"


class PictureBusy(PictureError):
    """It took too long; trying again may help."""

    code = "picture-busy"


def picture(key_image: KeyImage) -> bytes:
    """The frame as PNG: its window and inversion, its pixels square, its measurements with
    their values. Made in the killable decoder, never in this process.

    The longer side has SMALLEST to LARGEST pixels. Raises PictureError by class.
    """
    instance = (
        Instance.objects.filter(
            series__study_id=key_image.study_id,
            series__series_instance_uid=key_image.series_instance_uid,
            sop_instance_uid=key_image.sop_instance_uid,
        )
        .only("archive_key", "file_sha256", "rows", "columns", "number_of_frames")
        .first()
    )
    if instance is None or not 1 <= key_image.frame <= instance.number_of_frames:
        raise FrameMissing("The image is not in the study.")
    wanted = rendering(key_image, instance, measurements_on(key_image))
    path = renderings.cache_file(instance.file_sha256, [key_image.frame], wanted)
    found = renderings.kept(path)
    if found is None:
        found = _made(instance, key_image.frame, wanted)
        renderings.keep(path, found)
    return found


def measurements_on(key_image: KeyImage) -> list[Measurement]:
    """The measurements of the frame that a key image shows, the first ones first."""
    return list(
        Measurement.objects.filter(
            study_id=key_image.study_id,
            sop_instance_uid=key_image.sop_instance_uid,
            frame=key_image.frame,
            removed_at=None,
        )
        .select_related("calibration__author")
        .order_by("created_at", "id")[:MAX_MARKS]
    )


def rendering(
    key_image: KeyImage, instance: Instance, measurements: Iterable[Measurement]
) -> Rendering:
    """How the picture is asked of the decoder."""
    window = None
    if key_image.window_center is not None and (key_image.window_width or 0) > 0:
        window = Voi(key_image.window_center, float(key_image.window_width or 1))
    side = max(instance.rows or 0, instance.columns or 0)
    times = -(-SMALLEST // side) if side else 1
    return Rendering(
        kind=PNG,
        window=window,
        largest=LARGEST,
        viewport=(side * times, side * times) if times > 1 else None,
        is_inverted=key_image.is_inverted,
        marks=tuple(mark for one in measurements for mark in _marks(one)),
    )


def measured(measurement: Measurement) -> str:
    """What a measurement says, as on the image: `12.3 mm`, with its label where it has one."""
    values = wording.value_text(measurement.values)
    note = wording.source_note(
        measurement.values,
        at_detector=measurement.at_detector,
        calibrated_by=measurement.calibrated_by,
        tool=measurement.tool,
    )
    said = f"{values} ({note})" if values and note else values
    return ": ".join(part for part in (measurement.label, said) if part)


def _marks(measurement: Measurement) -> list[Mark]:
    """Its lines, the first with the words. Points count from the middle of the first pixel, marks
    from its corner."""
    words = measured(measurement)
    return [
        Mark(
            tuple((column + 0.5, row + 0.5) for column, row in line),
            "" if number else words,
            has_ticks=measurement.tool in TICKED,
        )
        for number, line in enumerate(outlines.lines_of(measurement.tool, measurement.points))
    ]


def _made(instance: Instance, frame: int, wanted: Rendering) -> bytes:
    try:
        return renderings.make(instance.archive_key, [frame], wanted)
    except PixelTimeout:
        raise PictureBusy("Making the picture takes too long now.") from None
    except (PixelError, FileNotFoundError):
        raise FrameBroken("The image cannot be shown.") from None
