"""Pictures of key images: made and stored before anything is signed, named by their SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db.models import Max

from reports.errors import Refused
from studies.annotations.models import KeyImage, Measurement
from studies.backup import enrolment
from studies.dicom.payload import Payload

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the archive, and of which state of its key image it is."""

    key_image: KeyImage
    sha256: str
    archive_key: str
    changed_at: datetime
    measured_at: datetime | None


class PicturesMissing(Refused):
    """`detail["key_images"]` lists the ids whose picture cannot be made."""

    code = "pictures"


def make(
    document: dict[str, Any],
    *,
    study_id: int,
    site_id: int,
    leave_out: bool = False,
) -> dict[str, Picture]:
    """The pictures of a document's key images by id, stored under the site's archive.

    Outside of transactions: drawing takes its time. With `leave_out` key images without a picture
    are left out, which only the signer may say. Raises PicturesMissing otherwise, and Refused for
    key images of another study.
    """
    wanted = [str(each["id"]) for each in document.get("key_images", [])]
    if not wanted:
        return {}
    from studies.annotations.pictures import picture

    rows = {str(row.pk): row for row in KeyImage.objects.filter(study_id=study_id, pk__in=wanted)}
    if foreign := [each for each in wanted if each not in rows]:
        raise Refused(
            f"{len(foreign)} key image(s) of this report do not belong to its study."
            " Remove them from the report.",
            code="foreign-key-image",
        )
    measured_at = _last_measured(study_id)
    made: dict[str, Picture] = {}
    missing: list[str] = []
    for each in wanted:
        row = rows[each]
        try:
            data = picture(row)
        except Exception as error:
            log.warning("no picture of a key image", key_image=each, error=type(error).__name__)
            missing.append(each)
            continue
        payload = Payload.from_bytes(data)
        key = enrolment.keep(payload, site_id=site_id)
        made[each] = Picture(row, payload.sha256, key, row.changed_at, measured_at)
    if missing and not leave_out:
        raise PicturesMissing(
            f"The picture of {len(missing)} key image(s) cannot be made."
            " Try again, remove them, or sign without them.",
            key_images=missing,
        )
    return made


def unchanged(pictures: dict[str, Picture]) -> None:
    """Raise Refused where a key image changed after its picture was made; in the transaction."""
    now = {
        str(pk): changed_at
        for pk, changed_at in KeyImage.objects.filter(pk__in=list(pictures)).values_list(
            "pk", "changed_at"
        )
    }
    for pk, picture in pictures.items():
        measured_at = _last_measured(picture.key_image.study_id)
        if now.get(pk) != picture.changed_at or measured_at != picture.measured_at:
            raise Refused(
                "A key image or a measurement was changed meanwhile. Sign again.",
                code="changed-picture",
            )


def _last_measured(study_id: int) -> datetime | None:
    """When a measurement of the study was last changed: pictures show measurements."""
    found: datetime | None = Measurement.objects.filter(study_id=study_id).aggregate(
        at=Max("changed_at")
    )["at"]
    return found
