"""Turnaround: until when a study should have its final report.

The clock runs from the receipt of the first image, for as long as the study is work.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import IntegerField, OuterRef, Q, Subquery
from django.utils import timezone

from studies.models import Priority, Study
from studies.reading.models import Turnaround
from studies.reading.states import OPEN

DEFAULT_MINUTES: Final = {Priority.STAT: 60, Priority.URGENT: 240, Priority.ROUTINE: 1440}
SOON: Final = 0.75
"""The part of the time after which a study is said to be due soon."""


def minutes_of_row() -> Subquery:
    """The site's minutes for the priority of a study, as an annotation; NULL: the default."""
    given = Turnaround.objects.filter(site=OuterRef("site"), priority=OuterRef("priority"))
    return Subquery(given.values("minutes")[:1], output_field=IntegerField())


def limit(study: Study, minutes: int | None) -> timedelta:
    """How long the study may wait."""
    return timedelta(minutes=minutes or DEFAULT_MINUTES[Priority(study.priority)])


def due_at(study: Study) -> datetime | None:
    """When a study of the worklist (tables.with_work) should be read; None for what is no work."""
    if study.reading_state not in OPEN:
        return None
    return study.received_at + limit(study, getattr(study, "turnaround", None))


def standing(study: Study) -> str:
    """`over`, `soon` or nothing; age.js counts on the same way."""
    due = due_at(study)
    if due is None:
        return ""
    left, whole = due - timezone.now(), due - study.received_at
    if left <= timedelta():
        return "over"
    return "soon" if left <= whole * (1 - SOON) else ""


def overdue(sites: Iterable[int]) -> Q:
    """Studies of these sites that should have been read by now."""
    now = timezone.now()
    given = {
        (site, priority): minutes
        for site, priority, minutes in Turnaround.objects.filter(site__in=sites).values_list(
            "site_id", "priority", "minutes"
        )
    }
    late = Q(pk__in=[])
    for priority, default in DEFAULT_MINUTES.items():
        by_minutes: dict[int, list[int]] = {}
        for site in sites:
            by_minutes.setdefault(given.get((site, priority.value), default), []).append(site)
        for minutes, some in by_minutes.items():
            before = now - timedelta(minutes=minutes)
            late |= Q(site__in=some, priority=priority, received_at__lte=before)
    return late & Q(reading_state__in=OPEN)

