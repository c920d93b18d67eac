"""Whether a study needs a report at all, as a person says it."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from studies.models import Study
from studies.reading.errors import NotAllowed, Refused
from studies.reading.people import acting, works
from studies.reading.states import NOT_NEEDED, UNREAD, turn


def set_needed(
    study_id: int, needed: bool, who: Any, *, address: str = "", session_key: str = ""
) -> Study:
    """No reading needed, or unread work after all: whoever works at the site. Safe to repeat.

    Raises NotAllowed, Refused for a study that somebody reads or that is read,
    Study.DoesNotExist.
    """
    principal, user = acting(who)
    study: Study = Study.objects.visible_to(principal).get(pk=study_id)
    if not works(principal, study.site_id):
        raise NotAllowed("Only people who work at the site say whether a study needs reading.")
    before, to = (NOT_NEEDED, UNREAD) if needed else (UNREAD, NOT_NEEDED)
    with transaction.atomic():
        turned = turn(
            study,
            to,
            where={"reading_state": before},
            actor=user,
            action="study.reading",
            detail={"from": before.value, "to": to.value},
            address=address,
            session_key=session_key,
        )
        study.refresh_from_db()
    if not turned and study.reading_state != to:
        raise Refused(f"This study is {study.get_reading_state_display().lower()}.")
    return study
