"""Measurements as groups of a measurement report (PS3.16 TID 1500, 1501, 300, 320)."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from highdicom.sr import (
    CodedConcept,
    CoordinatesForMeasurement,
    GraphicTypeValues,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    SourceImageForMeasurement,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from studies.annotations import outlines
from studies.annotations.models import Measurement as MeasurementRow

logging.getLogger("highdicom").setLevel(logging.WARNING)
OWN_SCHEME: Final = "99LIGHTBOX"
NAMES: Final = {
    "length": codes.SCT.Length,
    "distance": CodedConcept("121206", "DCM", "Distance"),
    "long_axis": CodedConcept("103339001", "SCT", "Long axis"),
    "short_axis": CodedConcept("103340004", "SCT", "Short axis"),
    "angle": codes.SCT.Angle,
    "area": codes.SCT.Area,
}
STATISTICS: Final = {
    "mean": CodedConcept("373098007", "SCT", "Mean"),
    "sd": CodedConcept("386136009", "SCT", "Standard Deviation"),
    "min": CodedConcept("255605001", "SCT", "Minimum"),
    "max": CodedConcept("56851009", "SCT", "Maximum"),
}
PIXELS: Final = {
    "HU": CodedConcept("112031", "DCM", "Attenuation Coefficient"),
    "g/ml": CodedConcept("126401", "DCM", "SUVbw"),
}
OTHER_PIXELS: Final = CodedConcept("pixel value", OWN_SCHEME, "Pixel value")
UNITS: Final = {
    "mm": ("mm", "mm"),
    "cm": ("cm", "cm"),
    "mm2": ("mm2", "mm2"),
    "mm²": ("mm2", "mm2"),
    "cm2": ("cm2", "cm2"),
    "cm²": ("cm2", "cm2"),
    "deg": ("deg", "degrees"),
    "°": ("deg", "degrees"),
    "HU": ("[hnsf'U]", "Hounsfield unit"),
    "px": ("{pixels}", "pixels"),
    "px2": ("{pixels}2", "square pixels"),
    "g/ml": ("g/ml{SUVbw}", "Standardized Uptake Value body weight"),
    "Bq/ml": ("Bq/ml", "Becquerels/milliliter"),
    "s": ("s", "seconds"),
    "cm/s": ("cm/s", "centimeters/second"),
    "Hz": ("Hz", "Hertz"),
    "": ("1", "no units"),
}
Shape = tuple[GraphicTypeValues, list[tuple[float, float]]]


def group(
    row: MeasurementRow,
    values: Sequence[dict[str, Any]],
    image: Dataset,
    *,
    uid: str,
    identifier: str,
) -> MeasurementsAndQualitativeEvaluations | None:
    """TID 1501 of one measurement: these values, with the image and where on it; None without any.

    Where the row says other values by now, the coordinates are left out. `uid` and `identifier`
    track it from one document to the next.
    """
    frames = [row.frame] if "NumberOfFrames" in image else None
    source = (image.SOPClassUID, image.SOPInstanceUID, frames)
    still = row.values == values
    measured = []
    for value in values:
        if not isinstance(value.get("value"), int | float):
            continue
        shapes = shapes_of(row, str(value.get("name") or "")) if still else []
        references: dict[str, Any] = {"referenced_images": [SourceImageForMeasurement(*source)]}
        if shapes:
            references = {
                "referenced_coordinates": [
                    CoordinatesForMeasurement(
                        graphic_type=kind,
                        graphic_data=np.asarray(points, dtype=np.float32),
                        source_image=SourceImageForRegion(*source),
                    )
                    for kind, points in shapes
                ]
            }
        name, derivation = concept_of(value)
        measured.append(
            Measurement(
                name=name,
                value=float(value["value"]),
                unit=unit_of(str(value.get("unit") or "")),
                derivation=derivation,
                **references,
            )
        )
    if not measured:
        return None
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=uid, identifier=identifier),
        measurements=measured,
        source_images=[SourceImageForMeasurementGroup(*source)],
    )


def shapes_of(row: MeasurementRow, name: str) -> list[Shape]:
    """What a value was measured on. Points of SCOORD count from the corner of the first pixel
    (PS3.3 C.18.6.1.2), those of measurements from its middle."""
    points = [(column + 0.5, row_ + 0.5) for column, row_ in row.points]
    if row.tool == "ellipse" and len(points) == 2:
        return [(GraphicTypeValues.ELLIPSE, _axes(points))]
    lines = [list(line) for line in outlines.lines_of(row.tool, points)]
    if name in {"long_axis", "short_axis"} and len(lines) == 2:
        lines.sort(key=lambda line: math.dist(*line), reverse=name == "long_axis")
        lines = lines[:1]
    if len(lines) == 1 and len(lines[0]) == 1:
        return [(GraphicTypeValues.POINT, lines[0])]
    return [(GraphicTypeValues.POLYLINE, line) for line in lines if len(line) > 1]


def _axes(box: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Ends of the longer axis of an ellipse, then of the shorter (PS3.3 C.18.6.1.2)."""
    (x1, y1), (x2, y2) = box
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    across, down = [(x1, y), (x2, y)], [(x, y1), (x, y2)]
    return across + down if abs(x2 - x1) >= abs(y2 - y1) else down + across


def concept_of(value: dict[str, Any]) -> tuple[Any, Any]:
    """The concept of a value, and how it was derived (TID 300)."""
    name, unit = str(value.get("name") or "").lower(), str(value.get("unit") or "")
    if name in STATISTICS or name == "value":
        return PIXELS.get(unit, OTHER_PIXELS), STATISTICS.get(name)
    return NAMES.get(name) or CodedConcept(
        name[:16] or "value", OWN_SCHEME, name[:64] or "value"
    ), None


def unit_of(unit: str) -> CodedConcept:
    code, meaning = UNITS.get(unit.split(" ")[0], (unit[:16], unit[:64]))
    return CodedConcept(code, "UCUM", meaning)
