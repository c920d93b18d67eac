"""Synthetic series of a body that is known at every place of the patient, taken from any side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.dicom import greys

Body = Callable[[Any, Any, Any], Any]
CT = "1.2.840.10008.5.1.4.1.1.2"
AXIAL = ((1, 0, 0), (0, 1, 0))
FEET_FIRST_PRONE = ((-1, 0, 0), (0, -1, 0))
SAGITTAL = ((0, 1, 0), (0, 0, -1))
CORONAL = ((1, 0, 0), (0, 0, -1))


def series(
    body: Body,
    *,
    size: tuple[int, int, int],
    mm: tuple[float, float, float],
    orientation: Any = AXIAL,
    lean: float = 0.0,
    slope: float = 1.0,
    intercept: float = -1024.0,
    **elements: Any,
) -> Iterator[Dataset]:
    """Slices of `body`, whose middle is the origin of the patient's space.

    `size` is columns, rows, slices and `mm` their distances; `lean` is how far the columns go on,
    in mm, from slice to slice: a tilted gantry.
    """
    row, column = (np.array(way, dtype=float) for way in orientation)
    lead = np.cross(row, column) * mm[2] + column * lean
    columns, rows, slices = size
    i = (np.arange(columns) - (columns - 1) / 2) * mm[0]
    j = (np.arange(rows) - (rows - 1) / 2) * mm[1]
    common = {
        "SOPClassUID": CT, "Modality": "CT", "BitsStored": 16,
        "StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(), **elements,
    }  # fmt: skip
    for k in range(slices):
        middle = lead * (k - (slices - 1) / 2)
        places = middle + j[:, None, None] * column + i[None, :, None] * row
        values = np.asarray(body(places[..., 0], places[..., 1], places[..., 2]), dtype=float)
        kept = np.rint((np.broadcast_to(values, (rows, columns)) - intercept) / slope)
        dataset = greys.image(
            kept.astype(np.uint16), InstanceNumber=k + 1, PixelSpacing=[mm[1], mm[0]],
            SliceThickness=mm[2], ImageOrientationPatient=[*row, *column],
            ImagePositionPatient=[float(value) for value in places[0, 0]],
            RescaleSlope=slope, RescaleIntercept=intercept, **common,
        )  # fmt: skip
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        yield dataset
