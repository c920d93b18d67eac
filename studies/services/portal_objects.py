"""What DICOM objects that the portal makes have in common: whose they are, what they show.

Identity comes from the study as it is now, so that corrections reach them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from studies.models import Instance, Study

UTF8 = "ISO_IR 192"
MANUFACTURER = "Lightbox"
MODEL = "Lightbox PACS"
_DATE = re.compile(r"\d{8}")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_SEXES = {"M", "F", "O"}
IMPLEMENTATION = UID(f"2.25.{uuid.UUID('6c696768-7462-4f78-a163-732d72707431').int}")


def identity(study: Study) -> Dataset:
    """Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1) of the study as it is now."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = UTF8
    dataset.PatientName = person_name(
        study.patient_name, study.patient_name_ideographic, study.patient_name_phonetic
    )
    dataset.PatientID = study.patient_id
    if study.issuer_of_patient_id:
        dataset.IssuerOfPatientID = study.issuer_of_patient_id
    dataset.PatientBirthDate = date_or_none(study.patient_birth_date)
    dataset.PatientSex = study.patient_sex if study.patient_sex in _SEXES else ""
    if re.fullmatch(r"\d{3}[DWMY]", study.patient_age):
        dataset.PatientAge = study.patient_age
    dataset.StudyInstanceUID = study.study_instance_uid
    dataset.StudyDate = date_or_none(study.study_date)
    dataset.StudyTime = time_or_none(study.study_time)
    dataset.ReferringPhysicianName = study.referring_physician_name
    dataset.StudyID = study.study_id
    dataset.AccessionNumber = study.accession_number
    if study.study_description:
        dataset.StudyDescription = study.study_description[:64]
    return dataset


def person_name(alphabetic: str, ideographic: str = "", phonetic: str = "") -> str:
    """A PN of up to three groups (PS3.5 6.2.1)."""
    if "=" in alphabetic:
        return alphabetic
    return "=".join((alphabetic, ideographic, phonetic)).rstrip("=")


def plain_name(name: str) -> str:
    """A name without the signs that mean something in a PN."""
    return re.sub(r"[\\^=]", " ", name)[:63]


def date_or_none(text: str) -> str:
    """A DA, or nothing where the images told no date."""
    return text[:8] if _DATE.fullmatch(text[:8]) else ""


def time_or_none(text: str) -> str:
    """A TM, or nothing where the images told no time."""
    return text if _TIME.fullmatch(text) else ""


def evidence(study: Study, sop_instance_uids: Iterable[str]) -> dict[str, Dataset]:
    """The instances of the study with these UIDs, as far as references need them."""
    rows = Instance.objects.filter(
        series__study=study, sop_instance_uid__in=set(sop_instance_uids)
    ).select_related("series")
    found: dict[str, Dataset] = {}
    for row in rows.order_by("series_id", "instance_number", "id"):
        dataset = identity(study)
        dataset.SOPClassUID = row.sop_class_uid
        dataset.SOPInstanceUID = row.sop_instance_uid
        dataset.SeriesInstanceUID = row.series.series_instance_uid
        dataset.Modality = row.series.modality
        dataset.Rows, dataset.Columns = row.rows or 0, row.columns or 0
        if row.number_of_frames > 1:
            dataset.NumberOfFrames = row.number_of_frames
        found[row.sop_instance_uid] = dataset
    return found


def saved(dataset: Dataset, program: str) -> bytes:
    """The data set as a file (PS3.10), Explicit VR Little Endian; the same bytes every time.

    `program`: the Implementation Version Name.
    """
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = IMPLEMENTATION
    dataset.file_meta.ImplementationVersionName = program
    dataset.preamble = b"\0" * 128
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()
