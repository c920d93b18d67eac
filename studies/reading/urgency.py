"""The priority of a study, as a person sees it."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from studies.models import Priority, Study
from studies.reading.errors import NotAllowed
from studies.reading.people import acting, works
from studies.services import priority as priorities


def set_priority(
    study_id: int, priority: int, who: Any, *, address: str = "", session_key: str = ""
) -> Study:
    """STAT, urgent or routine: radiologists, technicians and administrators of the site.

    Safe to repeat. Raises NotAllowed, ValueError for no priority, Study.DoesNotExist.
    """
    principal, user = acting(who)
    study: Study = Study.objects.visible_to(principal).get(pk=study_id)
    if not works(principal, study.site_id):
        raise NotAllowed("Only people who work at the site set the priority.")
    with transaction.atomic():
        priorities.set_priority(
            study,
            Priority(priority),
            user,
            why="hand",
            address=address,
            session_key=session_key,
        )
    return study
