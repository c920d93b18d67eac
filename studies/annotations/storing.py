"""Measurements, key images and views put into their study as DICOM objects, on demand."""

from __future__ import annotations

from io import BytesIO

import structlog

from pacs import audit
from pacs.accounts.models import User
from pacs.accounts.principal import Principal
from studies.annotations import objects, presentation
from studies.annotations.errors import BadAnnotation
from studies.annotations.models import KeyImage, Measurement
from studies.annotations.presentation import View
from studies.annotations.services import annotated
from studies.models import Study
from studies.services import ingest

log = structlog.get_logger(__name__)
SOURCE = "viewer"


def store_into_study(
    study_id: int, who: User, *, principal: Principal | None = None, **origin: str
) -> list[str]:
    """One object for the measurements, one for the key images, through the one door; their kinds.

    Safe to repeat: as long as nothing changes they are the same objects. Raises NotAllowed,
    BadAnnotation where there is nothing to store or the door does not take it, Study.DoesNotExist.
    """
    study = annotated(study_id, who, principal)
    measured = list(Measurement.objects.filter(study=study, removed_at=None).order_by("created_at"))
    key_images = list(KeyImage.objects.filter(study=study, removed_at=None).order_by("created_at"))
    made = {
        "measurements": objects.measurement_report(study, measured, who) if measured else None,
        "key-images": objects.key_objects(study, key_images, who) if key_images else None,
    }
    kept = []
    for kind, content in made.items():
        if content is None:
            continue
        _put(study, content, who, kind)
        kept.append(kind)
    if not kept:
        raise BadAnnotation("Nothing has been measured, and there are no key images.")
    audit.record(
        "annotations.stored",
        actor=who,
        study=study,
        address=origin.get("address", ""),
        session_key=origin.get("session_key", ""),
        detail={"objects": kept},
    )
    return kept


def store_view(
    study_id: int, view: View, who: User, *, principal: Principal | None = None, **origin: str
) -> str:
    """A presentation state of what is seen, through the one door; its SOP Instance UID.

    Raises NotAllowed, BadAnnotation, Study.DoesNotExist.
    """
    study = annotated(study_id, who, principal)
    content = presentation.presentation_state(study, view, who)
    uid = _put(study, content, who, "presentation-state")
    audit.record(
        "presentation_state.stored",
        actor=who,
        study=study,
        address=origin.get("address", ""),
        session_key=origin.get("session_key", ""),
        detail={"instance": uid},
    )
    return uid


def _put(study: Study, content: bytes, who: User, kind: str) -> str:
    result = ingest.store(BytesIO(content), source=SOURCE, site=study.site, actor=who)
    if result.outcome not in {"stored", "duplicate"}:
        log.error("an object of annotations was not taken", study=study.pk, object=kind)
        raise BadAnnotation("The study does not take the object. It is in quarantine.")
    return result.sop_instance_uid
