"""Adding and removing attachments: the only writers of those that people bring."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from pacs import audit, events
from pacs.accounts.principal import principal_or_none
from reports.attachments import clean, content
from reports.attachments.models import Attachment
from reports.errors import BadContent, NotAllowed, Refused
from reports.permissions import may_note
from reports.writing import characters
from studies.backup import enrolment
from studies.dicom.payload import Payload
from studies.models import Study

TITLE_LENGTH, REASON_LENGTH = 160, 400
MOST_OF_STUDY = 200


def add(
    study: Study,
    who: Any,
    data: bytes,
    *,
    title: str,
    kind: str = Attachment.Kind.OTHER,
    dated: date | None = None,
    address: str = "",
    session_key: str = "",
) -> Attachment:
    """Keep a file with a study; the same bytes once more are the same attachment.

    A picture is made anew of its pixels; a PDF is kept as it came, and cleaned when it is handed
    out. Raises NotAllowed for referrers and tokens that only read, BadContent for what is no whole
    PDF, PNG or JPEG of at most 25 MB, Refused beyond 200 of a study.
    """
    _require(who, study.site_id)
    if kind not in Attachment.Kind.values:
        raise BadContent("There is no such kind of attachment.")
    title = title_of(title)
    try:
        media_type = content.media_type(data)
        came_as = hashlib.sha256(data).hexdigest()
        same = Attachment.objects.filter(study=study, removed_at=None, source="upload").filter(
            Q(file_sha256=came_as) | Q(received_sha256=came_as)
        )
        known: Attachment | None = same.first()
        if known is not None:
            return known
        if media_type == content.PDF:
            clean.pdf(data)  # refused now rather than when somebody wants to read it
        else:
            data, media_type = clean.picture(data)
    except content.NotTaken as error:
        raise BadContent(error.words, code="file") from error
    payload = Payload.from_bytes(data)
    if Attachment.objects.filter(study=study, removed_at=None).count() >= MOST_OF_STUDY:
        raise Refused(f"A study has at most {MOST_OF_STUDY} attachments.", code="too-many")
    key = enrolment.keep(payload, site_id=study.site_id)
    principal = principal_or_none(who)
    with transaction.atomic():
        # One writer at a time for a study: two drops of one file are one attachment.
        Study.objects.select_for_update(of=("self",)).get(pk=study.pk)
        there: Attachment | None = same.first()
        if there is not None:
            return there
        made: Attachment = Attachment.objects.create(
            site_id=study.site_id,
            patient_id=study.patient_ref_id,
            study=study,
            kind=kind,
            title=title,
            media_type=media_type,
            archive_key=key,
            file_size=len(data),
            file_sha256=payload.sha256,
            received_sha256="" if media_type == content.PDF else came_as,
            dated=dated,
            source="upload",
            added_by_id=principal.user_id if principal else None,
        )
        audit.record(
            "attachment.added",
            actor=_actor(who),
            study=study,
            address=address,
            session_key=session_key,
            detail={"attachment": str(made.pk), "kind": kind, "bytes": len(data)},
        )
        events.publish("study.changed", site=study.site_id, study=study.pk)
    return made


def remove(
    attachment: Attachment, who: Any, reason: str, *, address: str = "", session_key: str = ""
) -> None:
    """Take an attachment out of sight; the file stays in the archive, and the reason with it.

    Once removed it stays so: the same again is harmless. Raises NotAllowed, and BadContent where
    no reason is given.
    """
    _require(who, attachment.site_id)
    reason = " ".join(characters.line(reason).split())[:REASON_LENGTH]
    if not reason:
        raise BadContent("Say why it is removed.", code="reason")
    principal = principal_or_none(who)
    with transaction.atomic():
        if not Attachment.objects.filter(pk=attachment.pk, removed_at=None).update(
            removed_at=timezone.now(),
            removed_by_id=principal.user_id if principal else None,
            removed_reason=reason,
        ):
            return
        audit.record(
            "attachment.removed",
            actor=_actor(who),
            site=attachment.site_id,
            study=attachment.study,
            patient=attachment.patient_id,
            address=address,
            session_key=session_key,
            detail={"attachment": str(attachment.pk)},
        )
        if attachment.study_id is not None:
            events.publish("study.changed", site=attachment.site_id, study=attachment.study_id)


def title_of(text: str) -> str:
    """A title as it is kept: one line without invisible characters; "Attachment" for nothing."""
    return " ".join(characters.line(text).split())[:TITLE_LENGTH].strip() or "Attachment"


def _require(who: Any, site: int) -> None:
    principal = principal_or_none(who)
    if principal is None or not may_note(principal, site):
        raise NotAllowed("Your role does not add or remove attachments at this site.")


def _actor(who: Any) -> Any:
    return who if hasattr(who, "username") and hasattr(who, "pk") else who.user_id
