"""Images of random pixels and presentation states about them, as files."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.dicomweb.asking import Stored, ct_file, saved, store

ROWS, COLUMNS = 20, 30
VALUES = np.random.default_rng(4).integers(0, 4096, (ROWS, COLUMNS), dtype=np.uint16)
FULL = {"WindowCenter": 2048, "WindowWidth": 4096}


def item(**elements: Any) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def image(site: Any, **elements: Any) -> Stored:
    elements = {"Rows": ROWS, "Columns": COLUMNS, "PixelData": VALUES.tobytes(), **elements}
    return store(site, ct_file(WindowCenter=100, WindowWidth=50, **elements))


def state_file(*images: Stored, frames: Any = None, sop_class: str = "1", **elements: Any) -> bytes:
    """A softcopy presentation state of the first image's study."""
    dataset = Dataset()
    dataset.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.11.{sop_class}"
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = images[0].study, generate_uid()
    dataset.Modality, dataset.PatientID, dataset.PatientName = "PR", "P-1", "DOE^Jane"
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20260102", "101112", "A-1"
    dataset.StudyID, dataset.InstanceNumber, dataset.SeriesNumber = "S1", 1, 9
    dataset.ReferencedSeriesSequence = [
        item(SeriesInstanceUID=one.series, ReferencedImageSequence=[referenced(one, frames)])
        for one in images
    ]
    dataset.PresentationLUTShape = "IDENTITY"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return saved(dataset)


def referenced(image: Stored, frames: Any = None) -> Dataset:
    found = item(
        ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=image.instance
    )
    if frames:
        found.ReferencedFrameNumber = frames
    return found


def voi(**elements: Any) -> list[Dataset]:
    return [item(**(elements or FULL))]


def area(left: int, top: int, right: int, bottom: int, **elements: Any) -> list[Dataset]:
    elements.setdefault("PresentationSizeMode", "SCALE TO FIT")
    return [
        item(
            DisplayedAreaTopLeftHandCorner=[left, top],
            DisplayedAreaBottomRightHandCorner=[right, bottom],
            **elements,
        )
    ]


PLAIN = np.rint((VALUES - 2047.5) / 4095 * 255 + 127.5).astype(int)


def near(got: Any, wanted: Any) -> bool:
    return got.shape == wanted.shape and int(np.abs(got - wanted).max()) <= 1
