"""What the index has of an image, its series, its study and its site: asked for every image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from django.db import connection

from pacs import statements
from studies.models import Patient, Study

AT_ONCE: Final = 500
# What indexing reads of a study, in the order of the model; the rest is loaded if asked for.
STUDY: Final = (
    "id",
    "site_id",
    "patient_ref_id",
    "study_instance_uid",
    "modalities",
    "patient_name",
    "patient_id",
    "issuer_of_patient_id",
    "name_conflict",
    "number_of_series",
    "number_of_instances",
    "expected_instances",
    "late_instances",
    "arrival",
    "corrected",
)
_STUDY = (
    f"SELECT {', '.join(STUDY)} FROM studies_study"  # noqa: S608
    " WHERE site_id = %s AND study_instance_uid = %s"
)
_STUDY_BY_ID = f"SELECT {', '.join(STUDY)} FROM studies_study WHERE id = %s"  # noqa: S608
_RECEIVED_AS = """SELECT series_instance_uid, patient_id, issuer_of_patient_id, study_id
    FROM studies_receivedas WHERE site_id = %s AND study_instance_uid = %s
    ORDER BY CASE WHEN series_instance_uid = '' THEN 1 ELSE 0 END, id DESC"""
_INSTANCES = """SELECT i.sop_instance_uid, i.id, s.study_id, i.archive_key, i.content_digest,
    i.dataset_digest, i.transfer_syntax_uid
    FROM studies_instance i JOIN studies_series s ON s.id = i.series_id
    WHERE i.site_id = %s AND i.sop_instance_uid IN"""
_SERIES = "SELECT id FROM studies_series WHERE study_id = %s AND series_instance_uid = %s"


class Known(NamedTuple):
    """What is stored under a SOP Instance UID."""

    pk: int
    study_id: int
    archive_key: str
    content_digest: str
    dataset_digest: str
    transfer_syntax_uid: str


def instances(site_id: int, uids: Sequence[str]) -> dict[str, Known]:
    """By SOP Instance UID, those of `uids` that the site has."""
    found: dict[str, Known] = {}
    for start in range(0, len(uids), AT_ONCE):
        some = uids[start : start + AT_ONCE]
        places = ", ".join(["%s"] * len(some))
        rows = statements.select(f"{_INSTANCES} ({places})", [site_id, *some])
        found.update((row[0], Known(*row[1:])) for row in rows)
    return found


class ReceivedAs(NamedTuple):
    """How images that belong to a corrected study may come; the columns of its model."""

    series_instance_uid: str
    patient_id: str
    issuer_of_patient_id: str
    study_id: int


def received_as(site_id: int, study_uid: str) -> list[ReceivedAs]:
    """Where corrections say that images of this UID belong: of single series first."""
    return [ReceivedAs(*row) for row in statements.select(_RECEIVED_AS, [site_id, study_uid])]


def merged_into(patient: Patient) -> Patient:
    """The patient that this one was merged into in the end."""
    seen = {patient.pk}
    while patient.merged_into is not None and patient.merged_into_id not in seen:
        patient = patient.merged_into
        seen.add(patient.pk)
    return patient


def study_by_id(pk: int) -> Study:
    """The study, locked until the transaction ends."""
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    (row,) = statements.select(_STUDY_BY_ID + lock, [pk])
    return Study.from_db(connection.alias, STUDY, row)


def study(site_id: int, uid: str) -> Study | None:
    """The study of this UID, locked until the transaction ends."""
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    rows = statements.select(_STUDY + lock, [site_id, uid])
    return Study.from_db(connection.alias, STUDY, rows[0]) if rows else None


def series_id(study_id: int, uid: str) -> int | None:
    """The id of a series of a study."""
    rows = statements.select(_SERIES, [study_id, uid])
    return rows[0][0] if rows else None


def quiet_seconds(site_id: int) -> int | None:
    """What the site says of how long a study is quiet after its last image."""
    sql = "SELECT quiet_seconds FROM accounts_site WHERE id = %s"
    seconds: int | None = statements.select(sql, [site_id])[0][0]
    return seconds
