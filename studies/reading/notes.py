"""Notes on studies, and a technician's word that a study was checked."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from pacs import audit, events
from studies.models import Study
from studies.reading.errors import NotAllowed, Refused
from studies.reading.models import StudyNote
from studies.reading.people import acting, verifies, works

LONGEST = 2000


def add(
    study_id: int,
    who: Any,
    *,
    kind: str = StudyNote.Kind.NOTE,
    text: str = "",
    address: str = "",
    session_key: str = "",
) -> StudyNote:
    """Leave a note, or verify the study: patient, sides and images are right. Never changed.

    Notes: whoever works at the site. Verification: its technicians and administrators, with or
    without words. Raises NotAllowed, Refused for a note without words, Study.DoesNotExist.
    """
    principal, user = acting(who)
    study: Study = Study.objects.visible_to(principal).get(pk=study_id)
    kind = StudyNote.Kind(kind)
    if not works(principal, study.site_id):
        raise NotAllowed("Only people who work at the site leave notes.")
    if kind == StudyNote.Kind.VERIFICATION and not verifies(principal, study.site_id):
        raise NotAllowed("Only technicians and administrators of the site verify a study.")
    text = text.replace("\x00", "").strip()
    if not text and kind == StudyNote.Kind.NOTE:
        raise Refused("Write something first.")
    if len(text) > LONGEST:
        raise Refused(f"A note has at most {LONGEST} characters.")
    with transaction.atomic():
        note: StudyNote = StudyNote.objects.create(study=study, kind=kind, text=text, author=user)
        audit.record(
            f"study.{'verified' if kind == StudyNote.Kind.VERIFICATION else 'noted'}",
            actor=user,
            study=study,
            detail={"note": note.pk},
            address=address,
            session_key=session_key,
        )
        events.publish("study.changed", site=study.site_id, study=study.pk)
    return note
