"""The overlay of a series: what its images say of patient and study, as it is corrected.

The index's rows are the truth. What was corrected is served as they say; of a series that came with
another study's UID, all that a study and its patient have.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import Final

from pydicom.datadict import tag_for_keyword

from studies.corrections.attributes import ATTRIBUTES, BY_KEYWORD, is_moved, text_of
from studies.dicom.overlay import Overlay
from studies.models import Series, Study

STUDY_INSTANCE_UID: Final = 0x0020000D


def _tags(*keywords: str) -> frozenset[int]:
    return frozenset(filter(None, map(tag_for_keyword, keywords)))


PATIENT_AGE: Final = _tags("PatientAge")
OF_ANOTHER_PATIENT: Final = PATIENT_AGE | _tags(
    "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthTime",
    "OtherPatientIDs",
    "OtherPatientNames",
    "OtherPatientIDsSequence",
    "PatientBirthName",
    "PatientAddress",
    "PatientMotherBirthName",
    "MedicalRecordLocator",
    "ReferencedPatientPhotoSequence",
    "PatientTelephoneNumbers",
    "PatientTelecomInformation",
    "EthnicGroup",
    "Occupation",
    "AdditionalPatientHistory",
    "PatientReligiousPreference",
    "PatientComments",
    "MedicalAlerts",
    "Allergies",
    "PregnancyStatus",
    "LastMenstrualDate",
    "AdmissionID",
    "IssuerOfAdmissionIDSequence",
    "ReferencedPatientSequence",
)
"""What names or describes the patient that images were filed under by mistake."""
OF_ANOTHER_STUDY: Final = _tags(
    "IssuerOfAccessionNumberSequence",
    "ProcedureCodeSequence",
    "ReferencedStudySequence",
    "RequestAttributesSequence",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "RequestedProcedureCodeSequence",
    "RequestingPhysician",
    "RequestingService",
    "ReferringPhysicianIdentificationSequence",
    "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy",
    "AdmittingDiagnosesDescription",
)
"""What belongs to the order of the study that a series was moved out of."""


def overlay_of(study: Study, series: Series) -> Overlay | None:
    """What is laid over the images of a series; None where nothing is."""
    moved = is_moved(study, series)
    keywords = {one.keyword for one in ATTRIBUTES} if moved else set(keywords_of(study))
    if not keywords:
        return None
    values = {BY_KEYWORD[keyword].tag: text_of(study, keyword) for keyword in keywords}
    removed: frozenset[int] = frozenset()
    if moved:
        values[STUDY_INSTANCE_UID] = study.study_instance_uid
        removed |= OF_ANOTHER_STUDY
    if "PatientID" in keywords:
        removed |= OF_ANOTHER_PATIENT
    if "PatientBirthDate" in keywords:
        removed |= PATIENT_AGE
    if "AccessionNumber" in keywords:
        removed |= _tags("IssuerOfAccessionNumberSequence")
    at = study.corrected_at
    return Overlay(
        values, removed, at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000") if at else ""
    )


def keywords_of(study: Study) -> list[str]:
    """Keywords of the attributes of a study that are corrected."""
    return [keyword for keyword in study.corrected.split(",") if keyword]


def joined(keywords: Iterable[str]) -> str:
    """The column `corrected` of these keywords."""
    return ",".join(sorted(set(keywords)))
