"""What a site has of files that somebody is about to send: asked before a byte goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Q

from studies.dicom.errors import WORDS, Reason
from studies.models import Instance, Patient, QuarantinedFile, Study

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that came earlier: its bytes' SHA-256, "stored" or "quarantined" with the reason."""

    sop_instance_uid: str
    sha256: str
    outcome: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """A patient as the site has it: DICOM's PN, DA and CS as sent."""

    name: str
    birth_date: str
    sex: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study would go: to `images` that are there, 0 for a study that is new.

    `other_patient`: the study there is of another PatientID, what is sent goes to quarantine.
    """

    study_instance_uid: str
    patient_id: str
    images: int = 0
    other_patient: bool = False
    patients: list[KnownPatient] = field(default_factory=list)


def arrived(site_id: int, uids: Sequence[str]) -> list[Arrived]:
    """What of these SOP Instance UIDs the site has stored or holds in open quarantine."""
    found: list[Arrived] = []
    for start in range(0, len(uids), AT_ONCE):
        some = uids[start : start + AT_ONCE]
        stored = Instance.objects.filter(site_id=site_id, sop_instance_uid__in=some)
        found += [
            Arrived(uid, sha256, "stored")
            for uid, sha256 in stored.values_list("sop_instance_uid", "file_sha256")
        ]
        held = QuarantinedFile.objects.filter(
            site_id=site_id, is_open=True, sop_instance_uid__in=some
        )
        found += [
            Arrived(uid, sha256, "quarantined", _words(reason))
            for uid, sha256, reason in held.values_list("sop_instance_uid", "file_sha256", "reason")
        ]
    return found


def _words(reason: str) -> str:
    return WORDS[Reason(reason)] if reason in set(Reason) else reason


def places(site_id: int, wanted: Iterable[tuple[str, str]]) -> list[Place]:
    """For pairs of Study Instance UID and PatientID: the study and patients that are there."""
    pairs = list(wanted)
    studies = {
        study.study_instance_uid: study
        for study in Study.objects.filter(
            site_id=site_id, study_instance_uid__in={uid for uid, _ in pairs}
        ).select_related("patient_ref")
    }
    by_id: dict[str, list[KnownPatient]] = {}
    ids = {patient_id for _, patient_id in pairs if patient_id}
    for patient in Patient.objects.filter(
        Q(merged_into=None), site_id=site_id, patient_id__in=ids
    ).order_by("id"):
        by_id.setdefault(patient.patient_id, []).append(_known(patient))
    return [
        _place(uid, patient_id, studies.get(uid), by_id.get(patient_id, []))
        for uid, patient_id in pairs
    ]


def _place(uid: str, patient_id: str, study: Study | None, patients: list[KnownPatient]) -> Place:
    if study is None:
        return Place(uid, patient_id, patients=patients)
    # A corrected study has its own word on which files are its own.
    other = not study.corrected and study.patient_id != patient_id
    return Place(uid, patient_id, study.number_of_instances, other, [_known(study.patient_ref)])


def _known(patient: Patient) -> KnownPatient:
    return KnownPatient(patient.patient_name, patient.patient_birth_date, patient.patient_sex)
