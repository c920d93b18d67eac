"""A study whose images come with everything that is no image: reports, key images, a PDF,
presentation states and segmentations."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import highdicom
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from tests.dicom import greys
from tests.dicomweb.asking import saved
from tests.dicomweb.states import item, state_file
from tests.dicomweb.test_reports import HOSTILE, coded, content, number, report_file
from tests.servers.portal import Portal
from tests.studies.test_document_pages import pdf_file, two_pages

ROWS, COLUMNS, SLICES = 41, 57, 4
"""Odd, so that no frame of bits but the first begins with a byte."""

CT = "1.2.840.10008.5.1.4.1.1.2"
RNG = np.random.default_rng(7)


@dataclass
class Objects:
    """The images of a study, and the bits of the masks that lie over them."""

    name: str
    study: str = field(default_factory=generate_uid)
    series: str = field(default_factory=generate_uid)
    frame_of_reference: str = field(default_factory=generate_uid)
    images: list[Dataset] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        values = (np.indices((ROWS, COLUMNS)).sum(axis=0) * 16).astype(np.uint16)
        for at in range(SLICES):
            image = greys.image(
                values + at, SOPClassUID=CT, Modality="CT", SeriesDescription="Chest",
                SeriesInstanceUID=self.series, SeriesNumber=1, InstanceNumber=at + 1,
                FrameOfReferenceUID=self.frame_of_reference, PixelSpacing=[2, 2],
                SliceThickness=3, ImagePositionPatient=[0, 0, 3.0 * at],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0], WindowCenter=800, WindowWidth=1600,
                RescaleSlope=1, RescaleIntercept=0, RescaleType="HU", **self.identity,
            )  # fmt: skip
            image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
            self.images.append(image)

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "PatientName": f"{self.name}^Objects", "PatientID": self.name.upper(),
            "PatientBirthDate": "", "PatientSex": "", "StudyInstanceUID": self.study,
            "StudyID": "S1", "AccessionNumber": "A-1", "StudyDate": "20260102",
            "StudyTime": "101112",
        }  # fmt: skip

    def reference(self, at: int, *frames: int) -> Dataset:
        found = item(
            ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=self.images[at].SOPInstanceUID
        )
        if frames:
            found.ReferencedFrameNumber = list(frames)
        return found

    @property
    def evidence(self) -> list[Dataset]:
        series = item(
            SeriesInstanceUID=self.series,
            ReferencedSOPSequence=[self.reference(at) for at in range(SLICES)],
        )
        return [item(StudyInstanceUID=self.study, ReferencedSeriesSequence=[series])]

    def report(self) -> bytes:
        """Nested, with a number, a link to the third image, and text that means harm."""
        nodule = content(
            "CONTAINER", "Nodule",
            ContentSequence=[
                content("NUM", "Diameter", MeasuredValueSequence=number("7.5", "mm", "millimeter")),
                content("IMAGE", "Seen on", ReferencedSOPSequence=[self.reference(2)]),
            ],
        )  # fmt: skip
        findings = content(
            "CONTAINER", "Findings",
            ContentSequence=[
                content("TEXT", "Comment", TextValue=HOSTILE),
                content("CODE", "Side", ConceptCodeSequence=coded("Left")),
                nodule,
            ],
        )  # fmt: skip
        return report_file(
            findings,
            SeriesNumber=5,
            CurrentRequestedProcedureEvidenceSequence=self.evidence,
            **self.identity,
        )

    def key_objects(self) -> bytes:
        missing = item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.2.3.4")
        return report_file(
            content("TEXT", "Key Object Description", TextValue="See <b>these</b>"),
            content("IMAGE", "", ReferencedSOPSequence=[self.reference(1)]),
            content("IMAGE", "", ReferencedSOPSequence=[self.reference(3)]),
            content("IMAGE", "", ReferencedSOPSequence=[missing]),
            title="Of Interest",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.88.59",
            Modality="KO",
            SeriesNumber=6,
            CurrentRequestedProcedureEvidenceSequence=self.evidence,
            **self.identity,
        )

    def pdf(self) -> bytes:
        return pdf_file(two_pages(), SeriesNumber=7, **self.identity)

    def state(self, at: int, label: str, **elements: Any) -> bytes:
        """A presentation state of one image."""
        series = item(SeriesInstanceUID=self.series, ReferencedImageSequence=[self.reference(at)])
        stand_in: Any = item(study=self.study, series=self.series, instance="")
        return state_file(
            stand_in, ContentLabel="LABEL", ContentDescription=label,
            PresentationCreationDate="20260103", PresentationCreationTime="1200",
            **(self.identity | {"ReferencedSeriesSequence": [series]} | elements),
        )  # fmt: skip

    def masks(self) -> Any:
        """Two segments that do not meet, none on the third image: slice, row, column, segment."""
        found = RNG.random((SLICES, ROWS, COLUMNS, 2)) > 0.7
        found[2] = False
        found[..., 1] &= ~found[..., 0]
        return found

    def segmentation(self, masks: Any, *, fractional: bool = False) -> bytes:
        segments = masks.shape[-1]
        colours = [highdicom.color.CIELabColor(87.8, -79.2, 80.9), None]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = highdicom.seg.Segmentation(
                source_images=self.images,
                pixel_array=masks,
                segmentation_type="FRACTIONAL" if fractional else "BINARY",
                segment_descriptions=[
                    highdicom.seg.SegmentDescription(
                        segment_number=at + 1,
                        segment_label=("Lung", "Other <i>lung</i>")[at],
                        segmented_property_category=codes.SCT.Organ,
                        segmented_property_type=codes.SCT.Lung,
                        algorithm_type="MANUAL",
                        display_color=colours[at],
                    )
                    for at in range(segments)
                ],
                series_instance_uid=generate_uid(),
                series_number=9 if fractional else 8,
                sop_instance_uid=generate_uid(),
                instance_number=1,
                manufacturer="Test",
                manufacturer_model_name="Test",
                software_versions="1",
                device_serial_number="1",
                series_description="Probability" if fractional else "Lungs",
                omit_empty_frames=True,
            )
        file = BytesIO()
        made.save_as(file)
        return file.getvalue()

    def send(self, portal: Portal, *others: bytes) -> None:
        """The images and what comes with them."""
        for data in (*self._files(), *others):
            status, answer = portal.upload(data)
            assert status in {200, 201}, answer
            self.count += 1
        portal.wait_count(self.study, self.count)

    def _files(self) -> Iterator[bytes]:
        if not self.count:
            yield from map(saved, self.images)
