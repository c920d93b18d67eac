"""What is signed: the document with the facts that it was signed on, as one JSON value."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reports.errors import BadContent, Refused
from reports.models import Report
from reports.signing.pictures import Picture
from studies.annotations import wording
from studies.annotations.models import Measurement
from studies.models import Study

DOCUMENT_KEYS = ("v", "title", "language", "template", "sections")


def settled(value: Any) -> Any:
    """A JSON value that every database gives back as it was given: the hash depends on it.

    PostgreSQL's jsonb keeps no NUL characters and makes integers of large floats. Raises
    BadContent for what JSON cannot say.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadContent("The report holds a number that is none.")
        return int(value) if value.is_integer() else value
    if isinstance(value, str):
        text = value.replace("\x00", "")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadContent("The report holds characters that are none.") from None
        return text
    if isinstance(value, Mapping):
        return {settled(str(key)): settled(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [settled(each) for each in value]
    raise BadContent("The report holds something that is no text.")


def patient_facts(study: Study) -> dict[str, str]:
    return {
        "id": study.patient_id,
        "issuer": study.issuer_of_patient_id,
        "name": study.patient_name,
        "birth_date": study.patient_birth_date,
        "sex": study.patient_sex,
    }


def study_facts(study: Study) -> dict[str, Any]:
    return {
        "id": study.pk,
        "uid": study.study_instance_uid,
        "date": study.study_date,
        "time": study.study_time,
        "description": study.study_description,
        "accession_number": study.accession_number,
        "modalities": study.modalities,
        "referring_physician": study.referring_physician_name,
        "body_part": study.body_part_examined,
    }


def measurement_text(measurement: Measurement) -> str:
    """The values in words: "12.3 mm (at the detector)"."""
    text = wording.value_text(measurement.values)
    note = wording.source_note(
        measurement.values,
        at_detector=measurement.at_detector,
        calibrated_by=measurement.calibrated_by,
        tool=measurement.tool,
    )
    return f"{text} ({note})" if text and note else text


def _measurements(document: dict[str, Any], study: Study) -> list[dict[str, Any]]:
    wanted = [str(each) for each in document.get("measurements", [])]
    rows = {
        str(row.pk): row
        for row in Measurement.objects.filter(study_id=study.pk, pk__in=wanted).select_related(
            "calibration__author"
        )
    }
    if any(each not in rows for each in wanted):
        raise Refused(
            "A measurement of this report does not belong to its study. Remove it.",
            code="foreign-measurement",
        )
    return [
        {
            "id": each,
            "tool": rows[each].tool,
            "label": rows[each].label,
            "text": measurement_text(rows[each]),
            "values": rows[each].values,
            "sop_instance_uid": rows[each].sop_instance_uid,
            "series_instance_uid": rows[each].series_instance_uid,
            "frame": rows[each].frame,
        }
        for each in wanted
    ]


def _key_images(
    document: dict[str, Any], pictures: Mapping[str, Picture]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The key images with their pictures, and the ids of those that were left out."""
    found, left_out = [], []
    for each in document.get("key_images", []):
        picture = pictures.get(str(each["id"]))
        if picture is None:
            left_out.append(str(each["id"]))
            continue
        row = picture.key_image
        found.append(
            {
                "id": str(row.pk),
                "caption": each.get("caption") or row.caption,
                "sop_instance_uid": row.sop_instance_uid,
                "series_instance_uid": row.series_instance_uid,
                "frame": row.frame,
                "sha256": picture.sha256,
                "archive_key": picture.archive_key,
            }
        )
    return found, left_out


def freeze(
    report: Report,
    study: Study,
    document: dict[str, Any],
    *,
    pictures: Mapping[str, Picture],
    **signed: Any,
) -> dict[str, Any]:
    """The content of a version; `signed` is what `occasion` makes.

    Raises BadContent where the document is none, Refused for measurements of another study.
    """
    if not isinstance(document.get("sections"), list):
        raise BadContent("The report has no text yet.")
    key_images, left_out = _key_images(document, pictures)
    frozen = {
        **{key: document.get(key) for key in DOCUMENT_KEYS},
        "key_images": key_images,
        "measurements": _measurements(document, study),
        "report": report.pk,
        "patient": patient_facts(study),
        "study": study_facts(study),
        "site": {
            "id": study.site.pk,
            "name": study.site.name,
            "slug": study.site.slug,
            "timezone": study.site.timezone,
        },
        **signed,
    }
    if left_out:
        frozen["left_out_key_images"] = left_out
    return dict(settled(frozen))


def occasion(
    *,
    kind: str,
    number: int,
    signed_at: datetime,
    signer: dict[str, Any],
    cosigner: dict[str, Any] | None = None,
    addends: int | None = None,
    reason: str = "",
    answers: Mapping[str, Any] | None = None,
    clock: str = "",
) -> dict[str, Any]:
    """Who signs what when. `clock`: why `signed_at` is not what the server's clock said."""
    return {
        "kind": kind,
        "number": number,
        "signed_at": signed_at.astimezone(UTC).isoformat(),
        "signer": signer,
        "cosigner": cosigner,
        "addends": addends,
        "reason": reason,
        "answers": dict(answers or {}),
        "clock": clock,
    }


def digest(text: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
