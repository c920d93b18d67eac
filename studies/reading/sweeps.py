"""What time undoes: idle claims, and claims and assignments of people who read there no more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from pacs.accounts.models import Membership
from studies.models import Study
from studies.reading import assignment, notices
from studies.reading.people import READER
from studies.reading.states import CLAIMED, OPEN, UNREAD, turn

AT_ONCE = 500


def sweep() -> None:
    """Everything that is to be done now; safe to repeat and to run twice at once."""
    release_idle()
    release_lost()
    for site_id in assignment.sites_due():
        assignment.assign_by_rules(site_id)


def release_idle() -> int:
    """Releases claims without a draft whose reader was not seen for the site's minutes."""
    now = timezone.now()
    claimed = Study.objects.filter(reading_state=CLAIMED, site__auto_release_minutes__gt=0)
    released = 0
    for study in claimed.select_related("site").order_by("reader_seen_at")[:AT_ONCE]:
        last = study.reader_seen_at or study.claimed_at
        limit = timedelta(minutes=study.site.auto_release_minutes)
        if last is None or last <= now - limit:
            # Seen at this very moment is not idle.
            released += _release(study, "idle", reader_seen_at=study.reader_seen_at)
    return released


def _release(study: Study, why: str, **where: Any) -> bool:
    former = study.reader_id
    with transaction.atomic():
        if not turn(
            study,
            UNREAD,
            where={"reading_state": CLAIMED, "reader": former, **where},
            actor=None,
            action="study.released",
            detail={"reader": former, "why": why},
        ):
            return False
        if former is not None:
            notices.lost(study, former)
    return True


def _of_strangers(field: str, states: tuple[str, ...]) -> Iterator[Study]:
    """Studies whose `field` is somebody who is no active radiologist of their site."""
    role = Membership.objects.filter(
        user=OuterRef(field), site=OuterRef("site"), role=READER, user__is_active=True
    )
    found = Study.objects.filter(reading_state__in=states, **{f"{field}__isnull": False})
    return iter(found.filter(~Exists(role)).order_by("id")[:AT_ONCE])


def release_lost() -> int:
    """Claims and assignments of people who lost the role at the site. Drafts stay: they can be
    taken over.
    """
    changed = sum(_release(study, "role") for study in _of_strangers("reader", (CLAIMED.value,)))
    changed += sum(assignment.take_back_from(study) for study in _of_strangers("assigned_to", OPEN))
    return changed
