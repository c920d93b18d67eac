"""Whose picture it is and how it was made, burnt in on request (PS3.18 8.3.5.1.1)."""

from __future__ import annotations

from PIL import Image, ImageDraw
from pydicom import Dataset
from pydicom.valuerep import PersonName

from studies.dicom.pixels import lettering
from studies.dicom.pixels.decode import CannotDecode
from studies.dicom.pixels.values import first_number

SHARE = 40  # a line takes a fortieth of the picture's smaller side
SMALLEST, LARGEST = 10, 48
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def burn(image: Image.Image, dataset: Dataset, wanted: tuple[str, ...]) -> Image.Image:
    """The picture with the patient's lines above and the technique's below.

    CannotDecode where there is no room, or no font for a name: never a picture with half a name.
    """
    above = patient_lines(dataset) if "patient" in wanted else []
    below = technique_lines(dataset) if "technique" in wanted else []
    image = image.copy()
    size = min(max(min(image.size) // SHARE, SMALLEST), LARGEST)
    size = _fitting(image.size, above + below, size)
    draw = ImageDraw.Draw(image)
    fill, edge = (255, 0) if image.mode == "L" else (WHITE, BLACK)
    step, margin = round(size * 1.3), max(2, size // 3)
    for number, line in enumerate(above):
        lettering.draw_line(draw, (margin, margin + number * step), line, size, fill, edge)
    top = image.height - margin - len(below) * step
    for number, line in enumerate(below):
        lettering.draw_line(draw, (margin, top + number * step), line, size, fill, edge)
    return image


def _fitting(room: tuple[int, int], lines: list[str], size: int) -> int:
    """The largest letters up to `size` with which all lines fit."""
    for smaller in range(size, 5, -1):
        margin = 2 * max(2, smaller // 3)
        widest = max((lettering.width(line, smaller) for line in lines), default=0)
        if widest + margin <= room[0] and len(lines) * round(smaller * 1.3) + margin <= room[1]:
            return smaller
    raise CannotDecode("the picture is too small for its annotation")


def patient_lines(dataset: Dataset) -> list[str]:
    """Name, ID, birth date and sex, and when the study was."""
    name = _name(dataset.get("PatientName"))
    born, sex = _date(dataset.get("PatientBirthDate")), str(dataset.get("PatientSex") or "")
    lines = [
        name,
        _labelled("ID", dataset.get("PatientID")),
        " ".join(part for part in (_labelled("born", born), sex) if part),
        " ".join(
            part
            for part in (
                _date(dataset.get("StudyDate")),
                _labelled("Acc.", dataset.get("AccessionNumber")),
            )
            if part
        ),
    ]
    return [line for line in lines if line]


def technique_lines(dataset: Dataset) -> list[str]:
    """Modality and what the device says of the exposure or the sequence."""
    measures = (
        ("KVP", "kV"),
        ("XRayTubeCurrent", "mA"),
        ("Exposure", "mAs"),
        ("SliceThickness", "mm"),
        ("RepetitionTime", "ms TR"),
        ("EchoTime", "ms TE"),
        ("MagneticFieldStrength", "T"),
    )
    said = [
        f"{value:g} {unit}"
        for keyword, unit in measures
        if (value := first_number(dataset, keyword)) is not None
    ]
    first = " ".join(
        str(part)
        for part in (
            dataset.get("Modality"),
            dataset.get("ProtocolName") or dataset.get("SeriesDescription"),
        )
        if part
    )
    return [line for line in (first, "  ".join(said)) if line]


def _name(value: object) -> str:
    """The name as written by its owner where a font has the letters, with the alphabetic one."""
    if not isinstance(value, PersonName):
        return str(value or "")
    groups = [_group(str(group)) for group in (value.alphabetic, value.ideographic) if str(group)]
    drawable = [group for group in groups if lettering.can_draw(group)]
    return "  ".join(drawable or groups)


def _group(text: str) -> str:
    family, _, given = text.partition("^")
    rest = " ".join(part for part in given.split("^") if part)
    return f"{family}, {rest}" if family and rest else family or rest


def _date(value: object) -> str:
    text = str(value or "")
    if len(text) == 8 and text.isdecimal():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text


def _labelled(label: str, value: object) -> str:
    text = str(value or "")
    return f"{label} {text}" if text else ""
