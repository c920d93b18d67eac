"""What is on a reader's screen as a softcopy presentation state (PS3.3 A.33.1, A.33.2): window,
turning, the part that is seen, and what was drawn on the images."""

from __future__ import annotations

import math
import mmap
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.utils import timezone
from PIL import ImageCms
from pydicom.dataset import Dataset

from pacs.accounts.models import User
from studies import archive
from studies.annotations import outlines
from studies.annotations.errors import BadAnnotation
from studies.annotations.models import Measurement
from studies.annotations.pictures import measured
from studies.dicom import header
from studies.dicom.errors import GateError
from studies.dicom.pixels.groups import group
from studies.dicom.presentation import COLOUR, GREYSCALE
from studies.models import Instance, Study
from studies.services import portal_objects

PROGRAM: Final = "LIGHTBOX_VIEWER"
SERIES_NUMBER: Final = 9006
SERIES_DESCRIPTION: Final = "Presentation states"
LABEL: Final = "SAVED VIEW"
LAYER: Final = "MEASUREMENTS"
MAX_IMAGES: Final = 2_000
MAX_MARKS: Final = 500
PLAIN: Final = str.maketrans({"×": "x", "²": "2", "°": " deg"})
"""Signs of measures that workstations without UTF-8 show as nonsense."""
RESCALE: Final = ("RescaleIntercept", "RescaleSlope", "RescaleType")


@dataclass(frozen=True, slots=True)
class View:
    """How a frame is seen. `area`: left, top, right, bottom edges in pixels from the corner of the
    first; `window`: centre, width, function, None for the image's own table or a colour image's
    colours; `rotation` clockwise, before `is_flipped`."""

    series_instance_uid: str
    sop_instance_uid: str
    frame: int
    window: tuple[float, float, str] | None
    is_inverse: bool
    rotation: int
    is_flipped: bool
    area: tuple[float, float, float, float]
    name: str
    whole_series: bool


def presentation_state(study: Study, view: View, who: User) -> bytes:
    """The state as a file. BadAnnotation where the image is not there, or cannot have one."""
    images = _images(study, view)
    shown = images[0]
    source = _header(shown)
    is_colour = int(source.get("SamplesPerPixel") or 1) > 1 or (
        source.get("PhotometricInterpretation") == "PALETTE COLOR"
    )
    made = portal_objects.identity(study)
    made.SOPClassUID = COLOUR if is_colour else GREYSCALE
    made.SOPInstanceUID = f"2.25.{uuid.uuid4().int}"
    _series(made, study)
    made.Laterality = source.get("Laterality") or ""
    _identification(made, study, view, who)
    made.ReferencedSeriesSequence = [
        _item(
            SeriesInstanceUID=view.series_instance_uid,
            ReferencedImageSequence=[_reference(image, _frame(image, view)) for image in images],
        )
    ]
    made.DisplayedAreaSelectionSequence = list(_areas(images, view, source))
    made.ImageRotation = view.rotation
    made.ImageHorizontalFlip = "Y" if view.is_flipped else "N"
    annotations = list(_annotations(study, images, view))
    if annotations:
        made.GraphicAnnotationSequence = annotations
        made.GraphicLayerSequence = [
            _item(
                GraphicLayer=LAYER,
                GraphicLayerOrder=1,
                GraphicLayerRecommendedDisplayGrayscaleValue=0xFFFF,
                GraphicLayerDescription="Drawn and measured in the viewer",
            )
        ]
    if is_colour:
        made.ICCProfile = _profile()
    else:
        _greys(made, source, view)
    return portal_objects.saved(made, PROGRAM)


def _images(study: Study, view: View) -> list[Instance]:
    """What the state is about, the image on the screen first."""
    held = Instance.objects.filter(
        series__study=study,
        series__series_instance_uid=view.series_instance_uid,
        number_of_frames__gt=0,
    ).order_by("instance_number", "id")
    shown = held.filter(sop_instance_uid=view.sop_instance_uid).first()
    if shown is None or not 1 <= view.frame <= shown.number_of_frames:
        raise BadAnnotation("The image is not in this study.")
    if not view.whole_series:
        return [shown]
    others = held.exclude(pk=shown.pk)
    if others.count() >= MAX_IMAGES:
        raise BadAnnotation(f"The series has more than {MAX_IMAGES} images: save one image.")
    return [shown, *others]


def _frame(image: Instance, view: View) -> int | None:
    """The one frame that it is about, None for all."""
    return None if view.whole_series or image.number_of_frames == 1 else view.frame


def _header(image: Instance) -> Dataset:
    try:
        with (
            archive.local_path(image.archive_key).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return header.read(data)
    except (FileNotFoundError, ValueError, GateError):
        raise BadAnnotation("The image cannot be read now.") from None


def _series(made: Dataset, study: Study) -> None:
    kept = uuid.uuid5(uuid.NAMESPACE_OID, f"{study.study_instance_uid}/presentation-states")
    made.Modality = "PR"
    made.SeriesInstanceUID = f"2.25.{kept.int}"
    made.SeriesNumber = SERIES_NUMBER
    made.SeriesDescription = SERIES_DESCRIPTION
    made.Manufacturer = portal_objects.MANUFACTURER
    made.ManufacturerModelName = portal_objects.MODEL
    made.InstanceNumber = (
        Instance.objects.filter(
            series__study=study, series__series_instance_uid=made.SeriesInstanceUID
        ).count()
        + 1
    )


def _identification(made: Dataset, study: Study, view: View, who: User) -> None:
    now: datetime = timezone.now().astimezone(UTC)
    day, moment = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    made.TimezoneOffsetFromUTC = "+0000"
    made.SeriesDate = made.InstanceCreationDate = made.PresentationCreationDate = day
    made.SeriesTime = made.InstanceCreationTime = made.PresentationCreationTime = moment
    made.ContentLabel = LABEL
    made.ContentDescription = view.name
    made.ContentCreatorName = (
        f"{who.last_name}^{who.first_name}"
        if who.last_name
        else f"{portal_objects.plain_name(str(who))}^"
    )


def _item(**elements: Any) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def _reference(image: Instance, frame: int | None) -> Dataset:
    found = _item(
        ReferencedSOPClassUID=image.sop_class_uid, ReferencedSOPInstanceUID=image.sop_instance_uid
    )
    if frame is not None:
        found.ReferencedFrameNumber = frame
    return found


def _areas(images: Sequence[Instance], view: View, source: Dataset) -> Iterator[Dataset]:
    """The part that is seen of images as large as the one on the screen, all of others
    (PS3.3 C.10.4)."""
    sizes: dict[tuple[int, int], list[Instance]] = {}
    for image in images:
        sizes.setdefault((image.columns or 1, image.rows or 1), []).append(image)
    for number, ((columns, rows), alike) in enumerate(sizes.items()):
        left, top, right, bottom = view.area if number == 0 else (0, 0, columns, rows)
        first = [max(1, math.floor(edge) + 1) for edge in (left, top)]
        last = [min(columns, math.ceil(right)), min(rows, math.ceil(bottom))]
        made = _item(
            DisplayedAreaTopLeftHandCorner=first,
            DisplayedAreaBottomRightHandCorner=[
                max(pair) for pair in zip(first, last, strict=True)
            ],
            PresentationSizeMode="SCALE TO FIT",
        )
        if len(sizes) > 1:
            made.ReferencedImageSequence = [_reference(one, _frame(one, view)) for one in alike]
        _spacing(made, source, view.frame)
        yield made


def _spacing(made: Dataset, source: Dataset, frame: int) -> None:
    measures = group(source, frame, "PixelMeasuresSequence") or source
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        spacing = measures.get(keyword)
        if spacing is not None and len(spacing) == 2 and min(spacing) > 0:
            made.PresentationPixelSpacing = [str(one) for one in spacing]
            return
    ratio = source.get("PixelAspectRatio")
    usable = ratio is not None and len(ratio) == 2 and min(ratio) > 0
    made.PresentationPixelAspectRatio = list(ratio) if usable else [1, 1]


def _greys(made: Dataset, source: Dataset, view: View) -> None:
    """Modality LUT of the image, the window or the image's table, and the polarity."""
    if "ModalityLUTSequence" in source:
        made.ModalityLUTSequence = source.ModalityLUTSequence
    else:
        rescaled = group(source, view.frame, "PixelValueTransformationSequence") or source
        if "RescaleSlope" in rescaled and "RescaleIntercept" in rescaled:
            for keyword in RESCALE:
                if keyword in rescaled:
                    setattr(made, keyword, rescaled[keyword].value)
            made.RescaleType = made.get("RescaleType") or (
                "HU" if source.get("Modality") == "CT" else "US"
            )
    if view.window is not None:
        centre, width, function = view.window
        voi = _item(WindowCenter=_decimal(centre), WindowWidth=_decimal(width))
        if function != "LINEAR":
            voi.VOILUTFunction = function
        made.SoftcopyVOILUTSequence = [voi]
    elif "VOILUTSequence" in source:
        made.SoftcopyVOILUTSequence = [_item(VOILUTSequence=source.VOILUTSequence)]
    made.PresentationLUTShape = "INVERSE" if view.is_inverse else "IDENTITY"


def _decimal(value: float) -> str:
    """A DS of at most 16 letters."""
    return f"{value:.8g}"


def _annotations(study: Study, images: Iterable[Instance], view: View) -> Iterator[Dataset]:
    by_uid = {image.sop_instance_uid: image for image in images}
    rows = (
        Measurement.objects.filter(
            study=study, series_instance_uid=view.series_instance_uid, removed_at=None
        )
        .exclude(tool="calibration")
        .select_related("calibration__author")
        .order_by("created_at", "id")
    )
    places: dict[tuple[str, int], list[Measurement]] = {}
    count = 0
    for row in rows:
        image = by_uid.get(row.sop_instance_uid)
        if image is None or _frame(image, view) not in (None, row.frame):
            continue
        count += 1
        if count <= MAX_MARKS:
            places.setdefault((row.sop_instance_uid, row.frame), []).append(row)
    for (uid, frame), found in places.items():
        image = by_uid[uid]
        made = _item(
            GraphicLayer=LAYER,
            ReferencedImageSequence=[
                _reference(image, frame if image.number_of_frames > 1 else None)
            ],
        )
        graphics = [one for row in found for one in _graphics(row)]
        texts = [one for row in found for one in _texts(row)]
        if graphics:
            made.GraphicObjectSequence = graphics
        if texts:
            made.TextObjectSequence = texts
        if graphics or texts:
            yield made


def _graphics(row: Measurement) -> Iterator[Dataset]:
    """Its lines. Points count from the corner of the first pixel (PS3.3 C.10.5.1.2), those of
    measurements from its middle."""
    if row.tool == "text":
        return
    if row.tool == "ellipse" and len(row.points) == 2:
        (x1, y1), (x2, y2) = [(x + 0.5, y + 0.5) for x, y in row.points]
        middle = ((x1 + x2) / 2, (y1 + y2) / 2)
        across = [(x1, middle[1]), (x2, middle[1])]
        down = [(middle[0], y1), (middle[0], y2)]
        wide = abs(x2 - x1) >= abs(y2 - y1)
        yield _graphic("ELLIPSE", across + down if wide else down + across)
        return
    for line in outlines.lines_of(row.tool, row.points):
        points = [(column + 0.5, row_ + 0.5) for column, row_ in line]
        yield _graphic("POINT" if len(points) == 1 else "POLYLINE", points)


def _graphic(kind: str, points: Sequence[tuple[float, float]]) -> Dataset:
    return _item(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(points),
        GraphicData=[value for point in points for value in point],
        GraphicType=kind,
        GraphicFilled="N",
    )


def _texts(row: Measurement) -> Iterator[Dataset]:
    words = measured(row).translate(PLAIN)
    if words:
        column, row_ = row.points[-1]
        yield _item(
            UnformattedTextValue=words[:1024],
            AnchorPointAnnotationUnits="PIXEL",
            AnchorPoint=[column + 0.5, row_ + 0.5],
            AnchorPointVisibility="N",
        )


def _profile() -> bytes:
    """sRGB, as what colours are kept in."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile + b"\0" * (len(profile) % 2)
