"""What the index has of an image, its series, its study and its site: asked for every image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from django.db import connection

from pacs import statements
from studies.models import Study

AT_ONCE: Final = 500
# What indexing reads of a study, in the order of the model; the rest is loaded if asked for.
STUDY: Final = (
    "id",
    "site_id",
    "patient_ref_id",
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
)
_STUDY = (
    f"SELECT {', '.join(STUDY)} FROM studies_study"  # noqa: S608
    " WHERE site_id = %s AND study_instance_uid = %s"
)
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
